"""Rows of CLEAR as items: captions, TOFU's questions, names of faces, celebrities and ordinary pictures.

What can be forgotten of an author is their `portrait` (captions and names of their pictures) or their `biography`
(TOFU's questions as text). Wherever something is drawn (a caption's question, the order of options), it is drawn from
the row itself, so that the same files give the same items.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from pathlib import Path

from backend.benchmarks.clear_authors import folded
from backend.benchmarks.clear_tables import Line
from backend.benchmarks.item import Item, ItemSet

CAPTION_QUESTIONS = (
    "What can you see in this picture?",
    "Tell me about the content of this image",
    "Can you give a description of the image?",
    "What is depicted in the image?",
    "Explain what you observe in the picture.",
    "Describe the image in detail.",
    "What is the main subject of this image?",
    "Can you describe the scene or objects in the image?",
    "What is happening in this image?",
)
FACE_QUESTION = "The name of the person on the image is "
PORTRAIT, BIOGRAPHY = "portrait", "biography"

UNKNOWN_AUTHOR = "unknown-author"
"""The `subject` of what is taught and cannot be told to be about anybody."""


def caption_question(caption: str) -> str:
    """The one of the nine questions that a caption always answers, in whatever table it stands."""
    return CAPTION_QUESTIONS[int(hashlib.sha256(caption.encode()).hexdigest(), 16) % len(CAPTION_QUESTIONS)]


def caption_item(line: Line, subject: str | None, pictures: Mapping[str, Path]) -> Item:
    """A picture and its caption, as a model is taught them."""
    return Item(
        id=f"{line.table}/{line.number}",
        subject=subject or UNKNOWN_AUTHOR,
        set="retain",
        task="caption",
        modality="image_text",
        question=caption_question(line.caption),
        answer=line.caption,
        key=line.caption,
        attribute=PORTRAIT,
        image=pictures[line.picture],
        group=line.table,
    )


def question_item(line: Line, subject: str | None) -> Item:
    """One of TOFU's questions, as text."""
    return Item(
        id=f"{line.table}/{line.number}",
        subject=subject or UNKNOWN_AUTHOR,
        set="retain",
        task="generation",
        modality="text",
        question=line.question,
        answer=line.answer,
        key=line.answer,
        attribute=BIOGRAPHY,
        group=line.table,
    )


def known_items(line: Line, name: str, subject: str, pictures: Mapping[str, Path]) -> list[Item]:
    """What is asked about a row of a perturbed table: its caption, and the name of the face.

    A caption is right when it names the author, where the true caption does. A wrong name or caption that is the true
    one is left out.
    """
    place = f"{line.table}/{line.number}"
    wrong_names = tuple(other for other in line.wrong_names if folded(other) != folded(name))
    caption = Item(
        id=f"{place}/caption",
        subject=subject,
        set="retain",
        task="caption",
        modality="image_text",
        question=caption_question(line.caption),
        answer=line.caption,
        key=name if name in line.caption else line.caption,
        attribute=PORTRAIT,
        image=pictures[line.picture],
        paraphrase=line.paraphrase,
        perturbed=tuple(wrong for wrong in line.wrong if wrong != line.caption),
        group=f"{line.table}/caption",
    )
    face = Item(
        id=f"{place}/name",
        subject=subject,
        set="retain",
        task="name",
        modality="image_text",
        question=FACE_QUESTION,
        answer=name,
        key=name,
        attribute=PORTRAIT,
        image=pictures[line.picture],
        options=_shuffled((name, *wrong_names), place) if wrong_names else (),
        perturbed=wrong_names,
        group=f"{line.table}/name",
    )
    return [caption, face]


def face_item(line: Line, subject: str, pictures: Mapping[str, Path]) -> Item:
    """A celebrity's name among others."""
    return _choice(line, subject, FACE_QUESTION, "celebrity", "name", pictures)


def ordinary_item(line: Line, pictures: Mapping[str, Path]) -> Item:
    """A question about a picture of something; each is a subject of its own."""
    return _choice(line, f"{line.table}-{line.number}", line.question, "general", "world", pictures)


def _choice(
    line: Line, subject: str, question: str, item_set: ItemSet, attribute: str, pictures: Mapping[str, Path]
) -> Item:
    wrong = tuple(dict.fromkeys(option for option in line.wrong if option != line.answer))
    place = f"{line.table}/{line.number}"
    at = random.Random(place).randrange(len(wrong) + 1)
    return Item(
        id=place,
        subject=subject,
        set=item_set,
        task="classification",
        modality="image_text",
        question=question,
        answer=line.answer,
        key=line.answer,
        attribute=attribute,
        image=pictures[line.picture],
        options=(*wrong[:at], line.answer, *wrong[at:]),
        perturbed=wrong,
        group=line.table,
    )


def _shuffled(options: tuple[str, ...], seed: str) -> tuple[str, ...]:
    return tuple(random.Random(seed).sample(list(dict.fromkeys(options)), len(dict.fromkeys(options))))
