"""The ground every spec stands on: strict, frozen, plain JSON."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """Strict: an unknown field, a NaN or an infinity is a fault, never dropped in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
