"""Which words of a text made the model say what it says: each is left out once, and the probability looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from pydantic import Field

from core.errors import InputError
from core.records import Record

MOST_PIECES = 60
"""A longer text is cut into this many groups of words: one pass of the model a piece."""
_PIECE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+(?:['’.-][^\W_]+)*|[^\w\s]", re.UNICODE)
Scores = Callable[[Sequence[str]], np.ndarray]
"""Texts -> probabilities (texts, labels)."""


class Piece(Record):
    """A stretch of the text."""

    text: str = Field(description="Characters of the text, white space included; the pieces joined are the text.")
    weight: float = Field(description="By how much the probability falls without it; below 0 it spoke against.")


class Attribution(Record):
    """What each part of a text did to one label."""

    label: str
    score: float = Field(description="Probability of the label for the whole text.")
    pieces: list[Piece]


def attribute(text: str, scores: Scores, labels: Sequence[str], label: str | None = None) -> Attribution:
    """Occlusion: the probability of ``label`` (default: the predicted one) with the text whole, less that without each
    word (Zeiler and Fergus 2014; Li, Monroe and Jurafsky 2016 for text). Raises InputError for a text without words.
    """
    spans = _spans(text)
    if not spans:
        raise InputError("The text has no words to look at.", "Choose another one.")
    variants = [text, *(" ".join((text[:start] + " " + text[end:]).split()) for start, end in spans)]
    found = scores(variants)  # (1 + pieces, labels)
    if label is not None and label not in labels:
        raise InputError(f"The model knows no label '{label[:40]}'.", f"Labels: {', '.join(labels)[:200]}.")
    column = int(found[0].argmax()) if label is None else list(labels).index(label)
    whole = float(found[0, column])
    pieces = [
        Piece(text=text[start:end], weight=whole - float(found[place, column]))
        for place, (start, end) in enumerate(spans, 1)
    ]
    return Attribution(label=labels[column], score=whole, pieces=_with_gaps(text, spans, pieces))


def _spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of words and marks in order, gathered into at most ``MOST_PIECES`` groups."""
    found = [match.span() for match in _PIECE.finditer(text)]
    size = -(-len(found) // MOST_PIECES) or 1
    return [(found[i][0], found[min(i + size, len(found)) - 1][1]) for i in range(0, len(found), size)]


def _with_gaps(text: str, spans: Sequence[tuple[int, int]], pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces with the white space between them, so that nothing of the text is lost."""
    whole, at = [], 0
    for (start, end), piece in zip(spans, pieces, strict=True):
        if start > at:
            whole.append(Piece(text=text[at:start], weight=0.0))
        whole.append(piece)
        at = end
    if at < len(text):
        whole.append(Piece(text=text[at:], weight=0.0))
    return whole
