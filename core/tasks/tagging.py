"""Tagging: which stretches of a text are names, amounts, slots. Also known as named entity recognition."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.errors import InputError, RefusedError
from core.tasks.counts import check_train, unmeasured
from core.tasks.spans import OUTSIDE, Span, checked_spans, common_pieces, from_tags, joined, to_tags, words


class Tagging:
    """Spans of a text with a label each. A value is a list of (start, end, name) in characters; it may be empty."""

    name = "tagging"
    title = "Spans of a text"
    help = "Choose it to find names, dates, amounts or slots inside a text: named entities, sequence labeling."
    needs_labels = True
    paired = False
    many = False
    scored = False
    fixed_labels: tuple[str, ...] = ()
    implied: Any = None
    minimum_per_class = 1
    columns: tuple[tuple[str, ...], ...] = (
        ("tokens", "tags"), ("tokens", "ner_tags"), ("words", "tags"), ("words", "labels"), ("text", "spans"),
        ("text", "entities"), ("text", "label"),
    )  # fmt: skip
    beside: tuple[str, ...] = ("spaces",)

    def join(self, text: str, text_b: str | None, cell: str | None, *beside: str | None) -> tuple[str, str | None]:
        """The text of a row, and its spans as JSON: from tokens and tags, or from a text and its spans.

        ``beside`` is a list of what stands after each token, and perhaps before the first: a text, or whether there is
        a space. Raises InputError for tags that do not match the tokens and spans that do not fit the text.
        """
        tokens = _list(text)
        if tokens is None:
            given = _list(cell)
            if given is None:
                _check_empty(cell)
                return text, None
            return text, json.dumps(checked_spans(given, text), ensure_ascii=False)
        shown = [" ".join(str(token).split()) for token in tokens]
        if not all(shown):
            raise InputError(f"token {shown.index('') + 1} is empty")
        text, places = joined(shown, _spaces(next(iter(beside), None), len(shown)))
        tags = _list(cell)
        if tags is None:
            _check_empty(cell)
            return text, None
        spans = checked_spans(from_tags(places, [str(tag).strip() for tag in tags]), text)
        return text, json.dumps(spans, ensure_ascii=False)

    def fit(self, value: Any, text: str, text_b: str | None) -> list[Span]:
        """Spans in order. Raises InputError for those that do not fit the text."""
        try:
            return checked_spans(value, text)
        except (TypeError, InputError) as error:
            raise InputError(f"These are no spans of the text: {error}", "Mark whole words, one label each.") from error

    def parse(self, cell: Any) -> list[Span] | None:
        """Spans as ``join`` wrote them; None for an empty cell."""
        if not cell:
            return None
        return [(start, end, name) for start, end, name in json.loads(cell)]

    def settle(self, values: Sequence[Any]) -> tuple[list[Any], list[str]]:
        """Spans mean the same in every file."""
        return list(values), []

    def names(self, value: Any) -> tuple[str, ...]:
        """Names of the spans, each once."""
        return tuple(dict.fromkeys(name for _, _, name in value or ()))

    def encode(self, value: Any, ids: Mapping[str, int]) -> tuple[str | None, list[int]]:
        """Places with label ids as payload, so that a rename touches nothing."""
        unknown = [name for name in self.names(value) if name not in ids]
        if unknown:
            raise InputError(
                f"'{unknown[0]}' is not a label of this project.", f"Labels: {', '.join(ids) or 'none yet'}."
            )
        spans = sorted((int(start), int(end), ids[name]) for start, end, name in value)
        return json.dumps(spans), sorted({label for _, _, label in spans})

    def decode(self, payload: str | None, label_ids: Sequence[int], names: Mapping[int, str]) -> list[Span]:
        """Spans with the names of today; those of a removed label are gone."""
        return [(start, end, names[label]) for start, end, label in json.loads(payload or "[]") if label in names]

    def strata(self, values: Sequence[Any]) -> list[str]:
        """The rarest name that a text holds, so that every split gets some of each."""
        counts = Counter(name for value in values for name in self.names(value))
        return [min(self.names(value), key=lambda name: (counts[name], name), default=OUTSIDE) for value in values]

    def check_version(self, counts: Mapping[str, Mapping[str, int]]) -> list[str]:
        """Refuse a version without a single span to learn from; warn where a split lacks a label."""
        totals: dict[str, int] = {}
        for split in counts.values():
            for name, rows in split.items():
                if name:
                    totals[name] = totals.get(name, 0) + rows
        if not totals:
            raise RefusedError("No labelled text holds a span.", "Import or label texts with spans first.")
        check_train(counts, totals)
        return unmeasured(counts, sorted(totals))

    def targets(self, values: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """Which labels occur in each text, (n, len(labels)) int64."""
        return np.array([[name in self.names(value) for name in labels] for value in values], dtype=np.int64)

    def predictions(self, scores: np.ndarray, labels: Sequence[str]) -> list[Any]:
        """Spans do not follow from scores of a text; models of this task give answers."""
        raise InputError("Spans cannot be told from scores of whole texts.", "Ask the model for answers.")

    def headline(self, values: Sequence[Any]) -> str:
        """Micro F1 of whole spans."""
        return "entity_f1"

    def metrics(
        self, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str], scores: np.ndarray | None = None
    ) -> dict[str, float]:
        """F1, precision and recall of whole spans by seqeval; a span counts when both edges and the name are right."""
        from seqeval.metrics import f1_score, precision_score, recall_score

        tags = tag_pairs(gold, predicted)
        return {
            "entity_f1": float(f1_score(*tags, zero_division=0)),
            "entity_precision": float(precision_score(*tags, zero_division=0)),
            "entity_recall": float(recall_score(*tags, zero_division=0)),
            "accuracy": float(np.mean([same(g, p) for g, p in zip(gold, predicted, strict=True)])),
        }


def same(gold: Sequence[Any], predicted: Sequence[Any]) -> bool:
    """True when both hold the same spans."""
    return sorted(map(tuple, gold)) == sorted(map(tuple, predicted))


def tag_pairs(gold: Sequence[Any], predicted: Sequence[Any]) -> tuple[list[list[str]], list[list[str]]]:
    """IOB2 tags of both, on pieces between all their edges: seqeval's entities are then exactly the spans."""
    pieces = [common_pieces(g, p) for g, p in zip(gold, predicted, strict=True)]
    return (
        [to_tags(piece, spans) for piece, spans in zip(pieces, gold, strict=True)],
        [to_tags(piece, spans) for piece, spans in zip(pieces, predicted, strict=True)],
    )


def _list(cell: str | None) -> list[Any] | None:
    """A JSON list in a cell; None for anything else."""
    if not cell or not cell.lstrip().startswith("["):
        return None
    try:
        found = json.loads(cell)
    except ValueError:
        return None
    return found if isinstance(found, list) else None


def _spaces(cell: str | None, tokens: int) -> list[str] | None:
    """What stands before and after each of so many tokens; None where the file does not say."""
    given = _list(cell)
    if given is None:
        return None
    found = [one if isinstance(one, str) else " " if one else "" for one in given]
    if len(found) == tokens:  # nothing is said of the beginning
        found = ["", *found]
    if len(found) != tokens + 1 or any(words(one) for one in found):
        raise InputError(f"{tokens} tokens do not go with the spaces {cell[:40] if cell else ''}")
    return found


def _check_empty(cell: str | None) -> None:
    if cell and cell.strip():
        raise InputError(f"'{cell[:40]}' is no list of spans or tags")
