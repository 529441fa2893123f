"""The Task protocol: what is predicted. A task knows labels and metrics, nothing of models, files or screens.

A *value* is a label in the task's own form: a name for classification, a list of names for multi-label, a list of
(start, end, name) for tagging, a string for generation. Storage keeps values encoded with label ids, so that a
rename touches no label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True)
class Answers:
    """What a model says about n rows."""

    values: list[Any]
    """Predicted value of each row, in the task's own form."""
    confidence: np.ndarray
    """(n,) float32: how sure the model is of each value, 0 to 1."""
    scores: np.ndarray
    """(n, len(labels)) float32 probability of every label; (n, 0) where a task has no score a label and row."""


class Task(Protocol):
    """One kind of prediction. Registered in ``core.tasks`` under ``name``."""

    name: str
    """Registry name, e.g. ``classification``."""
    title: str
    """Plain words for the form."""
    help: str
    """One sentence: when to choose it."""
    needs_labels: bool
    """False for tasks whose answers are free text."""
    paired: bool
    """True when every row has two texts."""
    many: bool
    """True when a value is a list of any number of label names."""
    fixed_labels: tuple[str, ...]
    """The label schema where the task sets it; empty where people make their own."""
    scored: bool
    """True when a probability for each label is the whole answer; False where the answer is spans or text."""
    implied: Any
    """Value of every row of a file that has no label column; None: the rows are to be labelled."""

    def parse(self, cell: Any) -> Any:
        """Turn an imported cell into a value; None when the cell is empty. Raises InputError."""

    def settle(self, values: Sequence[Any]) -> tuple[list[Any], list[str]]:
        """(values, warnings): what the parsed values of one file mean beside each other, e.g. on which scale."""

    def names(self, value: Any) -> tuple[str, ...]:
        """Label names that a value mentions, for the schema, counts and filters."""

    def encode(self, value: Any, ids: Mapping[str, int]) -> tuple[str | None, list[int]]:
        """Return (payload, label ids) for storage. The payload is None where the ids say it all.

        Raises InputError for a label that is not in ``ids``.
        """

    def decode(self, payload: str | None, label_ids: Sequence[int], names: Mapping[int, str]) -> Any:
        """Inverse of ``encode``; None when the item carries no label."""

    def strata(self, values: Sequence[Any]) -> list[str]:
        """One key a value, by which splits are stratified."""

    def check_version(self, counts: Mapping[str, Mapping[str, int]]) -> list[str]:
        """Warnings about a version's counts (split -> label -> rows). Raises RefusedError with counts and a way out."""

    def targets(self, values: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """Training targets, (n,) label indices for classification."""

    def predictions(self, scores: np.ndarray, labels: Sequence[str]) -> list[Any]:
        """Values from probabilities (n, len(labels))."""

    def headline(self, values: Sequence[Any]) -> str:
        """Name of the figure by which models are judged on rows with these gold values; higher is always better.

        Reports, rankings and searches all go by it.
        """

    def metrics(
        self, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str], scores: np.ndarray | None = None
    ) -> dict[str, float]:
        """Main figures by name, ``accuracy`` and ``macro_f1`` for classification; the first is the headline.

        ``scores`` (n, len(labels)) are the probabilities behind the predictions, for figures that need them.
        """


def headline_first(metrics: dict[str, float], name: str) -> dict[str, float]:
    """The same figures with the one of this name, if it is there, in front: what models and trials are judged by."""
    return {name: metrics[name], **metrics} if name in metrics else metrics


@runtime_checkable
class Joining(Protocol):
    """A task whose label cell can only be read beside the text of its row."""

    columns: tuple[tuple[str, ...], ...]
    """Usual names of its columns of texts and labels, and of second texts where it has them, the surest first; an empty
    name: nothing is labelled."""
    beside: tuple[str, ...]
    """Further columns by which a label cell is read, where a file has them."""

    def join(self, text: str, text_b: str | None, cell: str | None, *beside: str | None) -> tuple[str, str | None]:
        """The text of a row as it is stored, and its label cell as ``parse`` reads it. Raises InputError."""

    def fit(self, value: Any, text: str, text_b: str | None) -> Any:
        """A value as it is stored for this text. Raises InputError when it does not fit."""


@runtime_checkable
class Deciding(Protocol):
    """A task whose answers depend on more than which probability is highest: something is chosen on the dev split."""

    def decide(self, gold: Sequence[Any], scores: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
        """What turns probabilities into answers best on the dev split; kept with the model, so JSON."""

    def answers(
        self, scores: np.ndarray, labels: Sequence[str], decision: Mapping[str, Any]
    ) -> tuple[list[Any], np.ndarray]:
        """(values, confidence (n,)) from probabilities (n, len(labels)); an empty ``decision``: nothing was chosen."""


@runtime_checkable
class Declining(Protocol):
    """A task whose models always find an answer and say how probable it is that there is one: a threshold decides."""

    def threshold(self, gold: Sequence[Any], said: Answers, labels: Sequence[str]) -> dict[str, Any]:
        """From which probability on an answer is given, chosen on the dev split; kept with the model, so JSON.

        ``said`` is what the model answers where it has to, with its probabilities of each label.
        """

    def decline(self, said: Answers, labels: Sequence[str], decision: Mapping[str, Any]) -> Answers:
        """What is left of these answers; an empty ``decision``: nothing was chosen."""


@runtime_checkable
class Forming(Protocol):
    """A task whose texts have a form of their own, e.g. two marked entities. A text may come without and wait for it:
    a person then makes texts in the form out of it, each an item of its own.
    """

    example: str
    """A text in this form, for people to see how it is written."""
    beside: tuple[str, ...]
    """Columns of an import by which a plain text is brought into the form."""

    def form(self, text: str, *beside: str | None) -> str:
        """The text as it is stored; ``beside`` are the cells of those columns. Raises InputError."""

    def waits(self, text: str) -> bool:
        """True for a text that has nothing of the form yet."""

    def plain(self, text: str) -> str:
        """The text without its form: rows that share it are never in two splits."""
