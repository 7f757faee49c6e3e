"""Every setting of a run as a table: path, title, help, what is allowed, and the default."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from backend.docs.tables import plain, table


def settings(title: str, spec: type[BaseModel], prefix: str = "") -> str:
    """A table of a spec's own fields; fields that are specs themselves have tables of their own."""
    rows = [
        (
            f"`{prefix}{name}`",
            field.get("title", ""),
            field.get("description", ""),
            _allowed(field),
            f"`{json.dumps(field['default'], ensure_ascii=False)}`" if "default" in field else "",
        )
        for name, field in spec.model_json_schema()["properties"].items()
        if name != "kind" and "$ref" not in field
    ]
    return f"## {title}\n\n{table(('path', 'title', 'help', 'allowed', 'default'), rows)}"


KINDS = {
    "boolean": "on or off",
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "array": "list",
}
BOUNDS = {
    "minimum": "from",
    "exclusiveMinimum": "above",
    "maximum": "to",
    "exclusiveMaximum": "below",
}


def _allowed(field: dict[str, Any]) -> str:
    """The choices of a field's JSON schema, or its kind and bounds in words."""
    choices = [
        value
        for option in (field, *field.get("anyOf", ()))
        for value in option.get("enum", [option["const"]] if "const" in option else ())
    ]
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    bounds = [f"{word} {plain(field[bound])}" for bound, word in BOUNDS.items() if bound in field]
    return " ".join([KINDS.get(field.get("type", ""), ""), *bounds]).strip()
