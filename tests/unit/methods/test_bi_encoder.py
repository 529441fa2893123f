"""The bi-encoder on a tiny model: it learns matches and grades, comes back the same, resumes, and others load it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import ModelError, TrainingError
from core.methods import get_method
from core.methods.base import Rows, Stopped, TrainingData
from core.methods.bi_encoder import BiEncoderPredictor
from core.methods.pairs import PairBatches, Pairs
from core.tasks import get_task

LABELS = ["match", "no match"]
WORDS = {"refund": "money back please", "delivery": "parcel arrives late where", "greeting": "hello there good day"}
FILLER = ["the", "a", "my", "your", "this", "that", "now", "again", "today", "very", "so", "it", "is", "was"]
QUICK = {"epochs": 10, "batch_size": 16, "learning_rate": 5e-3, "max_length": 16, "dropout": 0.0}
QUICK |= {"train_word_embeddings": True}


def pair_rows(count: int, seed: int, value: Callable[[bool], Any] = lambda same: "match") -> Rows:
    """Two texts of one topic in every row; of two topics in every second row when ``value`` tells them apart.

    Where every row is a match the second text is the answer to its topic.
    """
    pick = random.Random(seed)

    def text(topic: str) -> str:
        words = [*pick.choices(WORDS[topic].split(), k=2), *pick.choices(FILLER, k=3)]
        pick.shuffle(words)
        return " ".join(words)

    firsts, seconds, values = [], [], []
    only_matches = value(True) == value(False)
    for row in range(count):
        same = only_matches or row % 2 == 0
        one, other = pick.sample(list(WORDS), 2)
        firsts.append(text(one))
        seconds.append(WORDS[one] if only_matches else text(one if same else other))
        values.append(value(same))
    return Rows(list(range(count)), firsts, values, seconds)


def pair_data(train: int = 96, dev: int = 30, value: Callable[[bool], Any] = lambda same: "match") -> TrainingData:
    rows = [pair_rows(count, seed, value) for seed, count in enumerate((train, dev, 0))]
    return TrainingData(get_task("pair"), LABELS, *rows)


@pytest.fixture
def tune(tiny: Path, context: Any) -> Callable[..., BiEncoderPredictor]:
    def run(data: TrainingData, **options: Any) -> BiEncoderPredictor:
        method = get_method("bi_encoder")
        return method.fit(data, method.Options.model_validate({**QUICK, **options}), tiny, context)  # type: ignore[return-value]

    return run


def topic_gap(model: BiEncoderPredictor) -> float:
    """How much closer texts of one topic are than texts of two."""
    rows = pair_rows(60, 9, lambda same: same)
    cosines = (model.embed(rows.texts) * model.embed(rows.texts_b or [])).sum(axis=1)
    same = np.array(rows.values)
    return float(cosines[same].mean() - cosines[~same].mean())


@pytest.mark.parametrize(
    ("value", "options"),
    [
        (lambda same: "match", {}),
        (lambda same: "match" if same else "no match", {"hard_negatives": 2}),
        (lambda same: 0.9 if same else 0.2, {}),
        (lambda same: 0.9 if same else 0.2, {"loss": "distance"}),
    ],
    ids=["matches only", "match and no match", "grades in order", "grades as cosines"],
)
def test_learns_and_comes_back_the_same(value, options, tune, context, tmp_path):
    model = tune(pair_data(value=value), **options)
    before = next(note["dev"] for note in context.notes if note["kind"] == "epoch")
    headline = next(iter(before))
    assert headline == get_task("pair").headline([value(True), value(False)])
    best = max(note["dev"][headline] for note in context.notes if note["kind"] == "epoch")
    assert best > before[headline] and topic_gap(model) > 0.1
    test = pair_rows(40, 5, value)
    scores = model.scores(test.texts, test.texts_b)
    assert scores.shape == (40, 2) and scores.dtype == np.float32 and np.allclose(scores.sum(1), 1, atol=1e-6)
    model.save(folder := new_folder(tmp_path / "model"))
    loaded = get_method("bi_encoder").load(folder, LABELS)
    assert np.allclose(loaded.scores(test.texts, test.texts_b), scores, atol=1e-6)
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".json", ".safetensors"}


def test_the_task_says_which_figure_comes_first(tune, context, monkeypatch):
    monkeypatch.setattr("core.tasks.pair.Pair.headline", lambda *_: "recall@10")
    tune(pair_data(), epochs=1)
    epochs = [note["dev"] for note in context.notes if note["kind"] == "epoch"]
    assert epochs and all(next(iter(dev)) == "recall@10" for dev in epochs)


def new_folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_sentence_transformers_loads_it_and_gives_the_same_vectors(tune, tmp_path):
    from sentence_transformers import SentenceTransformer

    model = tune(pair_data(), epochs=1)
    model.save(folder := new_folder(tmp_path / "model"))
    texts = ["money back please", "where is my parcel today it arrives very late so hello there good day now again", ""]
    theirs = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    assert np.allclose(theirs.encode(texts), model.embed(texts), atol=1e-5)
    assert np.allclose(np.linalg.norm(model.embed(texts), axis=1), 1, atol=1e-5)


def test_vectors_are_kept_only_where_a_cache_is_given(tune, tmp_path):
    tune(pair_data(), epochs=1).save(folder := new_folder(tmp_path / "model"))
    loaded = BiEncoderPredictor.load(folder, LABELS)
    plain = loaded.embed(["hello there", "my parcel", "hello there"])
    assert plain.shape == (3, 32) and plain.dtype == np.float32 and loaded.embed([]).shape == (0, 32)
    loaded.use_cache(tmp_path / "kept")
    assert np.allclose(loaded.embed(["hello there", "my parcel", "hello there"]), plain, atol=1e-6)
    assert list((tmp_path / "kept" / "embeddings").rglob("*.vectors"))
    assert loaded.embed([]).shape == (0, 32)


def test_the_base_model_is_not_changed(tune, tiny):
    from core.methods.embeddings import encode

    before = encode(["my parcel"], tiny)
    tune(pair_data(), epochs=1)
    assert np.array_equal(encode(["my parcel"], tiny), before)


def test_a_stopped_run_goes_on_to_the_same_weights(tiny, context, tmp_path):
    method = get_method("bi_encoder")
    options = method.Options.model_validate({**QUICK, "checkpoint_seconds": 0, "epochs": 2, "dropout": 0.1})
    whole: Any = method.fit(pair_data(), options, tiny, context)
    context.directory = tmp_path / "other"
    context.should_stop = lambda: context.marks[-1][0] == 7
    context.marks.clear()
    with pytest.raises(Stopped):
        method.fit(pair_data(), options, tiny, context)
    context.should_stop = lambda: False
    resumed: Any = method.fit(pair_data(), options, tiny, context)
    assert any(note["kind"] == "resumed" for note in context.notes)
    texts = ["money back please", "my parcel is late"]
    assert np.array_equal(resumed.embed(texts), whole.embed(texts))


def test_without_a_match_or_a_base_nothing_is_trained(tune, tiny, context):
    data = pair_data(value=lambda same: "no match")
    with pytest.raises(TrainingError, match="No training pair"):
        tune(data)
    method = get_method("bi_encoder")
    with pytest.raises(TrainingError, match="needs a base model"):
        method.fit(pair_data(), method.Options(), None, context)


def test_damage_and_other_labels_are_noticed(tune, tmp_path):
    tune(pair_data(), epochs=1).save(folder := new_folder(tmp_path / "model"))
    with pytest.raises(ModelError, match="does not fit its labels"):
        BiEncoderPredictor.load(folder, ["yes", "no"])
    (folder / "bi_encoder.json").unlink()
    with pytest.raises(ModelError, match=r"bi_encoder\.json"):
        BiEncoderPredictor.load(folder, LABELS)


# ---------------------------------------------------------------- losses, against values worked out by hand


@pytest.fixture
def three(tiny: Path) -> PairBatches:
    """a-x, b-y and c-x match: in a batch of all, x is a match of both a and c."""
    from core.methods.encoders import load_tokenizer

    rows = Rows([1, 2, 3], ["hello", "my parcel", "money"], [0.9, 0.6, 0.2], ["good day", "late", "good day"])
    pairs = Pairs.of(Rows(rows.ids, rows.texts, ["match"] * 3, rows.texts_b), chains=False)
    pairs.grade = np.array(rows.values, np.float32)
    return PairBatches(pairs, np.arange(3), load_tokenizer(tiny), 16)


def test_ranking_loss(three):
    from core.training.contrastive import RankingLoss

    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.8, 0.6], [0.0, 1.0]])  # a, b, c; x, y
    cosines = [[0.8, 0.0], [0.6, 1.0], [0.96, 0.8]]
    own = [0, 1, 0]
    expected = np.mean(
        [np.log(np.exp(2 * np.array(row)).sum()) - 2 * row[i] for row, i in zip(cosines, own, strict=True)]
    )
    assert float(RankingLoss(three, scale=2.0)(vectors, torch.arange(3))) == pytest.approx(expected, abs=1e-6)


def test_possible_matches_leave_the_ranking_loss(three):
    from core.training.contrastive import RankingLoss

    three.pairs.second_group[1] = three.pairs.first_group[0]  # y belongs to a as well
    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6], [0.0, 1.0]])  # a, b; x, y
    of_b = np.log(np.exp(1.2) + np.exp(2.0)) - 2.0
    assert float(RankingLoss(three, scale=2.0)(vectors, torch.arange(2))) == pytest.approx(of_b / 2, abs=1e-6)


def test_grade_losses(three):
    from core.training.contrastive import GradeLoss

    vectors = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.8, 0.6], [0.0, 1.0]])
    cosines = np.array([0.8, 1.0, 0.96])  # grades 0.9, 0.6, 0.2
    wrong = [2 * (cosines[j] - cosines[i]) for i, j in ((0, 1), (0, 2), (1, 2))]
    ordered = np.log(1 + np.exp(wrong).sum())
    assert float(GradeLoss(three, scale=2.0)(vectors, torch.arange(3))) == pytest.approx(ordered, abs=1e-6)
    squared = np.mean((cosines - np.array([0.9, 0.6, 0.2])) ** 2)
    assert float(GradeLoss(three, ordered=False)(vectors, torch.arange(3))) == pytest.approx(squared, abs=1e-6)


@pytest.mark.parametrize("loss", ["ranking", "order", "distance"])
def test_a_batch_in_parts_teaches_what_the_whole_batch_does(
    tune: Callable[..., BiEncoderPredictor], context: Any, tmp_path: Path, loss: str
) -> None:
    data = pair_data(24, 12) if loss == "ranking" else pair_data(24, 12, lambda same: 0.9 if same else 0.1)
    options = {"epochs": 2, "loss": loss, "optimizer": "sgd", "learning_rate": 0.05, "half_precision": False}
    learned = []
    for parts in (1, 5):
        context.notes.clear()
        model = tune(data, accumulation=parts, **options)
        losses = [note["loss"] for note in context.notes if note["kind"] == "step"]
        learned.append((losses, model.embed(data.dev.texts)))
    (whole, vectors), (parted, others) = learned
    assert whole == pytest.approx(parted, abs=2e-4) and np.allclose(vectors, others, atol=1e-4)


def test_both_readings_of_a_part_drop_the_same_signals(
    tune: Callable[..., BiEncoderPredictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.training.contrastive import PairLoop

    forward, seen = PairLoop._forward, []

    def listen(self: PairLoop, inputs: Any) -> torch.Tensor:
        found = forward(self, inputs)
        seen.append((found.detach().clone(), found.requires_grad))
        return found

    monkeypatch.setattr(PairLoop, "_forward", listen)
    tune(pair_data(16, 12), epochs=1, accumulation=2, dropout=0.3)
    first, second = ([vectors for vectors, learns in seen if learns is kind] for kind in (False, True))
    assert len(first) == len(second) >= 4
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert not torch.equal(first[0], first[1])
