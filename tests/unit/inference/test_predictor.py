from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from core.durable import seal, write_json
from core.errors import ModelError, RefusedError
from core.inference.cache import Predictors
from core.inference.predictor import load_predictor, load_untuned
from core.methods.encoders import load_tokenizer, new_model
from core.methods.heads import head_for
from core.methods.neural import EncoderPredictor

LABELS = ["refund", "delivery", "greeting"]


@pytest.fixture
def model(tiny_bases: Path, tmp_path: Path) -> Path:
    """A sealed model folder as the worker writes it."""
    folder = tmp_path / "model"
    base = tiny_bases / "tiny"
    tokenizer, head = load_tokenizer(base), head_for("classification", LABELS)
    EncoderPredictor(new_model(base, head, 0.1), tokenizer, head).save(folder)
    seal(folder, {"method": "full", "labels": LABELS})
    return folder


def test_scores_keep_the_order_of_the_texts_whatever_their_length(model):
    predictor = load_predictor(model)
    texts = ["hello", "money back please the a my your this that now again today very so", "", "late parcel"] * 40
    together = predictor.scores(texts)
    alone = np.concatenate([predictor.scores([text]) for text in texts[:4]] * 40)
    assert together.shape == (160, 3) and together.dtype == np.float32
    assert np.allclose(together, alone, atol=1e-5)
    assert predictor.scores([]).shape == (0, 3)


def test_a_text_of_a_megabyte_is_cut_not_refused(model):
    assert load_predictor(model).scores(["money " * 200_000]).shape == (1, 3)


def test_a_changed_byte_is_refused(model):
    weights = model / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors in model is not the file"):
        load_predictor(model)


def test_a_missing_file_or_manifest_is_refused(model):
    (model / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"tokenizer\.json is missing"):
        load_predictor(model)
    (model / "manifest.json").unlink()
    with pytest.raises(ModelError, match="no manifest"):
        load_predictor(model)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "extra.pkl", "head.joblib", "optimizer.pt"])
def test_a_pickle_beside_the_weights_is_refused(model, name):
    (model / name).write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match="can run code"):
        load_predictor(model)


def test_a_manifest_that_points_outside_is_refused(model, tmp_path):
    (tmp_path / "secret").write_text("x")
    seal(model, {"method": "full", "labels": LABELS})
    manifest = model / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"config.json"', '"../secret"'))
    with pytest.raises(ModelError, match="secret is missing"):
        load_predictor(model)


def test_the_base_of_a_model_that_writes_is_asked_as_that_one_is(tiny_writers, tmp_path):
    folder = tmp_path / "tuned"
    folder.mkdir()
    write_json(folder / "generation_config.json", {"max_new_tokens": 5})
    seal(folder, {"method": "lora", "task": "generation", "labels": []})
    predictors, heard = Predictors(), []

    def wrote(text: str) -> bool:
        heard.append(text)
        return True

    found = predictors.untuned(folder, tiny_writers / "llama", ["find the cup"], wrote=wrote)
    assert 1 <= len(heard) <= 5 and isinstance(found.values[0], str)


def test_labels_have_no_answer_before_tuning(model, tiny_bases):
    with pytest.raises(RefusedError, match="writes"):
        load_untuned(model, tiny_bases / "tiny")


def test_whoever_leaves_while_a_response_is_written_leaves_the_model_free(tiny_writers, tmp_path):
    class Gone(BaseException):
        """As a page's script run ends when its window is closed."""

    def leave(text: str) -> bool:
        raise Gone

    folder, predictors = tmp_path / "tuned", Predictors()
    folder.mkdir()
    seal(folder, {"method": "lora", "task": "generation", "labels": []})
    with pytest.raises(Gone):
        predictors.untuned(folder, tiny_writers / "llama", ["find the cup"], wrote=leave)
    others = []
    other = threading.Thread(
        target=lambda: others.append(predictors.untuned(folder, tiny_writers / "llama", ["x"], wrote=lambda t: False))
    )
    other.start()
    other.join(20)
    assert len(others) == 1
