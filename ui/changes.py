"""What must be sent again: a page's sections are compared with what the browser already shows.

A tick that changes one line of a log sends that log and nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest(content: Any) -> str:
    """Equal contents have equal digests, across processes too."""
    return hashlib.blake2b(json.dumps(content, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()


def changed(sent: Mapping[str, str], sections: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The sections that differ from what was sent, and the digests to remember for the next comparison."""
    now = {name: digest(content) for name, content in sections.items()}
    return {name: sections[name] for name in sections if sent.get(name) != now[name]}, {**sent, **now}
