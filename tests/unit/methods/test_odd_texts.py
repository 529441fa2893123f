"""Texts without a token, and texts that are all longer than the model: every head learns from them and answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.methods import get_method
from core.methods.base import Rows, TrainingData, answers_of
from core.methods.full import FullFineTuning, FullOptions
from core.methods.heads import head_for
from core.methods.lora import Lora, LoraOptions
from tests.unit.methods.test_switches import data_of

QUICK: dict[str, Any] = {"epochs": 1, "batch_size": 2, "learning_rate": 1e-3, "max_length": 24}


@pytest.fixture
def bare(tiny_bases: Path, tmp_path: Path) -> Path:
    """A base whose tokenizer puts nothing around a text: an empty one has no token."""
    base = Path(shutil.copytree(tiny_bases / "tiny", tmp_path / "bare"))
    facts = json.loads((base / "tokenizer.json").read_text())
    (base / "tokenizer.json").write_text(json.dumps({**facts, "post_processor": None}))
    return base


@pytest.mark.parametrize(
    ("task", "method"),
    [("classification", "full"), ("multilabel", "full"), ("tagging", "full"), ("pair", "cross_encoder"),
     ("pair", "bi_encoder"), ("question_answering", "full"), ("classification", "features")],
)  # fmt: skip
def test_texts_without_a_token_are_learned_from_and_answered(task: str, method: str, bare: Path, context: Any) -> None:
    data = data_of(task)
    given = data.train
    nothing: Any = [] if task in ("tagging", "question_answering") else given.values[0]
    # The first rows as they are, so that there is something to learn; the others fill whole batches without a token.
    texts = [*given.texts[:4], "", "\u200b", "", " ", ""]
    second = None if given.texts_b is None else [*given.texts_b[:4], *[""] * 5]
    rows = Rows(given.ids, texts, [*given.values[:4], *[nothing] * 5], second)
    chosen = get_method(method)
    options = {key: value for key, value in QUICK.items() if key in chosen.Options.model_fields}
    some = TrainingData(data.task, data.labels, rows, rows, rows)
    predictor = chosen.fit(some, chosen.Options.model_validate(options), bare, context)
    losses = [note["loss"] for note in context.notes if note["kind"] == "step"]
    assert np.isfinite(losses).all()
    said = answers_of(predictor, data.task, ["", "\u200b", texts[0]], None if second is None else ["", "", second[0]])
    assert len(said.values) == 3 and np.isfinite(said.confidence).all() and np.isfinite(said.scores).all()
    if task == "tagging":
        assert said.values[:2] == [[], []]


def test_all_texts_longer_than_the_model_are_tagged_without_losing_a_word(tiny_bases: Path, context: Any) -> None:
    data = data_of("tagging")
    text = "where is my parcel " * 40
    spans = [(start, start + 9, "item") for start in range(9, len(text), 19)]
    rows = Rows([1, 2, 3], [text] * 3, [spans] * 3)
    full = FullFineTuning()
    options = FullOptions(epochs=25, batch_size=8, learning_rate=1e-2, max_length=512, patience=0, dropout=0.0)
    predictor = full.fit(TrainingData(data.task, data.labels, rows, rows, rows), options, tiny_bases / "tiny", context)
    (told,) = [note for note in context.notes if note["kind"] == "data"]
    assert told["truncated"] == 0.0 and told["rows"] > 9, "windows of what the model can read"
    assert not [note for note in context.notes if "were cut" in note.get("message", "")]
    said = answers_of(predictor, data.task, [text]).values[0]
    assert len(said) == len(spans) == 40 and set(said) == set(spans)


def test_all_prompts_longer_than_the_model_are_cut_and_it_is_said(tiny_writers: Path, context: Any) -> None:
    data, lora = data_of("generation"), Lora()
    rows = Rows([1, 2, 3], ["find the cup " * 60] * 3, ["ok, cup!"] * 3)
    some = TrainingData(data.task, [], rows, rows, rows)
    predictor = lora.fit(some, LoraOptions(epochs=1, max_length=512), tiny_writers / "llama", context)
    notes = [note["message"] for note in context.notes if note["kind"] == "note"]
    assert "100.0% of the texts are longer than 256 tokens and were cut" in notes
    reading = head_for("generation", []).read_rows(predictor.model, predictor.tokenizer, rows, 256)
    turns: Any = reading.encoded
    kept = predictor.tokenizer.decode(turns.response(0), skip_special_tokens=True)
    assert kept.strip() == "ok, cup!" and turns.lengths.max() <= 256, "the prompt is cut, not what is learned"
    assert isinstance(answers_of(predictor, data.task, rows.texts[:1]).values[0], str)
