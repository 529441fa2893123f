"""Tasks that are judged by what was answered, not by a score for each label: spans, sets of labels, text.

A task's measure is one function from ``Judged`` to ``Evaluation``; ``core.evaluation.scoring`` registers it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Judged:
    """Gold values and answers of one split; every sequence has n entries."""

    gold: Sequence[Any]
    predicted: Sequence[Any]
    scores: np.ndarray
    """(n, len(labels)), or (n, 0) where the task has no score a label and row."""
    labels: Sequence[str]
    ids: Sequence[int]
    texts: Sequence[str]
    split: str
    name: str
    seed: int
    texts_b: Sequence[str] | None = None
    """Second texts of pairs."""
    extra: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Further numbers of each row by name, as the model's ``examine`` gave them: (n,) each."""
