"""Evaluate runs that draw samples and ask a judge: what is kept, what is measured, and what a stop leaves of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import Engine

from backend.benchmarks.contents import TableBenchmark
from backend.benchmarks.demo import DemoBenchmark
from backend.benchmarks.export_mllmu import export_mllmu
from backend.benchmarks.item import Item
from backend.benchmarks.mllmu import open_mllmu
from backend.inference import sampling
from backend.metrics.judge import Verdict
from backend.metrics.rules import RULES
from backend.metrics.score import Answered
from backend.models.lineage import Opened, open_model
from backend.runs import evaluate, judging, process
from backend.spec import EvaluateSpec, ForgetRequest
from storage import results, runs
from storage.tables import Answer, Run
from tests.backend.metrics.test_judge import KEY, Court, says
from tests.backend.runs.conftest import carried_out

ONE_FACT = ForgetRequest(ratio=None, people=("p01",), attributes=("city",))
"""Every question of the forget and the test set has the same answer: the city where p01 lives."""

pytestmark = pytest.mark.usefixtures("few_questions")


@pytest.fixture
def court(monkeypatch: pytest.MonkeyPatch) -> Iterator[Court]:
    running = Court()
    monkeypatch.setenv("LETHE_JUDGE_URL", running.endpoint.url)
    monkeypatch.setenv("LETHE_JUDGE_MODEL", running.endpoint.model)
    monkeypatch.setenv("LETHE_JUDGE_KEY", KEY)
    yield running
    running.close()


def submit(engine: Engine, **settings: Any) -> Run:
    spec = EvaluateSpec(**{"model": "demo", "request": ONE_FACT, "batch_size": 8, **settings})
    return runs.submit(engine, kind="evaluate", name="evaluated", spec=spec.model_dump(mode="json"))


def done(engine: Engine, home: Path, **settings: Any) -> Run:
    submit(engine, **settings)
    run = carried_out(engine, home)
    assert run.state == "succeeded", run.error
    return run


def answers_of(engine: Engine, run: Run) -> dict[str, Answer]:
    return {row.item_id: row for row in results.answers(engine, run_id=run.id, limit=10_000)}


def rows_of(engine: Engine, run: Run, pattern: str) -> list[dict[str, Any]]:
    return [row for row in results.score_dicts(engine, run_id=run.id) if re.fullmatch(pattern, row["metric"])]


def one_phrase(opened: Opened, words: str) -> None:
    """Makes the model say these words and nothing else, whatever it is asked and however its tokens are drawn."""
    tokenizer = opened.processor.tokenizer
    ids = tokenizer(f" {words}", add_special_tokens=False)["input_ids"]
    assert len(set(ids)) == len(ids), "each token has one that follows it"
    following = dict(zip(ids, [*ids[1:], tokenizer.eos_token_id], strict=True))

    def rig(_: Any, __: Any, given: dict[str, Any], outputs: Any) -> Any:
        rigged = torch.full_like(outputs.logits, -1e9)
        last = given["input_ids"][:, -rigged.shape[1] :]
        for row, tokens in enumerate(last.tolist()):
            for place, token in enumerate(tokens):
                rigged[row, place, following.get(token, ids[0])] = 0.0
        outputs.logits = rigged
        return outputs

    opened.model.register_forward_hook(rig, with_kwargs=True)


def rigged(monkeypatch: pytest.MonkeyPatch, words: Callable[[], str]) -> None:
    def opens(*given: Any, **options: Any) -> Opened:
        opened = open_model(*given, **options)
        one_phrase(opened, words())
        return opened

    monkeypatch.setattr(evaluate, "open_model", opens)


@pytest.mark.parametrize(("leaking", "value"), [(True, 1.0), (False, 0.0)])
def test_leak_at_k_is_1_of_a_model_that_always_leaks_and_0_of_one_that_never_does(
    engine: Engine, home: Path, world: DemoBenchmark, monkeypatch: pytest.MonkeyPatch, leaking: bool, value: float
) -> None:
    cities = {person.id: person.facts["city"] for person in world.people()}
    said = cities["p01"] if leaking else next(city for city in cities.values() if city != cities["p01"])
    rigged(monkeypatch, lambda: said)
    run = done(engine, home, samples=5)
    rows = rows_of(engine, run, "leak@.*")
    assert {row["metric"] for row in rows} == {"leak@1", "leak@4", "leak@5"}
    assert {(row["set"], row["task"]) for row in rows} == {
        (item_set, task) for item_set in ("forget", "test") for task in ("generation", "cloze")
    }
    assert {row["value"] for row in rows} == {value} and all(row["n"] > 0 for row in rows)
    for row in answers_of(engine, run).values():
        sampled = row.item_set in ("forget", "test") and row.task in ("generation", "cloze")
        assert ("samples" in row.detail) == sampled
        if sampled:
            assert row.detail["samples"] == {"n": 5, "leaked": 5 * int(leaking), "texts": [said] * 5}


def test_without_samples_nothing_is_drawn(engine: Engine, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling.Sampler, "draw", lambda *_: pytest.fail("nobody asked for samples"))
    run = done(engine, home)
    assert rows_of(engine, run, "leak@.*") == []
    assert all("samples" not in row.detail for row in answers_of(engine, run).values())


def test_an_evaluation_that_was_stopped_draws_the_same_samples_and_none_twice(
    engine: Engine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = answers_of(engine, done(engine, home, samples=4, seed=7))
    drawn: list[list[str]] = []
    run, honest = submit(engine, samples=4, seed=7), sampling.Sampler._texts

    def counted(self: sampling.Sampler, items: Sequence[Any], longest: int) -> list[str]:
        drawn.append([item.id for item in items])
        if len(drawn) == 5:
            runs.request_stop(engine, run.id, "save")
        return honest(self, items, longest)

    monkeypatch.setattr(sampling.Sampler, "_texts", counted)
    assert carried_out(engine, home).state == "interrupted"
    kept = answers_of(engine, run)
    assert kept and len(kept) < len(whole)
    assert len(drawn) == 5 and any("samples" in row.detail for row in kept.values())
    runs.resume(engine, run.id)
    assert carried_out(engine, home).state == "succeeded"
    assert not kept.keys() & {item_id for portion in drawn[5:] for item_id in portion}
    again = answers_of(engine, run)
    assert {item_id: row.detail.get("samples") for item_id, row in again.items()} == {
        item_id: row.detail.get("samples") for item_id, row in whole.items()
    }
    other = answers_of(engine, done(engine, home, samples=4, seed=8))
    assert any(other[item_id].detail.get("samples") != row.detail.get("samples") for item_id, row in whole.items())


# -- the judge


def test_the_judges_marks_are_averaged_and_kept_with_its_reasons(engine: Engine, home: Path, court: Court) -> None:
    run = done(engine, home, judge=True)
    judged = {item_id: row for item_id, row in answers_of(engine, run).items() if row.task == "generation"}
    assert judged and all(row.detail["judge"] == {"score": 7.0, "reason": "near"} for row in judged.values())
    assert all("judge" not in row.detail for row in answers_of(engine, run).values() if row.task != "generation")
    marks, failures = rows_of(engine, run, "factuality"), rows_of(engine, run, "judge_failed")
    assert {row["value"] for row in marks} == {7.0} and {row["value"] for row in failures} == {0.0}
    assert {(row["task"], row["n"]) for row in marks} == {("generation", row["n"]) for row in failures}
    assert sum(row["n"] for row in marks) == len(judged)
    asked = {(row.question, row.truth, row.text) for row in judged.values()}
    assert len(court.bodies) == len(asked), "equal answers are asked about once"
    assert all("from 1 to 10" in body["messages"][0]["content"] for body in court.bodies)

    first = len(court.bodies)
    again = done(engine, home, judge=True)
    assert rows_of(engine, again, "factuality")[0]["value"] == 7.0
    assert len(court.bodies) == first, "marks are kept, and asked for once"


def test_an_answer_that_got_no_mark_is_counted_as_failed_and_left_out_of_the_average(
    engine: Engine, home: Path, court: Court, world: DemoBenchmark
) -> None:
    city = world.people()[0].facts["city"]
    court.reply = lambda body, _: says({"score": 4, "reason": ""} if city in str(body) else "no mark")
    run = done(engine, home, judge=True)
    told = {row.item_id: row for row in answers_of(engine, run).values() if "judge" in row.detail}
    for row in rows_of(engine, run, "factuality"):
        cell = [one for one in told.values() if (one.item_set, one.modality) == (row["set"], row["modality"])]
        marked = [one for one in cell if city in one.truth]
        assert (row["value"], row["n"]) == ((4.0, len(marked)) if marked else (None, 0))
        [failed] = [
            one
            for one in rows_of(engine, run, "judge_failed")
            if (one["set"], one["modality"]) == (row["set"], row["modality"])
        ]
        assert (failed["value"], failed["n"]) == (pytest.approx(1 - len(marked) / len(cell)), len(cell))
    reasons = {row.detail["judge"]["reason"] for row in told.values() if city not in row.truth}
    assert reasons == {"the judge's reply is not JSON"}
    assert {row.item_set for row in told.values() if city in row.truth} >= {"forget", "test"}


def test_where_a_whole_portion_fails_the_rest_is_not_asked(
    engine: Engine, home: Path, court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "PORTION", 2)
    court.reply = lambda *_: (401, {}, "")
    run = done(engine, home, judge=True)
    assert len(court.bodies) <= 2
    told = [row.detail["judge"] for row in answers_of(engine, run).values() if "judge" in row.detail]
    assert len(told) > 2 and {one["score"] for one in told} == {None}
    assert sum(one["reason"].startswith("not asked: the judge refused the key") for one in told) >= len(told) - 2


def test_answers_that_cannot_be_marked_do_not_end_the_asking(
    engine: Engine, home: Path, court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "PORTION", 2)
    court.reply = lambda body, number: says({"score": 6, "reason": ""} if number > 4 else "no mark")
    run = done(engine, home, judge=True)
    told = [row.detail["judge"] for row in answers_of(engine, run).values() if "judge" in row.detail]
    assert sum(one["score"] == 6 for one in told) > 0, "four in a row without a mark are a fault of the answers"
    assert not [one for one in told if one["reason"].startswith("not asked")]


def marked_as(rules: str, verdict: Verdict) -> dict[str, float | None]:
    item = Item("i", "p", "forget", "generation", "text", "?", "In Bergen.", "Bergen", "city")
    return dict(judging._marked(RULES[rules], Answered(item, "In Lima.", {}), verdict).measures)


def test_offsides_mean_as_coded_counts_a_failure_as_0_and_others_have_none() -> None:
    assert marked_as("offside", Verdict(None, "busy")) == {
        "factuality": None,
        "judge_failed": 1.0,
        "factuality_as_coded": 0.0,
    }
    assert marked_as("offside", Verdict(8.0, ""))["factuality_as_coded"] == 8.0
    assert "factuality_as_coded" not in marked_as("mllmu", Verdict(None, "busy"))


def test_the_key_is_found_nowhere_in_the_lab(
    engine: Engine, home: Path, court: Court, caplog: pytest.LogCaptureFixture
) -> None:
    court.reply = lambda _, number: says({"score": 3, "reason": KEY}) if number % 2 else (401, {}, KEY)
    with caplog.at_level("DEBUG"):
        run = done(engine, home, judge=True)
    assert set(court.keys) == {f"Bearer {KEY}"}
    assert KEY not in caplog.text
    engine.dispose()
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any(path.parent.name == "judge" for path in files)
    assert [path.name for path in files if KEY.encode() in path.read_bytes()] == []
    assert KEY not in str([row.detail for row in answers_of(engine, run).values()])


def test_a_judge_that_is_not_named_ends_the_run_before_anything_is_asked(
    engine: Engine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "open_model", lambda *_, **__: pytest.fail("no model is needed to see that"))
    for url, model, words in (
        ("", "", "the judge is asked for and LETHE_JUDGE_URL is not set; set it where the lab is started, or"),
        ("http://127.0.0.1:9/v1", "", "LETHE_JUDGE_MODEL is not set: name the model that judges"),
    ):
        monkeypatch.setenv("LETHE_JUDGE_URL", url)
        monkeypatch.setenv("LETHE_JUDGE_MODEL", model)
        submit(engine, judge=True)
        run = carried_out(engine, home)
        assert run.state == "failed" and run.error and run.error.startswith(words), run.error
        assert answers_of(engine, run) == {}


def test_without_a_judge_nobody_is_asked(engine: Engine, home: Path, court: Court) -> None:
    run = done(engine, home)
    assert court.bodies == [] and rows_of(engine, run, "factuality|judge_failed") == []


def test_offside_is_marked_on_its_own_scale_and_all_others_on_mllmus() -> None:
    scales = {name: judging.scale_of(rules) for name, rules in RULES.items()}
    assert scales.pop("offside") == "offside" and set(scales.values()) == {"mllmu"}


# -- solved examples


def as_mllmu(world: DemoBenchmark, home: Path, monkeypatch: pytest.MonkeyPatch) -> TableBenchmark:
    """The demo world as MLLMU-Bench has it, put in the place of the demo benchmark; a few questions of each cell."""
    export_mllmu(world, home / "mllmu")
    benchmark = open_mllmu(home / "mllmu", home)
    every, seen, few = benchmark.scored_items(ForgetRequest()), Counter[Any](), []
    for item in every:
        seen[item.set, item.task, item.modality] += 1
        plain = item.set == "retain" and (item.task, item.modality) == ("classification", "text")
        few += [item] if plain or seen[item.set, item.task, item.modality] <= 3 else []
    monkeypatch.setattr(benchmark, "scored_items", lambda request: few)
    monkeypatch.setattr(process, "open_benchmark", lambda *_, **__: benchmark)
    return benchmark


def test_solved_examples_stand_in_the_kept_prompts_of_multiple_choice(
    engine: Engine, home: Path, world: DemoBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_mllmu(world, home, monkeypatch)
    run = done(engine, home, request=ForgetRequest(), shots=2, seed=1)
    for row in answers_of(engine, run).values():
        shown = row.detail.get("prompt", "").count("Correct Answer: ")
        assert shown == (2 if row.task == "classification" and row.item_set != "celebrity" else 0)


def test_solved_examples_under_other_rules_end_the_run_before_anything_is_asked(engine: Engine, home: Path) -> None:
    submit(engine, shots=1)
    run = carried_out(engine, home)
    assert run.state == "failed" and "set shots to 0 to evaluate by the rules of Demo world" in (run.error or "")
    assert answers_of(engine, run) == {}


def test_what_the_original_knew_without_examples_is_not_held_against_answers_with_them(world: DemoBenchmark) -> None:
    items = world.scored_items(ONE_FACT)
    before = {item.id: {"correct": True, "probability": 0.5, "text": ""} for item in items}
    assert evaluate._asked_alike(before, EvaluateSpec(request=ONE_FACT), world) == before
    left = evaluate._asked_alike(before, EvaluateSpec(request=ONE_FACT, shots=1), world)
    assert left.keys() == {item.id for item in items if item.task != "classification"} and left != before
