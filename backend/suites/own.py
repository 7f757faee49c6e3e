"""Suites of one's own: one small YAML file each in `suites/` of the lab's home, to be copied, shared and read again.

A file names known attacks and may bring prompts of its own, which are carried out like the built-in ones. It is read as
plain data, checked field by field, and never carried out itself. One that is broken is one sentence, and the others
stand.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from backend.attack_prompts import AttackPrompt, Reading, placeholders
from backend.attack_prompts.wrapping import ASKING
from backend.spec import faults
from backend.spec_base import Spec
from backend.suites.info import NO_STRENGTH, AttackInfo
from backend.suites.suite import BUILT_IN, KNOWN, PLAIN, BadSuite, Suite
from storage.database import home

NAME = r"^[a-z0-9][a-z0-9_-]{0,39}$"
NAME_IN_WORDS = "up to 40 small letters, digits, - and _, a letter or digit first"
LARGEST = 64_000
"""Bytes of a file; a suite of ten prompts has about two thousand."""
MOST_STRENGTHS = 20
MOST_PROMPTS = 100


class OwnPrompt(Spec):
    """A prompt as a file has it. `answer` says how the answer is asked for, so that it is judged decoded."""

    name: str = Field(pattern=NAME)
    title: str = Field(min_length=1, max_length=80)
    tests: str = Field(min_length=1, max_length=300)
    template: str = Field(min_length=1, max_length=4000)
    prefix: str = Field("", max_length=500)
    caution: str = Field("", max_length=300)
    answer: Reading = "plain"

    @field_validator("name")
    @classmethod
    def _is_new(cls, name: str) -> str:
        if name in KNOWN:
            raise ValueError(f"is that of a known attack, {name}; choose another")
        return name

    @field_validator("template", "prefix")
    @classmethod
    def _can_be_filled_in(cls, text: str) -> str:
        try:
            found = placeholders(text)
        except ValueError as fault:
            raise ValueError(f"cannot be filled in: {_plain(str(fault))}") from None
        if found & {"first", "said"}:
            raise ValueError("cannot be filled in: {first} and {said} belong to the built-in chain")
        return text

    @field_validator("template")
    @classmethod
    def _asks(cls, text: str) -> str:
        if not placeholders(text) & set(ASKING):
            raise ValueError(f"asks nothing; put {{{ASKING[0]}}} where the question belongs")
        return text

    def prompt(self) -> AttackPrompt:
        """As the built-in ones are."""
        values = self.model_dump(exclude={"answer"})
        return AttackPrompt(**values, reads=self.answer)


class OwnSuite(Spec):
    """What a file holds. `attacks` maps a known attack to its strengths; none are those of the full suite."""

    name: str = Field(pattern=NAME)
    version: int = Field(1, ge=1, le=1_000_000)
    about: str = Field("", max_length=2000)
    attacks: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    prompts: tuple[OwnPrompt, ...] = Field((), max_length=MOST_PROMPTS)

    @field_validator("name")
    @classmethod
    def _is_not_built_in(cls, name: str) -> str:
        if name in BUILT_IN:
            raise ValueError(f"is that of a built-in suite, {name}; choose another")
        return name

    @field_validator("attacks", mode="before")
    @classmethod
    def _as_a_table(cls, given: Any) -> Any:
        """A list of names means the usual strengths, and so does a name with nothing behind it."""
        if isinstance(given, list):
            if any(not isinstance(name, str) for name in given):
                raise ValueError("must be names of attacks, or names with their strengths")
            return dict.fromkeys(given, ())
        if isinstance(given, dict):
            return {name: _listed(strengths) for name, strengths in given.items()}
        return {} if given is None else given

    @field_validator("prompts", mode="before")
    @classmethod
    def _as_a_list(cls, given: Any) -> Any:
        if given is not None and not isinstance(given, list | tuple):
            raise ValueError("must be a list: each prompt begins with a dash, as in - name: mine")
        return given or ()

    @field_validator("attacks")
    @classmethod
    def _are_known(cls, given: dict[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
        for name, strengths in given.items():
            if name not in KNOWN:
                raise ValueError(f"names {name!r}, which is no attack; there are {', '.join(KNOWN)}")
            if strengths:
                _check_strengths(KNOWN[name], strengths)
        return given

    @model_validator(mode="after")
    def _has_something(self) -> OwnSuite:
        if not self.attacks and not self.prompts:
            raise ValueError("has neither attacks nor prompts; name at least one")
        names = [prompt.name for prompt in self.prompts]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"has two prompts called {twice}")
        return self

    def suite(self) -> Suite:
        """As the built-in ones are: the plain question first, then what is named, then the prompts."""
        named = {name: strengths or _usual(KNOWN[name]) for name, strengths in self.attacks.items()}
        prompts = tuple(one.prompt() for one in self.prompts)
        members: dict[str, tuple[float, ...]] = {
            PLAIN.name: NO_STRENGTH,
            **named,
            **{one.name: NO_STRENGTH for one in prompts},
        }
        return Suite(self.name, self.about, members, self.version, prompts)


def folder() -> Path:
    """Where the files are; it need not be there yet."""
    return home() / "suites"


def from_suite(name: str, known: Suite) -> OwnSuite:
    """A suite under another name, to be changed. Raises `BadSuite` for a name that cannot be one."""
    attacks = {one: () if found == NO_STRENGTH else found for one, found in known.attacks.items() if one in KNOWN}
    prompts = [
        {field: getattr(one, field) for field in OwnPrompt.model_fields if field != "answer"} | {"answer": one.reads}
        for one in known.prompts
    ]
    about = {"name": name, "version": known.version, "about": known.about}
    return from_tree(about | {"attacks": attacks, "prompts": prompts})


def to_text(own: OwnSuite) -> str:
    """The suite as YAML."""
    tree = own.model_dump(mode="json", exclude_defaults=True)
    tree = {"name": own.name, "version": own.version, **tree}
    if own.attacks:
        tree["attacks"] = {name: _shown(strengths) for name, strengths in own.attacks.items()}
    text: str = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=100)
    return text


def parse(text: str) -> OwnSuite:
    """The suite that a text of YAML holds. Raises `BadSuite`."""
    if len(text.encode()) > LARGEST:
        raise BadSuite(f"this text is longer than {LARGEST // 1000} kB, so it is no suite")
    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        place = getattr(error, "problem_mark", None)
        raise BadSuite(f"this is no YAML{f', at line {place.line + 1}' if place else ''}") from None
    if not isinstance(tree, dict):
        raise BadSuite("this is no suite; it begins with name: and has attacks: or prompts: with entries below it")
    return from_tree(tree)


def from_tree(tree: Mapping[Any, Any]) -> OwnSuite:
    """The suite that plain data hold. Raises `BadSuite`."""
    try:
        return OwnSuite.model_validate(dict(tree))
    except ValidationError as error:
        place, phrase = next(iter(faults(error).items()))
        raise BadSuite(f"{'the suite' if place == 'request' else place} {phrase}") from None


def save(own: OwnSuite) -> Path:
    """Keeps the suite in the lab; it may follow one of its name if its version is higher. Raises `BadSuite`."""
    path = folder() / f"{own.name}.yaml"
    text = to_text(own)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        there = read(path)
        if there != own and there.version >= own.version:
            raise BadSuite(
                f"there is another suite called {own.name}, of version {there.version}; raise the version, or choose "
                "another name"
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
    return path


def read(path: Path) -> OwnSuite:
    """The suite of a file. Raises `BadSuite`, with the file's name."""
    try:
        if path.stat().st_size > LARGEST:
            raise BadSuite(f"it is larger than {LARGEST // 1000} kB")
        own = parse(path.read_text(encoding="utf-8"))
        if own.name != path.stem:
            raise BadSuite(f"it calls itself {own.name}; a file has the name of its suite")
    except BadSuite as error:
        raise BadSuite(f"suites/{path.name} cannot be used: {error}") from None
    except (OSError, UnicodeDecodeError):
        raise BadSuite(f"suites/{path.name} cannot be used: it cannot be read as text") from None
    return own


def saved() -> tuple[list[OwnSuite], list[str]]:
    """Every suite that was kept, by name, and a sentence for each file that is broken."""
    found, broken = [], []
    for path in _files():
        try:
            found.append(read(path))
        except BadSuite as error:
            broken.append(str(error))
    return found, broken


def names() -> list[str]:
    """The names of those that can be used."""
    return [own.name for own in saved()[0]]


def own_suite(name: str) -> OwnSuite | None:
    """The suite of that name, or None. Raises `BadSuite` where its file is broken."""
    path = next((path for path in _files() if path.stem == name), None)
    return read(path) if path else None


def _files() -> list[Path]:
    return sorted(folder().glob("*.yaml"))


def _listed(strengths: Any) -> Any:
    """One number as a list of one."""
    if strengths is None:
        return ()
    return (strengths,) if isinstance(strengths, int | float) else strengths


def _check_strengths(info: AttackInfo, strengths: tuple[float, ...]) -> None:
    """Raises `ValueError`."""
    if not info.strength:
        raise ValueError(f"gives {info.name} a strength, and it has none to choose")
    if len(strengths) > MOST_STRENGTHS or len(set(strengths)) < len(strengths):
        raise ValueError(f"gives {info.name} more than {MOST_STRENGTHS} strengths, or one of them twice")
    fault = next((fault for one in strengths if (fault := info.fault(one))), "")
    if fault:
        raise ValueError(f"gives {info.name} a strength it cannot have: it {fault}")


def _usual(info: AttackInfo) -> tuple[float, ...]:
    return info.suites.get("full", NO_STRENGTH)


def _shown(strengths: tuple[float, ...]) -> list[float | int] | None:
    return [int(one) if one == int(one) else one for one in strengths] or None


def _plain(fault: str) -> str:
    """Python's own words for a brace without its partner, put plainly."""
    return fault if "placeholder" in fault else "a brace has no partner; write {{ for a brace that is meant"
