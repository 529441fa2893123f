"""Few-shot learning on a tiny model: pairs, what it learns, that it comes back the same and resumes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import ModelError, TrainingError
from core.methods import get_method
from core.methods.base import Rows, Stopped, TrainingData, Work
from core.methods.few_shot import FewShotOptions, FewShotPredictor, draw_pairs

TEXTS = ["money back please", "hello there", "where is the parcel it arrives very late today", "", "unheard words"]
QUICK = {"pairs": 3, "batch_size": 16, "learning_rate": 5e-3, "max_length": 16, "dropout": 0.0}
QUICK |= {"train_word_embeddings": True}


@pytest.fixture
def tune(tiny: Path, context: Any, toy_data: Callable[..., TrainingData]) -> Callable[..., FewShotPredictor]:
    def run(train: int = 18, dev: int = 24, **options: Any) -> FewShotPredictor:
        method = get_method("few_shot")
        return method.fit(toy_data(train, dev), method.Options.model_validate({**QUICK, **options}), tiny, context)  # type: ignore[return-value]

    return run


def test_pairs_are_half_of_one_label_and_half_of_two() -> None:
    rows = Rows(list(range(5)), list("abcde"), ["x", "x", "y", "y", "alone"])
    pairs = draw_pairs(rows, 4, seed=0)
    labels = np.array(rows.values)
    same = labels[pairs.first] == labels[pairs.second]
    assert len(pairs.grade) == 5 * 2 * 4 and np.array_equal(same, pairs.grade == 1)
    partners = pairs.first[same] == pairs.second[same]
    assert set(labels[pairs.first[same]][partners]) == {"alone"}, "only a text without company is its own partner"
    again, other = draw_pairs(rows, 4, seed=0), draw_pairs(rows, 4, seed=1)
    assert np.array_equal(again.second, pairs.second) and not np.array_equal(other.second, pairs.second)


def test_texts_with_several_labels_are_as_alike_as_their_labels() -> None:
    rows = Rows(list(range(4)), list("abcd"), [["x", "y"], ["x"], ["z"], []])
    pairs = draw_pairs(rows, 3, seed=0)
    by_pair = {(int(i), int(j)): float(g) for i, j, g in zip(pairs.first, pairs.second, pairs.grade, strict=True)}
    assert by_pair[0, 1] == by_pair[1, 0] == 0.5 and by_pair[2, 2] == by_pair[3, 3] == 1.0
    assert all(grade == 0 for (i, j), grade in by_pair.items() if i != j and {i, j} != {0, 1})


def test_many_texts_get_fewer_pairs() -> None:
    assert [FewShotOptions(loss="distance").count(rows) for rows in (0, 30, 400, 100_000)] == [20, 20, 10, 1]
    assert FewShotOptions().count(600) == 13 and FewShotOptions(pairs=3).count(600) == 3


@pytest.mark.parametrize("loss", ["labels", "distance", "order"])
def test_learns_and_comes_back_the_same(tune: Any, context: Any, tmp_path: Path, loss: str) -> None:
    model = tune(train=24, loss=loss, epochs=2, pairs=15)
    epochs = [note["dev"] for note in context.notes if note["kind"] == "epoch"]
    assert next(iter(epochs[0])) == "accuracy" and len(epochs) == 3
    assert max(epoch["accuracy"] for epoch in epochs[1:]) > epochs[0]["accuracy"]
    scores = model.scores(TEXTS)
    assert scores.shape == (5, 3) and scores.dtype == np.float32 and np.allclose(scores.sum(1), 1, atol=1e-5)
    (folder := tmp_path / "model").mkdir()
    model.save(folder)
    loaded: Any = get_method("few_shot").load(folder, model.labels)
    assert np.allclose(loaded.scores(TEXTS), scores, atol=1e-6)
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".json", ".safetensors", ".skops"}
    loaded.use_cache(tmp_path / "kept")
    assert np.allclose(loaded.scores(TEXTS), scores, atol=1e-6)
    with pytest.raises(ModelError, match="does not fit its labels"):
        FewShotPredictor.load(folder, ["a", "b", "c"])


def test_half_of_the_base_model_stays(tune: Any, tiny: Path) -> None:
    from core.methods.embeddings import read_encoder

    models = [tune(base_share=share, dropout=0.0).encoder.model for share in (0.0, 0.25)]
    tuned, mixed, base = (dict(model.named_parameters()) for model in (*models, read_encoder(tiny).model))
    moved = [name for name in tuned if not np.array_equal(tuned[name].detach(), base[name].detach())]
    assert len(moved) > 5
    for name in moved:
        expected = 0.75 * tuned[name] + 0.25 * base[name]
        assert np.allclose(mixed[name].detach(), expected.detach(), atol=1e-6), name


def test_texts_without_a_label_are_read_unless_told_otherwise(
    tiny: Path, context: Any, toy_data: Callable[..., TrainingData], monkeypatch: pytest.MonkeyPatch
) -> None:
    method = get_method("few_shot")
    monkeypatch.setattr("core.methods.few_shot.helps", lambda *_: True)
    data = replace(toy_data(18, 0), unlabelled=toy_data(120, 0).train.texts)
    scores = [
        method.fit(rows, method.Options.model_validate({**QUICK, **options}), tiny, context).scores(TEXTS)
        for rows, options in ((data, {}), (data, {"unlabelled": False}), (toy_data(18, 0), {}))
    ]
    said = [note["message"] for note in context.notes if "without a label" in note.get("message", "")]
    assert said == ["120 texts without a label are learned from too"]
    assert not np.array_equal(scores[0], scores[1]) and np.array_equal(scores[1], scores[2])
    monkeypatch.setattr("core.methods.few_shot.helps", lambda *_: False)
    left_out = method.fit(data, method.Options.model_validate(QUICK), tiny, context)
    assert any("are left out" in note.get("message", "") for note in context.notes)
    assert np.array_equal(left_out.scores(TEXTS), scores[2])


def test_a_stop_while_they_are_read_costs_no_training(
    tiny: Path, context: Any, tmp_path: Path, toy_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = get_method("few_shot")
    monkeypatch.setattr("core.methods.few_shot.helps", lambda *_: True)
    options = method.Options.model_validate({**QUICK, "epochs": 3, "patience": 1, "dropout": 0.1})
    data = replace(toy_data(18, 12), unlabelled=toy_data(120, 0).train.texts)
    whole: Any = method.fit(data, options, tiny, context)
    context.directory = tmp_path / "other"
    context.should_stop = lambda: context.marks[-1][1] == 120  # so many texts are being read
    with pytest.raises(Stopped):
        method.fit(data, options, tiny, context)
    context.should_stop = lambda: False
    context.notes.clear()
    resumed: Any = method.fit(data, options, tiny, context)
    kinds = [note["kind"] for note in context.notes]
    assert "resumed" in kinds and "step" not in kinds and "epoch" not in kinds
    assert np.array_equal(resumed.scores(TEXTS), whole.scores(TEXTS))


def test_among_very_many_texts_no_labels_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    method = get_method("few_shot")
    monkeypatch.setattr("core.methods.few_shot.MOST_SPREAD", 100)
    work = Work(rows=90, lengths=np.full((1, 1), 10.0), unlabelled=5000)
    some = method.estimate(work, FewShotOptions(), None).seconds
    assert some == method.estimate(replace(work, unlabelled=10), FewShotOptions(), None).seconds
    assert some > method.estimate(replace(work, unlabelled=0), FewShotOptions(), None).seconds


def test_sentence_transformers_loads_the_encoder(tune: Any, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    model = tune()
    (folder := tmp_path / "model").mkdir()
    model.save(folder)
    theirs = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    assert np.allclose(theirs.encode(TEXTS), model.embed(TEXTS), atol=1e-5)


def test_a_stopped_run_goes_on_to_the_same_weights(tiny: Path, context: Any, tmp_path: Path, toy_data: Any) -> None:
    method = get_method("few_shot")
    options = method.Options.model_validate({**QUICK, "checkpoint_seconds": 0, "dropout": 0.1})
    whole: Any = method.fit(toy_data(18, 12), options, tiny, context)
    context.directory = tmp_path / "other"
    context.should_stop = lambda: context.marks[-1][0] == 3
    context.marks.clear()
    with pytest.raises(Stopped):
        method.fit(toy_data(18, 12), options, tiny, context)
    context.should_stop = lambda: False
    resumed: Any = method.fit(toy_data(18, 12), options, tiny, context)
    assert any(note["kind"] == "resumed" for note in context.notes)
    assert np.array_equal(resumed.scores(TEXTS), whole.scores(TEXTS))


def test_without_dev_rows_it_trains_and_without_two_classes_it_says_so(tune: Any, tiny: Path, context: Any) -> None:
    assert tune(dev=0).scores(TEXTS).shape == (5, 3)
    with pytest.raises(TrainingError, match="same label"):
        tune(train=1)
    method = get_method("few_shot")
    with pytest.raises(TrainingError, match="needs a base model"):
        method.fit(None, method.Options(), None, context)  # type: ignore[arg-type]


def test_the_estimate_counts_the_pairs(tiny: Path) -> None:
    method, work = get_method("few_shot"), Work(rows=50, lengths=np.full((1, 1), 10.0))
    few, many = (method.estimate(work, FewShotOptions(pairs=n), tiny).seconds for n in (1, 200))
    assert many > few
    beside = replace(work, unlabelled=5000)
    wide, told = (method.estimate(beside, FewShotOptions(unlabelled=on), tiny).seconds for on in (True, False))
    assert wide > told


def test_the_loss_on_labels_is_that_of_the_paper() -> None:
    import torch

    from core.methods.pairs import Pairs
    from core.training.contrastive import LabelLoss

    class Batches:
        """First texts 0 and 1, second texts 1 and 2; text 1 stands on both sides."""

        pairs = Pairs(list("abc"), list("abc"), np.array([0, 1]), np.array([2, 1]), np.ones(2), np.zeros(2, bool))
        rows = np.arange(2)

        def candidates(self, rows: np.ndarray) -> np.ndarray:
            return np.array([1, 2])

    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 2.0], [2.0, 1.0], [2.0, 1.5], [0.5, 2.0]]), dim=1)
    texts, has = [0, 1, 1, 2], np.array([[True, False], [True, True], [False, True]])
    alike = {(0, 1): 0.5, (1, 2): 0.5, (0, 2): 0.0}
    total = []
    for i, text in enumerate(texts):
        others = [j for j in range(4) if texts[j] != text]
        whole = sum(np.exp(float(vectors[i] @ vectors[j]) / 0.5) for j in others)
        weights = [alike[tuple(sorted((text, texts[j])))] for j in others]  # type: ignore[index]
        said = [np.log(np.exp(float(vectors[i] @ vectors[j]) / 0.5) / whole) for j in others]
        total.append(-np.dot(weights, said) / sum(weights))
    loss = LabelLoss(Batches(), has, temperature=0.5)  # type: ignore[arg-type]
    assert float(loss(vectors, torch.arange(2))) == pytest.approx(np.mean(total), abs=1e-5)
    alone = LabelLoss(Batches(), np.eye(3, dtype=bool))  # type: ignore[arg-type]
    assert alone(vectors.requires_grad_(), torch.arange(2)).item() == 0.0, "nobody shares a label: nothing to find"
