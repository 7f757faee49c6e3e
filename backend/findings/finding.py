"""A claim of a paper, put to the lab's own runs: what they say, in one word, with the figures and where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from backend.findings.evidence import Case

Verdict = Literal["supported", "not supported", "cannot tell"]


@dataclass(frozen=True)
class Witness:
    """What one run (or two) says on a claim: `speaks` is +1 for it, -1 against it and 0 neither way. `page` is where
    its figures are."""

    run: str
    name: str
    words: str
    speaks: int
    page: str


@dataclass(frozen=True)
class Finding:
    """`rule` says in a sentence when the claim counts as supported; `needs` what is missing where nobody can tell."""

    key: str
    claim: str
    source: str
    rule: str
    verdict: Verdict
    words: str
    witnesses: tuple[Witness, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Claim:
    """A claim and what looks for witnesses; `needs` is what to run where there are none, `silence` why a witness may
    speak neither way, and `of` what a witness is."""

    key: str
    claim: str
    source: str
    rule: str
    needs: str
    witnesses: Callable[[Sequence[Case]], Iterable[Witness]]
    silence: str = ""
    of: Literal["run", "pair"] = "run"
    weigh: Callable[[Sequence[Case]], tuple[Verdict, str]] | None = None
    """For a claim about runs together; else the witnesses decide."""

    def put_to(self, cases: Sequence[Case]) -> Finding:
        """The finding over these runs."""
        heard = tuple(self.witnesses(cases))
        if not heard:
            return Finding(self.key, self.claim, self.source, self.rule, "cannot tell", self.needs)
        verdict, words = self.weigh(cases) if self.weigh else majority(heard, self.silence, self.of)
        return Finding(self.key, self.claim, self.source, self.rule, verdict, words, heard)


def majority(heard: Sequence[Witness], silence: str, of: str = "run") -> tuple[Verdict, str]:
    """Supported where more than half of all that were heard speak for it and none against it, and the other way round.

    The words say how many of how many spoke, and what kept the others silent: `silence`.
    """
    speaking_for = [one for one in heard if one.speaks > 0]
    against = [one for one in heard if one.speaks < 0]
    silent = len(heard) - len(speaking_for) - len(against)
    all_of_them = f"{len(heard)} {of}{'' if len(heard) == 1 else 's'}"
    unheard = f"; {silent} neither way: {silence}" if silent else ""
    for verdict, speaking, opposed in (("supported", speaking_for, against), ("not supported", against, speaking_for)):
        if 2 * len(speaking) > len(heard) and not opposed:
            return verdict, f"{len(speaking)} of {all_of_them}: {speaking[0].words}{unheard}"  # type: ignore[return-value]
    if len(heard) == 1:
        return "cannot tell", f"0 of {all_of_them}: {heard[0].words}{unheard}"
    told = f"{len(speaking_for)} of {all_of_them} for it, {len(against)} against it"
    return "cannot tell", f"{told}{unheard}"
