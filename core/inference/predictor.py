"""Load a trained model from its folder, after checking that every file is the one that was saved."""

from __future__ import annotations

from pathlib import Path

from core.durable import verify
from core.methods import get_method
from core.methods.base import Predictor


def load_predictor(directory: Path, device: str = "cpu") -> Predictor:
    """The model in ``directory``, ready to score texts.

    Raises ModelError when a file is missing or altered, or when the folder holds a pickle.
    """
    facts = verify(directory)
    return get_method(facts["method"]).load(
        directory, list(facts["labels"]), device, facts.get("task", "classification")
    )
