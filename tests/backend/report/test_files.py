"""Tables as files: the same rows by three ways, with their types."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pandas as pd
import pytest

from backend.report.files import BadFile, table_bytes, write_whole
from backend.report.rows import TABLES, NoTable, table_rows
from storage import results
from tests.backend.report import lab as made
from tests.backend.report.conftest import Filled


@pytest.mark.parametrize("name", sorted(TABLES))
def test_three_files_hold_the_same_rows(filled: Filled, name: str) -> None:
    about = [filled.attack.id] if name in ("attacks", "transcripts") else [filled.npo.id, filled.vanilla.id]
    rows = table_rows(filled.engine, name, about)
    assert rows and all(list(row) == list(TABLES[name].columns) for row in rows)
    from_json = json.loads(table_bytes(name, rows, "json"))
    from_parquet = pd.read_parquet(io.BytesIO(table_bytes(name, rows, "parquet"))).to_dict("records")
    from_csv = list(csv.DictReader(io.StringIO(table_bytes(name, rows, "csv").decode(), newline="")))
    assert from_json == rows
    for plain, packed, text in zip(rows, from_parquet, from_csv, strict=True):
        for column, value in plain.items():
            missing = packed[column] is None or (isinstance(packed[column], float) and math.isnan(packed[column]))
            assert (value is None and missing) or packed[column] == value, column
            assert text[column] == ("" if value is None else str(value)), column


def test_a_row_is_the_labs_own(filled: Filled) -> None:
    rows = table_rows(filled.engine, "scores", [filled.npo.id])
    forget = next(row for row in rows if row["set"] == "forget" and row["metric"] == "accuracy")
    assert (forget["value"], forget["n"], forget["people"], forget["flags"]) == (0.2, 20, 4, "")
    assert forget["run"] == forget["measured_by"] == filled.npo.id
    answers = {row["item"]: row for row in table_rows(filled.engine, "answers", [filled.npo.id])}
    assert answers["p02/a"]["answer"] == "=1+1" and answers["p01/a"]["answer"] == f"No {made.EVIL}"
    worst, *_ = table_rows(filled.engine, "attacks", [filled.attack.id])
    assert (worst["attack"], worst["place"], worst["unlearned"], worst["recovery"]) == ("roleplay", 1, 0.5, 0.5)
    assert len(table_rows(filled.engine, "transcripts", [filled.attack.id])) == 10


def test_the_attacks_of_a_model_are_those_of_the_attack_runs_on_it(filled: Filled) -> None:
    for name in ("attacks", "transcripts"):
        own, of_model = (table_rows(filled.engine, name, [run.id]) for run in (filled.attack, filled.npo))
        assert own and of_model == own


def test_an_empty_table_keeps_its_columns_and_their_types(filled: Filled) -> None:
    rows = table_rows(filled.engine, "transcripts", [filled.vanilla.id])
    frame = pd.read_parquet(io.BytesIO(table_bytes("transcripts", rows, "parquet")))
    assert rows == [] and list(frame.columns) == list(TABLES["transcripts"].columns)
    assert str(frame["strength"].dtype) == "float64"


def test_many_answers_are_read_in_pages(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.report.rows.AT_ONCE", 1)
    assert len(table_rows(filled.engine, "answers", [filled.npo.id])) == len(
        results.answers(filled.engine, run_id=filled.npo.id)
    ) == 2  # fmt: skip


def test_what_cannot_be_written_is_one_sentence(filled: Filled, tmp_path: Path) -> None:
    with pytest.raises(NoTable, match="no table called 'nothing'"):
        table_rows(filled.engine, "nothing", [])
    with pytest.raises(NoTable, match="name a run whose scores to take"):
        table_rows(filled.engine, "scores", [])
    assert len(table_rows(filled.engine, "findings", [])) >= len(table_rows(filled.engine, "findings", [filled.npo.id]))
    with pytest.raises(BadFile, match="csv, parquet, json, not as xlsx"):
        table_bytes("scores", [], "xlsx")
    (tmp_path / "taken").write_text("")
    with pytest.raises(BadFile, match="could not be written"):
        write_whole(tmp_path / "taken" / "scores.csv", b"")
    write_whole(tmp_path / "new" / "scores.csv", b"x")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["scores.csv"]
