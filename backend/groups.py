"""A group of runs as one table: a row a combination of settings, its accuracies as mean and spread over seeds.

The command line, the API and the page give the same figures. Rows stand by `balance`, which is a plain order and no
claim that a difference is more than chance: the spread over seeds stands beside every mean.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from backend.reports import run_summary
from backend.spec_guards import RULE, balance
from storage import results, runs
from storage.errors import NotFound
from storage.tables import Run, RunState

SETS = ("forget", "test", "retain", "celebrity")
SEED = "training.seed"
MOST = 1000
"""Runs of a group that are looked at, the newest first."""


def group_report(engine: Engine, group: str) -> dict[str, Any]:
    """`{group, rule, settings, rows, runs}`, best row first.

    `settings` are the paths in which the runs differ, the seed left out. A row is {settings, seeds, runs, measured,
    accuracies, balance, flags}: `accuracies` by set {mean, spread, n, task, modality} over the `measured` runs, their
    `spread` the standard deviation (n − 1) or None for one run. Of runs that ask for the same, the newest that
    succeeded counts. Raises `NotFound`.
    """
    members = runs.listing(engine, group=group, limit=MOST)
    if not members:
        raise NotFound(f"There is no group of runs called “{group}”.")
    flat = {run.id: dict(_leaves(run.spec)) for run in members}
    paths = [path for path in _varied(list(flat.values())) if path != SEED]
    scores = results.headlines(engine, [run.id for run in members], sets=SETS)
    by_settings: dict[str, list[Run]] = {}
    for run in _one_each(members):
        by_settings.setdefault(json.dumps([flat[run.id].get(path) for path in paths]), []).append(run)
    rows = [_row(same, paths, flat, scores) for same in by_settings.values()]
    rows.sort(key=lambda row: (row["balance"] is None, -(row["balance"] or 0), json.dumps(row["settings"])))
    return {
        "group": group,
        "rule": RULE,
        "settings": paths,
        "rows": rows,
        "runs": [run_summary(run) for run in members],
    }


def _row(
    same: Sequence[Run],
    paths: Sequence[str],
    flat: Mapping[str, Mapping[str, Any]],
    scores: Mapping[str, Mapping[str, dict[str, Any]]],
) -> dict[str, Any]:
    in_order = sorted(same, key=lambda run: (flat[run.id].get(SEED) or 0, run.created_at))
    measured = [run for run in in_order if run.state == RunState.SUCCEEDED and scores[run.id]]
    accuracies = {}
    for item_set in SETS:
        known = [scores[run.id][item_set] for run in measured if item_set in scores[run.id]]
        found = [one for one in known if one["value"] is not None]
        if found:
            accuracies[item_set] = _over_seeds(found)
    both = [accuracies[name]["mean"] for name in ("forget", "retain") if name in accuracies]
    return {
        "settings": {path: flat[in_order[0].id].get(path) for path in paths},
        "seeds": [flat[run.id].get(SEED) for run in in_order],
        "runs": [run.id for run in in_order],
        "measured": len(measured),
        "accuracies": accuracies,
        "balance": balance(*both) if len(both) == 2 else None,
        "flags": sorted({str(flag) for run in measured for one in scores[run.id].values() for flag in one["flags"]}),
    }


def _over_seeds(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values = [score["value"] for score in scores]
    return {
        "mean": statistics.fmean(values),
        "spread": statistics.stdev(values) if len(values) > 1 else None,
        "n": len(values),
        "task": scores[0]["task"],
        "modality": scores[0]["modality"],
    }


def _one_each(members: Sequence[Run]) -> Iterator[Run]:
    """Of the runs that ask for the same, newest first, the newest that succeeded, else the newest."""
    by_spec: dict[str, list[Run]] = {}
    for run in members:
        by_spec.setdefault(json.dumps(run.spec, sort_keys=True), []).append(run)
    for same in by_spec.values():
        yield next((run for run in same if run.state == RunState.SUCCEEDED), same[0])


def _varied(flat: Sequence[Mapping[str, Any]]) -> list[str]:
    """The paths on which not all specs agree, in the order of the specs."""
    paths = dict.fromkeys(path for one in flat for path in one)
    return [path for path in paths if len({json.dumps(one.get(path)) for one in flat}) > 1]


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
