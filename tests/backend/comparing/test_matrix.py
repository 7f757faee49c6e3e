"""What attacks brought back of many models: by hand, and the same as an attack run's own table."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import Engine

from backend.attack_report import attack_report, unit_figures
from backend.comparing.matrix import attacked, by_attack, columns, recovered
from backend.comparing.models import models, snapshot
from storage import attacks
from storage.tables import Run
from tests.backend.comparing.conftest import Make

SCORES = {("forget", "text"): 0.1}


def unit(engine: Engine, run: Run, attack: str, role: str, value: float | None, strength: float = 0.0) -> None:
    tally = {"people": {person: [value * 10, 10] for person in "abc"}} if value is not None else {}
    figures = {"attack": attack, "role": role, "strength": strength, "value": value, "n": 30, "detail": tally}
    attacks.write_unit(engine, run.id, figures)


def test_recovery_is_a_share_of_what_was_forgotten() -> None:
    assert recovered(0.5, 0.1, 0.9) == pytest.approx(0.5)
    assert recovered(0.9, 0.88, 0.9) is None and recovered(0.5, None, 0.9) is None


def test_an_attack_stands_at_its_worst_strength_and_asking_plainly_is_none() -> None:
    units = [("plain", 0.0, "unlearned", 0.1), ("plain", 0.0, "original", 0.9), ("relearn", 4.0, "unlearned", 0.3),
             ("relearn", 8.0, "unlearned", 0.6), ("relearn", 8.0, "control", 0.1), ("relearn", 4.0, "control", 0.25),
             ("quant", 4.0, "unlearned", None), ("quant", 4.0, "control", 0.1)]  # fmt: skip
    found = by_attack([(*unit, None) for unit in units], "run")
    assert list(found) == ["relearn"]
    one = found["relearn"]
    assert (one.leak, one.control, one.excess) == (0.6, 0.1, 0.5)
    assert one.recovery == pytest.approx(0.5 / 0.8)


def test_models_stand_worst_first_by_their_newest_attack_run(engine: Engine, made: Make) -> None:
    vanilla = made("finetune", "vanilla", scores=SCORES)
    npo, ga = (made("unlearn", name, vanilla, scores=SCORES) for name in ("NPO", "GA"))
    for run, leak in (
        (made("attack", "old", npo), 1.0),
        (made("attack", "new", npo), 0.3),
        (made("attack", "ga", ga), 0.6),
    ):
        unit(engine, run, "plain", "unlearned", 0.1)
        unit(engine, run, "plain", "original", 0.9)
        unit(engine, run, "roleplay", "unlearned", leak)
        unit(engine, run, "typo", "unlearned", leak - 0.1)
    made("attack", "queued", npo)
    other = made("attack", "about others", npo, request={"ratio": 5})
    unit(engine, other, "roleplay", "unlearned", 0.9)
    seen = snapshot(engine)
    found = attacked(engine, seen, models(seen, "demo", "10"), "demo", "10")
    assert [(one.model.name, one.worst.attack, one.worst.leak) for one in found] == [
        ("GA", "roleplay", 0.6), ("NPO", "roleplay", 0.3),
    ]  # fmt: skip
    assert found[0].worst.recovery == pytest.approx(0.5 / 0.8)
    assert [name for name, _ in columns(found)] == ["roleplay", "typo"]


def test_a_run_that_has_only_begun_or_is_narrow_hides_nothing(engine: Engine, made: Make) -> None:
    npo = made("unlearn", "NPO", scores=SCORES)
    whole, narrow, begun = (made("attack", name, npo) for name in ("whole", "narrow", "begun"))
    for run, found in ((whole, {"roleplay": 0.8, "typo": 0.5}), (narrow, {"typo": 0.2}), (begun, {})):
        for attack, leak in {"plain": 0.1, **found}.items():
            unit(engine, run, attack, "unlearned", leak)
    seen = snapshot(engine)
    (one,) = attacked(engine, seen, models(seen, "demo", "10"), "demo", "10")
    assert {name: (worst.leak, worst.run) for name, worst in one.by_attack.items()} == {
        "roleplay": (0.8, whole.id),
        "typo": (0.2, narrow.id),
    }
    assert (one.worst.attack, one.worst.run) == ("roleplay", whole.id)


def test_the_figures_are_those_of_the_attack_runs_own_table(engine: Engine, made: Make) -> None:
    draw = random.Random(0)
    npo = made("unlearn", "NPO", scores=SCORES)
    run = made("attack", "attack", npo)
    for attack in ("plain", "roleplay", "typo", "prefix"):
        for strength in (0.0,) if attack == "plain" else (1.0, 2.0, 3.0):
            for role, low in (("unlearned", 0.1), ("original", 0.7), ("control", 0.0)):
                unit(engine, run, attack, role, low + draw.randrange(4) / 10, strength)
    seen = snapshot(engine)
    (found,) = attacked(engine, seen, models(seen, "demo", "10"), "demo", "10")
    report = {row["name"]: row for row in attack_report(engine, run.id) if row["name"] != "plain"}
    assert set(report) == set(found.by_attack)
    for name, row in report.items():
        own = found.by_attack[name]
        assert (own.leak, own.control) == (row["unlearned"], row["control"])
        assert own.recovery == pytest.approx(row["recovery"]) and own.excess == pytest.approx(row["gap"])
    assert found.worst.attack == next(iter(report))


def test_so_are_those_of_pictures_and_of_an_adapter_that_was_taken_off(engine: Engine, made: Make) -> None:
    """The pictures were forgotten and the text was not; at ×0 the model is the original, which is no finding."""
    npo = made("unlearn", "NPO", scores=SCORES)
    run = made("attack", "attack", npo)

    def asked(attack: str, role: str, strength: float = 0.0, **leaks: tuple[float, float]) -> None:
        said = [(person, kind, leak) for kind, pair in leaks.items() for person, leak in zip("ab", pair, strict=True)]
        attacks.write_unit(engine, run.id, {"attack": attack, "role": role, "strength": strength, **unit_figures(said)})

    asked("plain", "unlearned", image_text=(0, 0), text=(1, 1))
    asked("plain", "original", image_text=(1, 1), text=(1, 1))
    asked("flip", "unlearned", image_text=(1, 0))
    asked("scale_back", "unlearned", 0.0, image_text=(1, 1), text=(1, 1))
    asked("scale_back", "unlearned", 0.5, image_text=(0, 0), text=(1, 1))
    seen = snapshot(engine)
    (found,) = attacked(engine, seen, models(seen, "demo", "10"), "demo", "10")
    report = {row["name"]: row for row in attack_report(engine, run.id)}
    assert found.by_attack["flip"].recovery == report["flip"]["recovery"] == 0.5
    assert found.by_attack["flip"].excess == 0.5, "without a control, beyond what is said plainly of a picture"
    turned = found.by_attack["scale_back"]
    assert (turned.recovery, turned.at) == (0.0, "at ×0.5") == (report["scale_back"]["recovery"], "at ×0.5")
    assert found.worst.attack == "flip"
