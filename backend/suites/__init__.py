"""Attack suites as data: which attacks there are, and which of them a suite makes, how hard."""

from backend.suites.choosing import chosen, kept_with_run, suite
from backend.suites.info import FAMILIES, ROLES, AttackInfo, Family, Role
from backend.suites.own import OwnSuite, from_suite, parse, save, saved, to_text
from backend.suites.suite import BUILT_IN, KNOWN, PLAIN, BadSuite, Suite, is_trivial

__all__ = [
    "BUILT_IN",
    "FAMILIES",
    "KNOWN",
    "PLAIN",
    "ROLES",
    "AttackInfo",
    "BadSuite",
    "Family",
    "OwnSuite",
    "Role",
    "Suite",
    "chosen",
    "from_suite",
    "is_trivial",
    "kept_with_run",
    "parse",
    "save",
    "saved",
    "suite",
    "to_text",
]
