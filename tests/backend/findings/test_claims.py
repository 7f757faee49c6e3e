"""Each claim on runs whose figures are made so that the answer is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backend.findings import CLAIMS, Case, Finding
from backend.suites import KNOWN

BY_KEY = {claim.key: claim for claim in CLAIMS}


def cell(value: float, spread: float | None = 0.05, n: int = 20) -> dict[str, Any]:
    bounds = (None, None) if spread is None else (value - spread, value + spread)
    return {"value": value, "low": bounds[0], "high": bounds[1], "n": n}


def case(
    name: str = "run",
    *,
    modality: str = "both",
    forget: tuple[float, float] = (0.1, 0.1),
    retain: float = 0.9,
    choice: float | None = None,
    before: tuple[float, float] | None = (1.0, 1.0),
    attacks: list[dict[str, Any]] | None = None,
    spread: float | None = 0.05,
    preset: str = "npo",
    **objective: Any,
) -> Case:
    """`forget`: with the picture, as text; `before`: the original on forget and retain."""
    cells = {
        ("forget", "generation", "image_text"): cell(forget[0], spread),
        ("forget", "generation", "text"): cell(forget[1], spread),
        ("retain", "generation", "text"): cell(retain, spread),
    }
    if choice is not None:
        cells["forget", "classification", "image_text"] = cell(choice)
    known = {}
    if before:
        known = {("forget", "generation", modality): cell(before[0]) for modality in ("image_text", "text")}
        known["retain", "generation", "text"] = cell(before[1])
    spec = {
        "benchmark": "demo",
        "preset": preset,
        "request": {"ratio": 10, "modality": modality},
        "objective": {"forget": "npo", "mask": "none", "regulariser": "none"} | objective,
    }
    return Case(name, name, spec, cells, known, {"attack1": attacks} if attacks else {})


def attacked(
    name: str, family: str, recovery: float, gap_low: float | None, high: float = 1.0, chance: float | None = 0.031
) -> dict[str, Any]:
    return {
        "name": name,
        "title": name.title(),
        "family": family,
        "at": "20 steps",
        "recovery": recovery,
        "recovery_low": recovery - 0.05,
        "recovery_high": high,
        "gap": None if gap_low is None else gap_low + 0.1,
        "gap_low": gap_low,
        "control": None if gap_low is None else 0.02,
        "unlearned": recovery,
        "chance": chance,
        "tried": 7,
    }


def found(key: str, *cases: Case) -> Finding:
    return BY_KEY[key].put_to(cases)


@pytest.mark.parametrize("key", sorted(BY_KEY))
def test_without_runs_nobody_can_tell_and_it_says_what_is_needed(key: str) -> None:
    finding = found(key)
    assert finding.verdict == "cannot tell" and finding.words.startswith("needs ") and finding.witnesses == ()


def test_text_only() -> None:
    left = found("text_only", case("a", modality="text", forget=(0.74, 0.1)))
    assert (
        left.verdict == "supported"
        and left.words == "1 of 1 run: picture .74, text .10 after text-only unlearning; the original's text 1.00"
    )
    assert left.witnesses[0].page == "/runs?run=a"
    assert found("text_only", case(modality="text", forget=(0.12, 0.1))).verdict == "not supported"
    assert found("text_only", case(modality="text", forget=(0.3, 0.1), spread=0.2)).verdict == "cannot tell"
    assert found("text_only", case(modality="both", forget=(0.74, 0.1))).words.startswith("needs ")
    assert found("text_only", case(modality="text", forget=(0.9, 0.8))).words.startswith("needs "), "nothing forgotten"


@pytest.mark.parametrize(("key", "gone"), [("text_only", "text"), ("visual_link", "image_text")])
def test_an_original_that_told_the_two_apart_from_the_start_is_no_finding(key: str, gone: str) -> None:
    """.1 of one modality and .8 of the other, before and after."""
    forget = (0.8, 0.1) if gone == "text" else (0.1, 0.8)
    same = case(modality="text", mask="mmunlearner", forget=forget)
    assert found(key, same).verdict == "supported", "where the original knew all of it"
    known = {(of, task, modality): one for (of, task, modality), one in same.cells.items() if of == "forget"}
    nothing_went = found(key, replace(same, before=known))
    assert nothing_went.verdict == "cannot tell" and nothing_went.witnesses[0].speaks == 0
    nobody_knows = found(key, replace(same, before={}))
    assert nobody_knows.verdict == "cannot tell" and "is not known" in nobody_knows.words


def test_what_was_lost_is_held_against_what_the_other_lost() -> None:
    """Text fell from .45 to .10, the picture from .95 to .40."""
    fell = case(modality="text", forget=(0.4, 0.1))
    before = {("forget", "generation", "text"): cell(0.45), ("forget", "generation", "image_text"): cell(0.95)}
    assert found("text_only", replace(fell, before=before)).verdict == "cannot tell"
    before["forget", "generation", "image_text"] = cell(0.6)
    assert found("text_only", replace(fell, before=before)).verdict == "supported"


def test_a_picture_that_never_told_anything_denies_nothing() -> None:
    silent = case(modality="text", forget=(0.1, 0.1))
    before = {("forget", "generation", "text"): cell(0.9), ("forget", "generation", "image_text"): cell(0.1)}
    assert found("text_only", replace(silent, before=before)).verdict == "cannot tell"


def test_runs_that_disagree_are_no_answer() -> None:
    mixed = found("text_only", case(modality="text", forget=(0.74, 0.1)), case(modality="text", forget=(0.1, 0.1)))
    assert mixed.verdict == "cannot tell" and mixed.words == "1 of 2 runs for it, 1 against it"


def test_a_majority_of_those_that_could_speak_is_needed_and_all_are_counted() -> None:
    speaking = case("a", modality="text", forget=(0.74, 0.1))
    silent = case("b", modality="text", forget=(0.3, 0.1), spread=0.2)
    lonely = found("text_only", speaking, *[silent] * 9)
    assert lonely.verdict == "cannot tell"
    assert lonely.words.startswith("1 of 10 runs for it, 0 against it; 9 neither way: nothing was lost for certain, ")
    assert found("text_only", speaking, silent).verdict == "cannot tell", "half is no majority"
    most = found("text_only", silent, speaking, speaking)
    assert most.verdict == "supported" and most.words.startswith("2 of 3 runs: picture .74, text .10 after")
    assert "; 1 neither way: nothing was lost for certain, " in most.words
    against = case("c", modality="text", forget=(0.1, 0.1))
    denied = found("text_only", against, against, silent)
    assert denied.verdict == "not supported" and denied.words.startswith("2 of 3 runs: picture .10, text .10 after")
    alone = found("text_only", silent)
    assert alone.words.startswith("0 of 1 run: picture .30, text .10 after") and "; 1 neither way: " in alone.words


def test_collapse_is_a_correlation_over_runs() -> None:
    together = [
        case(f"r{at}", forget=(1 - lost, 1 - lost), retain=1 - lost / 2, beta=at)
        for at, lost in enumerate((0.1, 0.2, 0.5, 0.8, 0.9, 1))
    ]
    finding = found("collapse", *together)
    assert finding.verdict == "supported" and finding.words == "r = 1.00 (1.00 to 1.00), 6 runs"
    assert found("collapse", *together[:4]).verdict == "cannot tell"
    apart = [case(f"r{at}", forget=(1 - lost,) * 2, retain=kept, beta=at) for at, (lost, kept) in enumerate(
        [(0.1, 0.2), (0.3, 0.4), (0.5, 0.6), (0.7, 0.8), (0.9, 1.0), (0.2, 0.3), (0.8, 0.9)]
    )]  # fmt: skip
    assert found("collapse", *apart).verdict == "not supported"
    same = [case(f"r{at}", beta=at) for at in range(6)]
    assert "lost the same" in found("collapse", *same).words


def test_runs_that_forgot_nothing_and_seeds_of_one_setting_make_no_correlation() -> None:
    idle = [case(f"i{at}", forget=(1.0, 1.0), retain=1.0, beta=at) for at in range(6)]
    finding = found("collapse", *idle, case("a", forget=(0.1, 0.1), retain=0.1, beta=10))
    assert finding.verdict == "cannot tell" and finding.words.endswith("that forgot something, there are 1")
    seeds = [case(f"s{at}", forget=(at / 10, at / 10), retain=at / 10) for at in range(6)]
    assert found("collapse", *seeds).words.endswith("there are 1"), "they differ in nothing but their seed"


@pytest.mark.parametrize(
    ("key", "name", "family", "enough"),
    [
        ("visual_rumours", "print_rumour", "picture", 0.1),
        ("relearning", "relearn_forget", "weight", 0.5),
        ("prompts", "prefix", "prompt", 0.1),
    ],
)
def test_what_attacks_brought_back(key: str, name: str, family: str, enough: float) -> None:
    assert KNOWN[name].family == family, "an attack that there is"
    back = found(key, case(attacks=[attacked(name, family, enough + 0.1, 0.05)]))
    assert back.verdict == "supported" and "came back, control .02" in back.words
    assert back.witnesses[0].page == "/attack?run=attack1"
    assert found(key, case(attacks=[attacked(name, family, enough + 0.1, -0.05)])).verdict == "cannot tell"
    assert found(key, case(attacks=[attacked(name, family, enough + 0.1, None)])).verdict == "cannot tell"
    likely = attacked(name, family, enough + 0.1, 0.05, chance=0.051)
    assert found(key, case(attacks=[likely])).verdict == "cannot tell"
    assert found(key, case(attacks=[likely | {"chance": None}])).verdict == "cannot tell"
    maybe_nothing = attacked(name, family, enough + 0.1, 0.05) | {"recovery_low": -0.01}
    assert found(key, case(attacks=[maybe_nothing])).verdict == "cannot tell"
    assert found(key, case(attacks=[attacked(name, family, 0.0, 0.0, enough / 2)])).verdict == "not supported"
    assert found(key, case(attacks=[attacked("other", "inside", 0.9, 0.5)])).words.startswith("needs ")


def test_an_attack_that_beats_its_control_speaks_though_another_brought_more_back() -> None:
    """What came back under `chain` the control said too; under `roleplay` it did not."""
    table = [attacked("chain", "prompt", 0.6, -0.05), attacked("roleplay", "prompt", 0.2, 0.05)]
    assert (
        found("prompts", case(attacks=table)).words
        == "1 of 1 run: Roleplay (20 steps): 20 % came back, control .02, p .031 over 7 tried"
    )


def test_one_attack_that_might_have_brought_something_back_is_no_denial() -> None:
    none = attacked("roleplay", "prompt", -0.04, 0.0, high=0.05)
    maybe = attacked("chain", "prompt", -0.05, -0.1, high=0.3)
    assert (
        found("prompts", case(attacks=[none])).words
        == "1 of 1 run: Roleplay (20 steps): nothing came back, control .02, p .031 over 7 tried"
    )
    assert found("prompts", case(attacks=[none, maybe])).verdict == "cannot tell"


@pytest.mark.parametrize(
    ("key", "name"), [("relearning", "relearn_retain"), ("visual_rumours", "print_wrong"), ("prompts", "print_rumour")]
)
def test_an_attack_of_another_kind_is_no_witness(key: str, name: str) -> None:
    """Training on people who were kept teaches none of what was forgotten."""
    table = [attacked(name, KNOWN[name].family, 0.9, 0.5)]
    assert found(key, case(attacks=table)).words.startswith("needs ")


def test_a_model_attacked_twice_is_one_witness_and_had_twice_the_chance() -> None:
    row = attacked("roleplay", "prompt", 0.3, 0.1)
    once, twice = (replace(case(), attacked={f"attack{at}": [row] for at in range(runs)}) for runs in (1, 2))
    assert found("prompts", once).verdict == "supported"
    finding = found("prompts", twice)
    assert finding.verdict == "cannot tell" and len(finding.witnesses) == 1


def test_the_steps_to_half_are_told() -> None:
    row = attacked("relearn_forget", "weight", 0.8, 0.3) | {"half_at": 6.0}
    assert found("relearning", case(attacks=[row])).words.endswith("half of it after 6 steps")


def test_text_against_pictures_needs_a_pair_of_one_method() -> None:
    text = case("t", modality="text", forget=(0.2, 0.2), choice=0.7)
    picture = case("p", modality="image_text", forget=(0.6, 0.6), choice=0.3)
    finding = found("modality", text, picture)
    assert finding.verdict == "supported" and finding.witnesses[0].page == "/compare?a=t&b=p"
    against = found("modality", case("t", modality="text", forget=(0.8, 0.8), choice=0.7), picture)
    assert against.verdict == "not supported"
    assert found("modality", text, case("p", modality="image_text", choice=0.3, preset="ga")).words.startswith("needs ")
    both = case("b", modality="both", forget=(0.6, 0.6), choice=0.3)
    assert found("modality", text, both).words.startswith("needs ")


def _with(one: Case, **spec: Any) -> Case:
    return replace(one, spec={**one.spec, **spec})


@pytest.mark.parametrize("key", ["modality", "l1"])
def test_pairs_are_alike_in_all_but_one_thing(key: str) -> None:
    """Training, seed, weights of the objective, people, benchmark, base model and data."""
    if key == "modality":
        one = case("a", modality="text", forget=(0.2, 0.2), choice=0.7)
        other = case("b", modality="image_text", forget=(0.6, 0.6), choice=0.3)
    else:
        one, other = case("a", retain=0.9, regulariser="l1_lora"), case("b", retain=0.7)
    one, other = (_with(replace(each, base="vanilla", data="abc"), training={"seed": 0}) for each in (one, other))
    assert found(key, one, other).verdict == "supported"
    unlike = [
        _with(other, training={"seed": 1}),
        _with(other, training={"seed": 0, "steps": 9}),
        _with(other, objective={**other.spec["objective"], "forget_weight": 3.0}),
        _with(other, request={**other.spec["request"], "ratio": 5}),
        _with(other, benchmark="another"),
        replace(other, base="gold"),
        replace(other, data="abd"),
    ]
    for stranger in unlike:
        assert found(key, one, stranger).words.startswith("needs ")
    finding = found(key, *unlike, one, other)
    assert finding.verdict == "supported" and [witness.page for witness in finding.witnesses] == ["/compare?a=a&b=b"]


def test_the_newest_pair_that_can_tell_is_taken() -> None:
    """`x` and `y` are newer and forgot otherwise than `a`; of the older, `b` is the newest that `a` can be held to."""
    less = [case(name, retain=0.2, forget=(0.6, 0.6)) for name in ("x", "y")]
    older = [case("b", retain=0.7), case("c", retain=0.99)]
    finding = found("l1", *less, case("a", retain=0.9, regulariser="l1_lora", regulariser_weight=0.1), *older)
    assert [witness.page for witness in finding.witnesses] == ["/compare?a=a&b=b"]
    assert finding.verdict == "supported" and finding.words.startswith("1 of 1 pair: retain .90 with l1, .70 without")


def test_the_mask_is_asked_for() -> None:
    assert found("visual_link", case(forget=(0.09, 0.81), mask="mmunlearner")).verdict == "supported"
    assert found("visual_link", case(forget=(0.09, 0.1), mask="mmunlearner")).verdict == "not supported"
    assert found("visual_link", case(forget=(0.9, 0.95), mask="mmunlearner")).verdict == "cannot tell"
    assert found("visual_link", case(forget=(0.09, 0.81))).words.startswith("needs ")


def test_l1_is_compared_at_equal_forgetting() -> None:
    with_l1 = case("l1", retain=0.9, regulariser="l1_lora")
    assert found("l1", with_l1, case("no", retain=0.7)).verdict == "supported"
    assert found("l1", with_l1, case("no", retain=0.99)).verdict == "not supported"
    assert found("l1", with_l1, case("no", retain=0.7, forget=(0.6, 0.6))).words.startswith("needs "), "forgot less"
    assert found("l1", with_l1, case("no", retain=0.89)).verdict == "cannot tell"
