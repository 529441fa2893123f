"""Load a trained model from its folder, after checking that every file is the one that was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.durable import MANIFEST, read_json, verify
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


def decision_of(directory: Path) -> dict[str, Any]:
    """What was chosen on the dev split to turn this model's probabilities into answers; empty where nothing was."""
    return dict((read_json(directory / MANIFEST) or {}).get("decision", {}))
