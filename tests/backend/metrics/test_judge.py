"""The judge against an endpoint on this computer: marks, failures, repeats, the cache, and a key that goes nowhere."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from backend.metrics.judge import Answer, Endpoint, Verdict, from_environment, judge, offside_mark_as_coded
from backend.metrics.judge_scales import SCALES, messages

KEY = "sk-very-secret-4711"
RIGHT = Answer("Where was she born?", "In Bergen.", "In Bergen, Norway.")
WRONG = Answer("Where was she born?", "In Bergen.", "In Lima.")
Reply = tuple[int, dict[str, str], str]


def says(content: Any, status: int = 200) -> Reply:
    text = content if isinstance(content, str) else json.dumps(content)
    return status, {}, json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]})


class Court:
    """An endpoint that answers by `reply(body, number of the request)` and keeps what it was asked."""

    def __init__(self) -> None:
        self.reply: Callable[[dict[str, Any], int], Reply] = lambda _body, _number: says({"score": 7, "reason": "near"})
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.paths: list[str] = []
        court, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    court.bodies.append(body)
                    court.keys.append(self.headers.get("Authorization"))
                    court.paths.append(self.path)
                    number = len(court.bodies)
                status, headers, text = court.reply(body, number)
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(text.encode())))
                    self.end_headers()
                    self.wfile.write(text.encode())
                except ConnectionError:
                    self.close_connection = True  # the asker gave up waiting

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(f"http://127.0.0.1:{self.server.server_port}/v1", "clerk-1", KEY)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def court() -> Iterator[Court]:
    running = Court()
    yield running
    running.close()


def by_answer(marks: dict[str, Any]) -> Callable[[dict[str, Any], int], Reply]:
    return lambda body, _number: says({"score": marks[json.loads(body["messages"][1]["content"])["answer"]]})


def test_marks_come_back_in_the_order_of_the_answers(court: Court, tmp_path: Path) -> None:
    court.reply = by_answer({RIGHT.answer: 10, WRONG.answer: 2.5})
    verdicts = judge([WRONG, RIGHT, WRONG], "mllmu", court.endpoint, tmp_path)
    assert [verdict.score for verdict in verdicts] == [2.5, 10, 2.5]
    assert len(court.bodies) == 2, "equal answers are asked about once"
    assert judge([], "mllmu", court.endpoint, tmp_path) == []


def test_the_request_holds_the_rubric_the_texts_as_data_and_the_key_as_a_header(court: Court, tmp_path: Path) -> None:
    judge([WRONG], "offside", court.endpoint, tmp_path)
    (body,) = court.bodies
    assert (body["model"], body["temperature"]) == ("clerk-1", 0)
    assert SCALES["offside"].rubric in body["messages"][0]["content"]
    asked = {"question": WRONG.question, "reference": WRONG.truth, "answer": WRONG.answer}
    assert json.loads(body["messages"][1]["content"]) == asked
    assert court.keys == [f"Bearer {KEY}"]
    assert court.paths == ["/v1/chat/completions"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("The answer deserves an 8.", "not JSON"),
        ("8", "no score"),
        ([8], "no score"),
        ({"factuality": 8}, "no score"),
        ({"score": "8"}, "not a number from 1 to 10"),
        ({"score": True}, "not a number from 1 to 10"),
        ({"score": None}, "not a number from 1 to 10"),
        ({"score": 0}, "not a number from 1 to 10"),
        ({"score": 11}, "not a number from 1 to 10"),
        ('{"score": NaN}', "not a number from 1 to 10"),
        ('{"score": 8} and more', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("", "not JSON"),
    ],
)
def test_a_reply_off_the_scale_is_a_failure_with_a_reason_and_never_a_0(
    court: Court, tmp_path: Path, content: Any, why: str
) -> None:
    court.reply = lambda _body, _number: says(content)
    (verdict,) = judge([RIGHT], "mllmu", court.endpoint, tmp_path)
    assert verdict.score is None
    assert why in verdict.reason
    assert list(tmp_path.iterdir()) == [], "a failure is not kept"


@pytest.mark.parametrize("text", ["<html>", "{}", '{"choices": []}', '{"choices": [{"message": {"content": null}}]}'])
def test_a_reply_that_is_no_chat_is_a_failure(court: Court, tmp_path: Path, text: str) -> None:
    court.reply = lambda _body, _number: (200, {}, text)
    (verdict,) = judge([RIGHT], "mllmu", court.endpoint, tmp_path)
    assert verdict.score is None
    assert "reply" in verdict.reason


def test_0_is_a_mark_on_offsides_scale_only_and_a_fence_around_json_is_taken_off(court: Court, tmp_path: Path) -> None:
    court.reply = lambda _body, _number: says('```json\n{"score": 0, "reason": "garbled"}\n```')
    assert judge([RIGHT], "offside", court.endpoint, tmp_path) == [Verdict(0.0, "garbled")]
    assert judge([RIGHT], "mllmu", court.endpoint, tmp_path)[0].score is None


def test_a_mark_is_asked_for_once_for_each_model_scale_and_answer(court: Court, tmp_path: Path) -> None:
    first = judge([RIGHT], "mllmu", court.endpoint, tmp_path)
    again = judge([RIGHT], "mllmu", court.endpoint, tmp_path)
    assert first == [Verdict(7.0, "near", cached=False)]
    assert again == [Verdict(7.0, "near", cached=True)]
    assert len(court.bodies) == 1
    judge([RIGHT], "offside", court.endpoint, tmp_path)
    judge([RIGHT], "mllmu", Endpoint(court.endpoint.url, "clerk-2", KEY), tmp_path)
    judge([WRONG], "mllmu", court.endpoint, tmp_path)
    assert len(court.bodies) == 4


def test_a_cache_file_that_cannot_be_read_is_asked_for_again(court: Court, tmp_path: Path) -> None:
    judge([RIGHT], "mllmu", court.endpoint, tmp_path)
    (kept,) = tmp_path.iterdir()
    for broken in ("{", "[]", '{"score": 99, "reason": ""}', '{"score": 3}'):
        kept.write_text(broken)
        assert judge([RIGHT], "mllmu", court.endpoint, tmp_path) == [Verdict(7.0, "near", cached=False)]
    assert len(court.bodies) == 5
    assert json.loads(kept.read_text())["answer"] == RIGHT.answer


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_endpoint_is_asked_again(court: Court, tmp_path: Path, status: int) -> None:
    court.reply = lambda _body, number: says({"score": 9}) if number == 3 else (status, {}, "later")
    (verdict,) = judge([RIGHT], "mllmu", court.endpoint, tmp_path, waits=[0, 0, 0])
    assert verdict.score == 9
    assert len(court.bodies) == 3


def test_an_endpoint_that_says_how_long_to_wait_is_left_alone_so_long(court: Court, tmp_path: Path) -> None:
    court.reply = lambda _body, number: says({"score": 9}) if number == 2 else (429, {"Retry-After": "1"}, "")
    begun = time.monotonic()
    judge([RIGHT], "mllmu", court.endpoint, tmp_path, waits=[0])
    assert time.monotonic() - begun >= 1


def test_an_endpoint_that_stays_busy_fails_with_the_status_and_the_number_of_attempts(
    court: Court, tmp_path: Path
) -> None:
    court.reply = lambda _body, _number: (503, {}, "")
    (verdict,) = judge([RIGHT], "mllmu", court.endpoint, tmp_path, waits=[0, 0])
    assert verdict == Verdict(None, "the judge answered with status 503, 3 times")
    assert len(court.bodies) == 3


def test_an_endpoint_that_is_too_slow_is_asked_again_and_then_left(court: Court, tmp_path: Path) -> None:
    asleep, over = {1}, threading.Event()

    def slow(body: dict[str, Any], number: int) -> Reply:
        if number in asleep or WRONG.answer in str(body):
            over.wait(30)
        return says({"score": 4})

    court.reply = slow
    (verdict,) = judge([RIGHT], "mllmu", court.endpoint, tmp_path, waits=[0] * 5, timeout=0.3)
    (late,) = judge([WRONG], "mllmu", court.endpoint, tmp_path, waits=[0], timeout=0.3)
    over.set()
    assert verdict.score == 4
    assert late == Verdict(None, "the judge did not answer in time, 2 times")


def test_an_address_where_nobody_listens_is_named_a_failure(court: Court, tmp_path: Path) -> None:
    endpoint = court.endpoint
    court.server.server_close()
    (verdict,) = judge([RIGHT], "mllmu", endpoint, tmp_path, waits=[])
    assert verdict.score is None
    assert "could not be reached" in verdict.reason


@pytest.mark.parametrize(("status", "check"), [(401, "LETHE_JUDGE_KEY"), (403, "_KEY"), (404, "LETHE_JUDGE_MODEL")])
def test_an_endpoint_that_refuses_everybody_is_not_asked_for_each(
    court: Court, tmp_path: Path, status: int, check: str
) -> None:
    court.reply = lambda _body, _number: (status, {}, "no")
    many = [Answer("?", "yes", str(number)) for number in range(60)]
    verdicts = judge(many, "mllmu", court.endpoint, tmp_path)
    assert all(verdict.score is None and check in verdict.reason for verdict in verdicts)
    assert len(court.bodies) <= 4, "one for each thread that was asking already"


def test_three_failures_in_a_row_end_the_asking_and_marks_already_kept_are_still_read(
    court: Court, tmp_path: Path
) -> None:
    judge([RIGHT], "mllmu", court.endpoint, tmp_path)
    court.reply = lambda _body, _number: (500, {}, "")
    many = [Answer("?", "yes", str(number)) for number in range(60)]
    verdicts = judge([*many, RIGHT], "mllmu", court.endpoint, tmp_path, waits=[0])
    assert verdicts[-1] == Verdict(7.0, "near", cached=True)
    assert {verdict.score for verdict in verdicts[:-1]} == {None}
    assert "not asked: the judge failed 3 answers in a row" in verdicts[-2].reason
    assert len(court.bodies) < 20


def test_a_question_that_is_refused_does_not_end_the_asking(court: Court, tmp_path: Path) -> None:
    marks = by_answer({RIGHT.answer: 10})
    court.reply = lambda body, number: marks(body, number) if RIGHT.answer in str(body) else (413, {}, "")
    wrong, right = judge([WRONG, RIGHT], "mllmu", court.endpoint, tmp_path)
    assert wrong == Verdict(None, "the judge refused the question (status 413)")
    assert right.score == 10


def test_an_endpoint_without_json_mode_is_asked_plainly(court: Court, tmp_path: Path) -> None:
    court.reply = lambda body, _number: (400, {}, "") if "response_format" in body else says({"score": 6})
    verdicts = judge([RIGHT], "mllmu", court.endpoint, tmp_path)
    assert [verdict.score for verdict in verdicts] == [6]
    assert ["response_format" in body for body in court.bodies] == [True, False]


def test_the_key_is_in_no_file_log_error_or_repr(
    court: Court, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = court.endpoint
    echo = {"score": 5, "reason": f"you sent {KEY}"}
    court.reply = lambda body, _number: says(echo) if RIGHT.answer in str(body) else (401, {}, f"bad key {KEY}")
    verdicts = judge([RIGHT], "mllmu", endpoint, tmp_path) + judge([WRONG], "mllmu", endpoint, tmp_path)
    assert court.keys == [f"Bearer {KEY}"] * 2
    assert verdicts[0].reason == "you sent [key]"
    written = "".join(path.read_text() for path in tmp_path.iterdir())
    out, err = capfd.readouterr()
    for text in (repr(endpoint), str(endpoint), repr(verdicts), written, caplog.text, out, err):
        assert KEY not in text
    with pytest.raises(ValueError, match="no HTTP header can carry") as error:
        Endpoint(endpoint.url, "clerk-1", KEY + "é")
    assert KEY not in repr(error.value)


def test_an_answer_of_broken_characters_is_judged_like_any_other(court: Court, tmp_path: Path) -> None:
    (verdict,) = judge([Answer("?", "São Paulo", "\ud800 \x00 李")], "offside", court.endpoint, tmp_path)
    assert verdict.score == 7
    assert json.loads(court.bodies[0]["messages"][1]["content"])["reference"] == "São Paulo"


def test_the_judge_is_off_until_an_address_is_set() -> None:
    assert from_environment({}) is None
    assert from_environment({"LETHE_JUDGE_URL": " ", "LETHE_JUDGE_MODEL": "clerk-1"}) is None
    named = {"LETHE_JUDGE_URL": "https://judge.example/v1/", "LETHE_JUDGE_MODEL": "clerk-1", "LETHE_JUDGE_KEY": " k\n"}
    endpoint = from_environment(named)
    assert endpoint == Endpoint("https://judge.example/v1/", "clerk-1", "k")
    assert endpoint.completions == "https://judge.example/v1/chat/completions"
    assert Endpoint("http://localhost:8000/v1/chat/completions", "m").completions.count("completions") == 1


@pytest.mark.parametrize(
    ("url", "model", "why"),
    [
        ("judge.example", "m", "must be an address"),
        ("file:///etc/passwd", "m", "must be an address"),
        ("http://[::1", "m", "must be an address"),
        ("https://user:word@judge.example/v1", "m", "must not hold a password"),
        ("https://judge.example/v1?key=1", "m", "must not hold a password"),
        ("https://judge.example/v1", "", "LETHE_JUDGE_MODEL is not set"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(url: str, model: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        from_environment({"LETHE_JUDGE_URL": url, "LETHE_JUDGE_MODEL": model})


def test_an_unknown_scale_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mllmu, offside"):
        judge([RIGHT], "school", Endpoint("http://localhost", "m"), tmp_path)  # type: ignore[arg-type]


def test_the_offside_script_counts_a_failure_as_0() -> None:
    assert [offside_mark_as_coded(one) for one in (Verdict(8.0, ""), Verdict(None, "busy"))] == [8, 0]


def test_a_failure_says_whether_it_is_the_answers_own_or_the_endpoints(court: Court, tmp_path: Path) -> None:
    court.reply = lambda *_: says("no mark")
    assert [one.closed for one in judge([RIGHT, WRONG], "mllmu", court.endpoint, tmp_path)] == [False, False]
    court.reply = lambda *_: (401, {}, "")
    assert [one.closed for one in judge([RIGHT, WRONG], "mllmu", court.endpoint, tmp_path)] == [True, True]
    court.reply = lambda *_: (503, {}, "")
    busy = judge([RIGHT, WRONG], "mllmu", court.endpoint, tmp_path, waits=())
    assert [one.closed for one in busy] == [False, False], "two failures in a row are not yet an endpoint that is down"


def test_both_scales_name_their_ends() -> None:
    assert "from 1 to 10" in messages("mllmu", "?", "yes", "no")[0]["content"]
    assert "from 0 to 10" in messages("offside", "?", "yes", "no")[0]["content"]
    assert "garbled" not in SCALES["mllmu"].rubric
