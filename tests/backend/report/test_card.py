"""A model card: the Hub can read its figures back, and it names nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from sqlalchemy import Engine

from backend.report.card import by_id, card_text, code, hub_id, plain
from backend.report.gathering import Attacked, gather
from storage import checkpoints, runs
from tests.backend.report import lab as made
from tests.backend.report.conftest import Filled


@pytest.fixture(scope="module")
def card(filled: Filled) -> str:
    return card_text(gather(filled.engine, filled.home, filled.npo.id), "adapter")


def test_the_hub_reads_back_what_was_measured(card: str) -> None:
    data = ModelCard(card).data
    assert data.library_name == "peft" and data.pipeline_tag == "image-text-to-text"
    assert data.base_model is None, "the demo is not on the Hub"
    results = {
        (one.metric_type, one.dataset_split, one.metric_name): one.metric_value for one in data.eval_results or []
    }
    assert results == {
        ("accuracy", "forget", "forget · generation · with picture (n 20, 4 people, 95 % 0.100 to 0.300)"): 0.2,
        (
            "accuracy",
            "retain",
            "retain · generation · with picture (n 20, 4 people, 95 % 0.250 to 0.450, collapsed)",
        ): 0.35,
        ("leak", "forget", "leak · Roleplay (n 2, 2 people, control 0.000)"): 0.5,
        ("leak", "forget", "leak · Asked plainly (n 2, 2 people, no control)"): 0.0,
    }


def test_it_names_nobody_and_no_place_of_this_machine(card: str, filled: Filled) -> None:
    for secret in (made.NAME, "script", "Oslo", "quick attacks", str(filled.home), "/home/anna"):
        assert secret not in card
    assert "forget 10 %" in card.replace("\\", "")


def test_it_tells_method_source_yardsticks_and_limits(card: str) -> None:
    words = card.replace("\\", "")
    assert (
        "| forget · generation · with picture | .20 (.10 to .30) | 1.00 (.90 to 1.00) | .15 (.05 to .25) | 20 | 4 |"
        in words
    )
    assert "| learning rate | 0.003 |" in words and "| beta |" in words
    assert "2404.05868" in words, "the paper of NPO"
    assert "| Roleplay | .50" in words and "| Few-shot from retained people | not made |" in words
    assert "without the adapter the model below it is the original" in words
    assert "⚠ collapsed in retain · generation" in words


def test_people_stand_under_their_ids(filled_anew: Engine, tmp_path: Path) -> None:
    origin = made.vanilla(filled_anew, tmp_path)
    run = made.unlearned(filled_anew, tmp_path, origin, name=f"forget {made.NAME}")
    one = gather(filled_anew, tmp_path, run.id)
    one.run.spec = one.run.spec | {
        "request": {"ratio": None, "people": ["p01", "p_2|x"], "attributes": [], "modality": "both"}
    }
    text = card_text(one, "merged", {"p01": made.NAME})
    assert r"`p01`, `p_2\|x`" in text and made.NAME not in text
    assert "takes it off" not in text and "AutoModelForImageTextToText" in text


def test_an_id_that_names_somebody_is_told_by_its_digest() -> None:
    """SHA-256 of `ada` begins with fdee430d40bd, as `printf ada | sha256sum` says."""
    names = {"ada": "Ada Lovelace", "ID_12": "Grace Hopper", "12": "12"}
    assert [by_id(person, names) for person in ("ID_12", "12", "p01")] == ["ID_12", "12", "p01"]
    assert by_id("ada", names) == "sha256:fdee430d40bd"
    for named in ("Ada Lovelace", "ada-lovelace", "gracehopper", "hopper_2", "Áda"):
        assert by_id(named, names).startswith("sha256:")
    assert by_id("p01", None).startswith("sha256:"), "where names are not known every id may be one"


def test_an_own_prompt_is_not_told_in_its_own_words(filled_anew: Engine, tmp_path: Path) -> None:
    run = made.unlearned(filled_anew, tmp_path, made.vanilla(filled_anew, tmp_path))
    one = gather(filled_anew, tmp_path, run.id)
    row: dict[str, Any] = dict.fromkeys(
        ("at", "original", "control", "recovery", "recovery_low", "recovery_high", "gap", "gap_low", "gap_high",
         "low", "high", "muffled", "note"), None
    )  # fmt: skip
    row |= {"name": "own-1", "title": f"Ask for {made.NAME}", "caution": f"{made.NAME} is meant", "tests": ""}
    asked = {**row, "at": "", "unlearned": 0.5, "n": 4, "people": 2}
    failed = {**row, "at": "", "unlearned": None, "n": None, "people": None, "note": f"“{made.NAME}” needs a key"}
    text = card_text(replace(one, attacked=[Attacked(run, [asked, failed], {})]), "adapter", {})
    assert made.NAME not in text and text.count("Own prompt ") >= 3, "in its head, its table and its limits"


@pytest.mark.parametrize(
    ("text", "span"),
    [("ID_12", "`ID_12`"), ("a|b", r"`a\|b`"), ("a`b", "`` a`b ``"), ("a``b", "``` a``b ```"), ("a\nb", "`a b`")],
)
def test_a_code_span_shows_what_it_is_of(text: str, span: str) -> None:
    assert code(text) == span


def test_a_hub_id_is_told_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub_id("llava-hf/llava-1.5-7b-hf") == "llava-hf/llava-1.5-7b-hf"
    assert [hub_id(text) for text in ("demo", "/models/mine", "./mine", "a/b/c", None)] == [None] * 5
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "mine").mkdir(parents=True)
    assert hub_id("models/mine") is None


def test_markdown_in_a_name_is_only_words() -> None:
    assert plain("a|b\n<i>*c*") == r"a\|b \<i\>\*c\*"


def test_the_lineage_is_hashed(card: str, filled: Filled) -> None:
    last = checkpoints.get(filled.engine, str(runs.get(filled.engine, filled.npo.id).output_checkpoint_id))
    assert last.sha256 in card and filled.npo.id in card
