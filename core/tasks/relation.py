"""Relations: what does one thing in a text have to do with another? Entity-marked classification.

An item's text carries its two entities between markers, ``[E1] Ann [/E1] works for [E2] Acme [/E2].``; the value is
the name of the relation. The same sentence with other entities marked is another row. A sentence without markers waits
until a person marks it; it never has a label.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from core.errors import InputError
from core.tasks.classification import Classification

MARKERS = ("[E1]", "[/E1]", "[E2]", "[/E2]")
_MARKER = re.compile("|".join(re.escape(marker) for marker in MARKERS))


class Relation(Classification):
    """One relation between two marked entities, e.g. employs, founded, none."""

    name = "relation"
    title = "Relation between two entities"
    help = (
        "Choose it when every text has two marked things and the label says how they belong together: "
        "[E1] Ann [/E1] works for [E2] Acme [/E2]. In plain texts the two are marked at the labeling desk."
    )
    example = "[E1] Ann [/E1] works for [E2] Acme [/E2]."
    learns_unlabelled = False
    """Nobody knows which two things an open sentence would be asked about."""
    beside: tuple[str, ...] = ("head", "tail")
    """Columns of an import that a text without markers is marked by."""

    def form(self, text: str, *beside: str | None) -> str:
        """The text with its markers checked, put in by the cells of head and tail where it has none.

        Raises InputError that says which marker is wrong.
        """
        head, tail = beside or (None, None)
        if head and tail and not _MARKER.search(text):
            text = mark(text, span(head, "head"), span(tail, "tail"))
        for marker in MARKERS:
            if (found := text.count(marker)) != 1:
                raise InputError(f"the text has {found} markers {marker} where a relation needs one")
        first, second = (entity(text, number) for number in (1, 2))
        if not (first[1] <= second[0] or second[1] <= first[0]):
            raise InputError("the two marked entities overlap")
        return text

    def waits(self, text: str) -> bool:
        """True for a text without any marker."""
        return not _MARKER.search(text)

    def plain(self, text: str) -> str:
        """The text without markers: rows of one sentence must not straddle splits."""
        return " ".join(_MARKER.sub(" ", text).split())


def entity(text: str, number: int) -> tuple[int, int]:
    """(start, end) of the first or second entity with its markers. Raises InputError when it is not whole or empty."""
    opening, closing = f"[E{number}]", f"[/E{number}]"
    start, end = text.find(opening), text.find(closing)
    if start < 0 or end < start:
        raise InputError(f"{closing} comes before {opening}")
    if not text[start + len(opening) : end].strip():
        raise InputError(f"there is nothing between {opening} and {closing}")
    return start, end + len(closing)


def mark(text: str, head: tuple[int, int], tail: tuple[int, int]) -> str:
    """The text with markers around two spans (start, end) of characters. Raises InputError for spans outside it."""
    for name, (start, end) in (("head", head), ("tail", tail)):
        if not 0 <= start < end <= len(text):
            raise InputError(f"the {name} {start}-{end} is not inside the text of {len(text)} characters")
    if head[0] < tail[1] and tail[0] < head[1]:
        raise InputError("head and tail overlap")
    for (start, end), number in sorted([(head, 1), (tail, 2)], reverse=True):
        text = f"{text[:start]}[E{number}] {text[start:end]} [/E{number}]{text[end:]}"
    return text


def span(cell: str, name: str) -> tuple[int, int]:
    """(start, end) in a cell: ``{"start": 0, "end": 3}`` or ``[0, 3]``. Raises InputError."""
    try:
        found = json.loads(cell)
        start, end = (found["start"], found["end"]) if isinstance(found, dict) else found
        return int(start), int(end)
    except (ValueError, KeyError, TypeError):
        raise InputError(f'{name} is not a span like {{"start": 0, "end": 3}} but {cell[:40]!r}') from None


def punctuated(text: str) -> str:
    """The markers as signs that every vocabulary has: @ around the first, # around the second entity.

    Zhou & Chen 2022, "An Improved Baseline for Sentence-level Relation Extraction", found such signs as good as new
    tokens; they need no new word vectors, which a few examples could not train.
    """
    signs = dict(zip(MARKERS, ("@", "@", "#", "#"), strict=True))
    return " ".join(_MARKER.sub(lambda found: f" {signs[found.group()]} ", text).split())


def as_read(task: str, texts: Sequence[str]) -> list[str]:
    """Texts of a task as an encoder of whole texts reads them: markers of entities are ``punctuated``."""
    return [punctuated(text) for text in texts] if task == Relation.name else list(texts)
