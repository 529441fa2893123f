"""Which linear model reads which task: one label a text, any number of them, or pairs of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core.durable import read_json
from core.methods.base import RunContext, TrainingData
from core.methods.linear import LinearPredictor, TextFeatures, train_linear
from core.methods.multilabel_linear import MultilabelPredictor, train_multilabel
from core.methods.pair_linear import PairPredictor

_KINDS = {kind.KIND: kind for kind in (LinearPredictor, MultilabelPredictor, PairPredictor)}


def train_texts(
    data: TrainingData,
    features: TextFeatures,
    make: Callable[[float], Any],
    choices: Sequence[float],
    context: RunContext,
    seed: int,
) -> LinearPredictor:
    """One classifier for a task with one label a text, one a label where there may be several."""
    train = train_multilabel if data.task.many else train_linear
    return train(data, features, make, choices, context, seed)


def load_linear(directory: Path, labels: list[str], device: str = "cpu") -> LinearPredictor:
    """Load a linear model, of whichever kind was saved. Raises ModelError."""
    facts = read_json(directory / LinearPredictor.HEAD)
    kind = facts.get("kind") if isinstance(facts, dict) else None
    return _KINDS.get(str(kind), LinearPredictor).load(directory, labels, device)
