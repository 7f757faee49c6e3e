"""Which settings of a run's spec mean something in it: of terms, masks and edits that were chosen, by what is trained.

A spec is read as plain data, so that runs of an earlier form can be told too: what they lack is left as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.spec_edit import EDIT_SETTINGS, WITHOUT_TRAINING, trains
from backend.spec_objective import settings_in_use

LORA_SETTINGS = frozenset({"lora_rank", "lora_alpha", "lora_dropout"})


def training_in_use(training: Mapping[str, Any], method: str = "none") -> frozenset[str]:
    """The training settings that mean something under a method, as `edit.method` names it."""
    if not trains(method):
        return frozenset(WITHOUT_TRAINING[method])
    unused = LORA_SETTINGS if training["adapter"] == "full" else frozenset()
    return frozenset(training) - unused - ({"warmup"} if training["schedule"] == "constant" else set())


def meaningful(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec without what means nothing in it; one of an earlier form stays as it is."""
    method = (spec.get("edit") or {}).get("method", "none")
    told = dict(spec)
    try:
        used = {
            "objective": settings_in_use(spec["objective"])
            if spec.get("objective") and trains(method)
            else frozenset(),
            "edit": {"method", *EDIT_SETTINGS[method]} if method != "none" else frozenset(),
            "training": training_in_use(spec["training"], method) if spec.get("training") else frozenset(),
        }
        for group, names in used.items():
            if group in told:
                told[group] = {name: value for name, value in (spec[group] or {}).items() if name in names}
    except (KeyError, TypeError):
        return dict(spec)
    return {name: value for name, value in told.items() if value != {} or spec[name] == {}}
