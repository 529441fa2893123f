"""No option without effect: what a form offers changes what is learned, and what would change nothing is not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import TrainingError
from core.methods import all_methods, get_method
from core.methods.base import Rows, TrainingData, idle_options, options_for
from core.methods.full import FullOptions
from core.methods.heads import head_for
from core.methods.lora import LoraOptions
from core.methods.neural import EncoderPredictor, _shown_rows
from core.methods.neural_options import NeuralOptions
from core.tasks import all_tasks, get_task
from core.tasks.answers import answer_at
from tests.unit.conftest import WORDS

LABELS = {"tagging": ["item", "greeting"], "pair": ["match", "no match"], "generation": [],
          "question_answering": ["answer", "no answer"]}  # fmt: skip
PLAIN: dict[str, Any] = {"epochs": 1, "batch_size": 4, "learning_rate": 5e-3, "max_length": 24, "dropout": 0.1}
SWITCHES: dict[str, Any] = {
    "class_weights": True,
    "oversampling": True,
    "label_smoothing": 0.2,
    "focal": 2.0,
    "r_drop": 1.0,
    "adversarial": "fgm",
    "layer_decay": 0.5,
    "head_factor": 20.0,
    "train_word_embeddings": True,
    "dropout": 0.4,
}
OWN = ("lora_dropout",)
"""Options whose default depends on the task."""
OF_WEIGHTS = ("r_drop", "layer_decay", "train_word_embeddings", "dropout")
"""What depends on which weights learn, not on what the head makes of the rows."""
VALUES: dict[str, tuple[Any, Any]] = {
    "classification": ("refund", "delivery"),
    "relation": ("refund", "delivery"),
    "multilabel": (["refund"], ["refund", "delivery"]),
    "tagging": ([(0, 5, "greeting")], [(6, 15, "item")]),
    "pair": ("match", "no match"),
    "question_answering": ([answer_at("hello my parcel is late", 6, 15)], []),
    "generation": ("ok, cup! bye", "ok, lamp! see you"),
}
"""A frequent and a rare value of each task."""


def data_of(task: str) -> TrainingData:
    """Nine rows, two of them rare, of different lengths."""
    values = [VALUES[task][row % 4 == 3] for row in range(9)]
    long = " it was so very late" * 8 if task in ("tagging", "question_answering") else ""
    texts = [f"hello my parcel is late {' '.join(['now'] * (row % 3))}{long}" for row in range(9)]
    second = ["where is my parcel"] * 9 if get_task(task).paired else None
    nothing = Rows([], [], [], [] if second else None)
    labels = LABELS.get(task, list(WORDS))
    return TrainingData(get_task(task), labels, Rows(list(range(9)), texts, values, second), nothing, nothing)


@pytest.fixture
def learned(context: Any, tiny_bases: Path, tiny_writers: Path) -> Callable[..., list[float]]:
    """What three steps make of a model: the losses and a figure of every weight."""

    def fit(task: str, name: str, **changes: Any) -> list[float]:
        method = get_method(name)
        base = tiny_writers / "t5" if task == "generation" else tiny_bases / "tiny"
        context.notes.clear()
        # Where the head drops nothing, R-Drop hears the dropout that LoRA has there by default.
        own = {name: field.default for name, field in options_for(method, task).model_fields.items() if name in OWN}
        predictor = method.fit(data_of(task), method.Options(**{**PLAIN, **own, **changes}), base, context)
        assert isinstance(predictor, EncoderPredictor)
        weights = [float(tensor.double().abs().sum()) for tensor in predictor.model.state_dict().values()]
        return [note["loss"] for note in context.notes if note["kind"] == "step"] + weights

    return fit


def cases() -> list[tuple[str, str, tuple[str, ...]]]:
    """(task, method, switches): every head with all of them, every way to tune with those that depend on it."""
    tasks = [task.name for task in all_tasks() if task.name != "relation"]  # it has the head of classification
    heads = [(task, "cross_encoder" if task == "pair" else "full", tuple(SWITCHES)) for task in tasks]
    ways = ("top_layers", "lora", "adapter", "prefix_tuning")
    return [
        *heads,
        *(("classification", way, OF_WEIGHTS) for way in ways),
        ("generation", "prefix_tuning", OF_WEIGHTS),
        ("question_answering", "lora", OF_WEIGHTS),
    ]


@pytest.mark.parametrize(("task", "name", "switches"), cases(), ids=str)
def test_what_is_offered_changes_what_is_learned(
    learned: Callable[..., list[float]], task: str, name: str, switches: tuple[str, ...]
) -> None:
    offered = set(options_for(get_method(name), task).model_fields)
    plain = learned(task, name)
    assert plain == learned(task, name) or switches != tuple(SWITCHES), "the same options give the same weights"
    heard = set()
    for switch in switches:
        try:
            heard |= {switch} if learned(task, name, **{switch: SWITCHES[switch]}) != plain else set()
        except TrainingError as error:
            assert "nothing is dropped" in error.message and switch == "r_drop"
    assert heard == offered & set(switches)


def test_long_texts_of_rare_classes_are_repeated_with_all_of_their_windows(tiny_bases: Path) -> None:
    from core.methods.encoders import load_tokenizer

    for task in ("tagging", "question_answering"):
        data = data_of(task)
        head = head_for(task, data.labels)
        reading = head.read(load_tokenizer(tiny_bases / "tiny"), data.train.texts, data.train.texts_b, 24)
        assert len(reading.encoded) > len(data.train)
        rows = _shown_rows(data, FullOptions(oversampling=True), reading)
        assert rows is not None
        shown = np.bincount(reading.rows_read[rows], minlength=9) / np.bincount(reading.rows_read)
        rare = shown[[3, 7]]
        assert (np.delete(shown, [3, 7]) == 1).all() and rare.sum() == 7 and (rare >= 3).all()
        assert _shown_rows(data, FullOptions(), reading) is None


def test_options_that_do_nothing_for_a_task_are_not_in_its_record() -> None:
    for method in all_methods():
        for task in sorted(method.tasks):
            record, idle = options_for(method, task), idle_options(method, task)
            assert set(record.model_fields) == set(method.Options.model_fields) - idle
            assert idle <= set(method.Options.model_fields) and record.SEARCHED.keys() <= record.model_fields.keys()
            method.Options.model_validate(record().model_dump())
    assert "focal" in options_for(get_method("full"), "generation").model_fields
    assert {"class_weights", "head_factor"} <= idle_options(get_method("lora"), "generation")
    assert options_for(get_method("full"), "tagging").model_fields.keys() == FullOptions.model_fields.keys()
    assert "tag_scheme" not in options_for(get_method("full"), "classification").model_fields


def test_two_answers_need_dropout_to_differ(learned: Callable[..., list[float]]) -> None:
    with pytest.raises(ValueError, match="R-Drop compares two answers under dropout, and dropout is 0"):
        NeuralOptions(r_drop=1.0, dropout=0.0)
    LoraOptions(r_drop=1.0, dropout=0.0, lora_dropout=0.05)  # its matrices have a dropout of their own
    with pytest.raises(TrainingError, match="nothing is dropped in the parts that learn"):
        learned("generation", "prefix_tuning", r_drop=1.0)
