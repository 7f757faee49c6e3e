"""A judge for factuality: another model reads question, true answer and answer, and marks how true the answer is.

Any endpoint that speaks OpenAI's chat completions will do. It is off until `LETHE_JUDGE_URL` is set, and then needs
`LETHE_JUDGE_MODEL` and, where the endpoint asks for one, `LETHE_JUDGE_KEY`. Promises:

- a mark comes from a reply that was read whole and lies on the scale; anything else is a failure, which has a reason
  and no mark, never a 0;
- a mark is asked for once: it is kept in a folder and read from there the next time. Failures are not kept;
- the key is sent to the endpoint and goes nowhere else: not into the cache, a log, an error or a repr.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx

from backend.metrics.judge_scales import SCALES, messages

WAITS_S = (1.0, 2.0, 4.0)
"""Pauses before the second, third and fourth attempt at one answer."""

LONGEST_WAIT_S = 30.0
TIMEOUT_S = 60.0
WORKERS = 4
PATIENCE = 3

_FENCE = re.compile(r"^```(?:json)?\s*(.*?)\s*```$", re.DOTALL)


@dataclass(frozen=True)
class Endpoint:
    """Where the judge is asked. `url`: the base, such as `https://api.openai.com/v1`. The key is not shown in a repr.

    Raises `ValueError` on an address that is no http(s) one or holds a password, no model, or a key that no HTTP
    header can carry.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        try:
            address = httpx.URL(self.url)
        except httpx.InvalidURL:
            address = httpx.URL("")
        if address.scheme not in ("http", "https") or not address.host:
            raise ValueError("LETHE_JUDGE_URL must be an address such as https://api.openai.com/v1")
        if address.userinfo or address.query:
            raise ValueError("LETHE_JUDGE_URL must not hold a password or a query; the key belongs in LETHE_JUDGE_KEY")
        if not self.model:
            raise ValueError("LETHE_JUDGE_MODEL is not set: name the model that judges, such as gpt-4o-mini")
        if not re.fullmatch(r"[!-~]*", self.key):
            raise ValueError("LETHE_JUDGE_KEY holds a blank or a character that no HTTP header can carry")

    @property
    def completions(self) -> str:
        base = self.url.rstrip("/")
        return base if base.endswith("/chat/completions") else base + "/chat/completions"


def from_environment(environment: Mapping[str, str] | None = None) -> Endpoint | None:
    """The judge that `LETHE_JUDGE_URL`, `_MODEL` and `_KEY` name; None when no URL is set: the judge is off then.

    Raises `ValueError` as `Endpoint` does.
    """
    values = os.environ if environment is None else environment
    url, model, key = (values.get(f"LETHE_JUDGE_{name}", "").strip() for name in ("URL", "MODEL", "KEY"))
    return Endpoint(url, model, key) if url else None


@dataclass(frozen=True)
class Answer:
    """One answer to be judged. Pictures are not shown to the judge."""

    question: str
    truth: str
    answer: str


@dataclass(frozen=True)
class Verdict:
    """A mark on the scale and the judge's own words for it; or no mark, and in `reason` why there is none. `closed`:
    there is none because the endpoint gives nobody any, whatever the answer."""

    score: float | None
    reason: str
    cached: bool = False
    closed: bool = False


def judge(
    answers: Sequence[Answer],
    scale: Literal["mllmu", "offside"],
    endpoint: Endpoint,
    cache: Path,
    *,
    waits: Sequence[float] = WAITS_S,
    timeout: float = TIMEOUT_S,
) -> list[Verdict]:
    """One verdict for each of `answers`, in their order. Equal answers are asked about once.

    `scale`: `mllmu` is 1 to 10 (MLLMU-Bench, arXiv 2410.22108, `eval_gpt.py`), `offside` is 0 to 10 with 0 for
    garbled text (OFFSIDE, `eval_gpt.py`); see `judge_scales` for what differs. `cache`: a folder, made when missing;
    a mark is kept under a hash of model, scale, question, truth and answer. Temperature 0 and JSON
    mode, unless the endpoint takes neither. Status 429 and 5xx, timeouts and lost connections are tried again after
    `waits` (seconds), or after the endpoint's Retry-After up to 30 s. When the endpoint refuses the key, model or
    address, or fails three answers in a row, the rest are not asked.
    Raises `ValueError` on an unknown scale and `OSError` when the folder cannot be written to.
    """
    if scale not in SCALES:
        raise ValueError(f"there is no judge's scale {scale!r}; choose one of {', '.join(SCALES)}")
    cache.mkdir(parents=True, exist_ok=True)
    unique = list(dict.fromkeys(answers))
    with _Bench(endpoint, scale, cache, waits, timeout) as bench, ThreadPoolExecutor(WORKERS) as pool:
        verdicts = dict(zip(unique, pool.map(bench.verdict, unique), strict=True))
    return [verdicts[answer] for answer in answers]


def offside_mark_as_coded(verdict: Verdict) -> float:
    """The mark that goes into the mean of OFFSIDE's `eval_gpt.py`.

    Differs: a failure counts as 0; in `factuality` it has no mark, and is left out and counted.
    """
    return verdict.score or 0.0


class _NotNow(Exception):
    """An attempt failed in a way that another may not; `wait` is what the endpoint asked for, in seconds."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class _Failed(Exception):
    """This answer gets no mark. `own`: for a reason of its own, which says nothing of the others."""

    own = True


class _Unanswered(_Failed):
    """The endpoint gave nothing to this one, however often it was asked."""

    own = False


class _Closed(_Unanswered):
    """No answer will get one: the endpoint refuses all of them."""


class _Bench:
    """Asks about one answer at a time, from several threads, until the endpoint proves closed."""

    def __init__(self, endpoint: Endpoint, scale: str, cache: Path, waits: Sequence[float], timeout: float) -> None:
        self.endpoint, self.scale, self.cache, self.waits = endpoint, scale, cache, waits
        headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
        self.client = httpx.Client(headers=headers, timeout=timeout)
        self.settings: dict[str, Any] = {"temperature": 0, "response_format": {"type": "json_object"}}
        self.failures_in_a_row = 0
        self.closed = threading.Event()
        self.why_closed = ""

    def __enter__(self) -> _Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def verdict(self, answer: Answer) -> Verdict:
        path = self.cache / f"{_digest(self.endpoint.model, self.scale, answer)}.json"
        if kept := _read(path, self.scale):
            return kept
        if self.closed.is_set():
            return Verdict(None, f"not asked: {self.why_closed}", closed=True)
        try:
            score, reason = _marks(self._patiently(answer), self.scale)
        except _Failed as error:
            if isinstance(error, _Closed):
                self._close(str(error))
            return Verdict(None, self._without_key(str(error)), closed=not error.own and self.closed.is_set())
        verdict = Verdict(score, self._without_key(reason))
        _write(path, {"model": self.endpoint.model, "scale": self.scale, **asdict(answer)}, verdict)
        return verdict

    def _patiently(self, answer: Answer) -> str:
        for wait in (*self.waits, None):
            try:
                content = self._ask(answer)
            except _NotNow as error:
                if wait is None:
                    self.failures_in_a_row += 1
                    if self.failures_in_a_row >= PATIENCE:
                        self._close(f"the judge failed {PATIENCE} answers in a row, at last: {error}")
                    raise _Unanswered(f"{error}, {len(self.waits) + 1} times") from None
                if self.closed.wait(min(max(wait, error.wait), LONGEST_WAIT_S)):
                    raise _Unanswered(f"not asked again: {self.why_closed}") from None
            else:
                self.failures_in_a_row = 0
                return content
        raise AssertionError("the last attempt returns or raises")

    def _ask(self, answer: Answer) -> str:
        plain = {
            "model": self.endpoint.model,
            "messages": messages(self.scale, answer.question, answer.truth, answer.answer),
        }
        response = self._post(plain | self.settings)
        if response.status_code == 400 and self.settings:
            response = self._post(plain)
            if response.status_code == 200:
                self.settings = {}
        _check_status(response)
        try:
            content = response.json()["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            raise _Failed("the endpoint's reply is not a chat completion") from None
        if not isinstance(content, str):
            raise _Failed("the judge's reply holds no text")
        return content

    def _post(self, body: dict[str, Any]) -> httpx.Response:
        # `from None`: httpx's errors carry the request, and the request carries the key.
        try:
            return self.client.post(self.endpoint.completions, json=body)
        except httpx.TimeoutException:
            raise _NotNow("the judge did not answer in time") from None
        except httpx.RequestError as error:
            raise _NotNow(f"the judge could not be reached ({type(error).__name__})") from None

    def _close(self, reason: str) -> None:
        self.why_closed = self.why_closed or self._without_key(reason)
        self.closed.set()

    def _without_key(self, text: str) -> str:
        return text.replace(self.endpoint.key, "[key]") if self.endpoint.key else text


def _check_status(response: httpx.Response) -> None:
    status = response.status_code
    if status == 429 or status >= 500:
        asked = response.headers.get("Retry-After", "")
        raise _NotNow(f"the judge answered with status {status}", float(asked) if asked.isdecimal() else 0.0)
    if status in (401, 403):
        raise _Closed(f"the judge refused the key (status {status}): check LETHE_JUDGE_KEY")
    if status == 404:
        raise _Closed("the judge was not found (status 404): check LETHE_JUDGE_URL and LETHE_JUDGE_MODEL")
    if status != 200:
        raise _Failed(f"the judge refused the question (status {status})")


def _marks(content: str, scale: str) -> tuple[float, str]:
    """Mark and reason out of the judge's words: one JSON object, a fence around it aside."""
    text = content.strip()
    if fenced := _FENCE.match(text):
        text = fenced.group(1)
    try:
        reply = json.loads(text)
    except (ValueError, RecursionError):
        raise _Failed("the judge's reply is not JSON") from None
    if not isinstance(reply, dict) or "score" not in reply:
        raise _Failed("the judge's reply has no score")
    score = _on_scale(reply["score"], scale)
    if score is None:
        low, high = SCALES[scale].low, SCALES[scale].high
        raise _Failed(f"the judge's score is not a number from {low} to {high}")
    reason = reply.get("reason")
    return score, reason if isinstance(reason, str) else ""


def _on_scale(value: Any, scale: str) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if SCALES[scale].low <= value <= SCALES[scale].high else None


def _digest(model: str, scale: str, answer: Answer) -> str:
    parts = [model, scale, answer.question, answer.truth, answer.answer]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _read(path: Path, scale: str) -> Verdict | None:
    """The mark kept there; None when there is none that can be read, so that it is asked for again."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(kept, dict) or not isinstance(kept.get("reason"), str):
        return None
    score = _on_scale(kept.get("score"), scale)
    return None if score is None else Verdict(score, kept["reason"], cached=True)


def _write(path: Path, asked: dict[str, str], verdict: Verdict) -> None:
    kept = {**asked, "score": verdict.score, "reason": verdict.reason}
    part = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
    part.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    os.replace(part, path)
