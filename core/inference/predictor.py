"""Load a trained model from its folder, after checking that every file is the one that was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.durable import MANIFEST, read_json, verify
from core.errors import RefusedError
from core.methods import get_method
from core.methods.base import Predictor
from core.tasks import get_task


def load_predictor(directory: Path, device: str = "cpu") -> Predictor:
    """The model in ``directory``, ready to score texts.

    Raises ModelError when a file is missing or altered, or when the folder holds a pickle.
    """
    facts = verify(directory)
    return get_method(facts["method"]).load(
        directory, list(facts["labels"]), device, facts.get("task", "classification")
    )


def load_untuned(directory: Path, base: Path, device: str = "cpu") -> Predictor:
    """The base model from which the writing model in ``directory`` was tuned, to be asked as that one is.

    Raises ModelError, RefusedError for a model that does not write.
    """
    from core.methods.encoders import load_tokenizer, saved_model
    from core.methods.heads import head_for
    from core.methods.neural import EncoderPredictor

    facts = read_json(directory / MANIFEST) or {}
    task = get_task(str(facts.get("task", "classification")))
    if task.needs_labels:
        raise RefusedError("Only a model that writes can do its task before it is tuned.", "Ask the tuned one.")
    head = head_for(task.name, list(facts["labels"]))
    model, tokenizer = saved_model(base, head), load_tokenizer(base)
    head.settle(model, tokenizer)
    longest = (read_json(directory / "generation_config.json") or {}).get("max_new_tokens")
    if longest:
        model.generation_config.max_new_tokens = int(longest)
    return EncoderPredictor(model, tokenizer, head, device)


def decision_of(directory: Path) -> dict[str, Any]:
    """What was chosen on the dev split to turn this model's probabilities into answers; empty where nothing was."""
    return dict((read_json(directory / MANIFEST) or {}).get("decision", {}))
