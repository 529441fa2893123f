"""Any number of labels a text: what is learned, how sure models are, and what others read in the files."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import TrainingError
from core.methods import get_method
from core.methods.base import Rows, TrainingData, answers_of, options_for
from core.methods.linear_kinds import load_linear
from core.methods.multilabel_linear import OWN_CURVE, MultilabelPredictor, fit_independent
from core.tasks import get_task
from tests.unit.conftest import FILLER, WORDS

LABELS = list(WORDS)
TEXTS = ["money back", "hello parcel where", "the a my", "", "money back hello there parcel arrives"]
QUICK = {"epochs": 2, "batch_size": 16, "learning_rate": 5e-3}
FEW_SHOT = {"epochs": 3, "pairs": 2, "dropout": 0.0, "train_word_embeddings": True, "C": 10.0}


def rows(count: int, seed: int) -> Rows:
    """None to three labels a text; two words of each say so."""
    pick = random.Random(seed)
    texts, values = [], []
    for row in range(count):
        names = [name for place, name in enumerate(LABELS) if row % 8 >> place & 1]
        words = [word for name in names for word in pick.choices(WORDS[name].split(), k=2)]
        texts.append(" ".join([*words, *pick.choices(FILLER.split(), k=3)]))
        values.append(names)
    return Rows(list(range(count)), texts, values)


@pytest.fixture
def data() -> TrainingData:
    return TrainingData(get_task("multilabel"), LABELS, rows(96, 0), rows(48, 1), rows(0, 2))


@pytest.fixture
def fit(context: Any, tiny: Path) -> Any:
    def run(name: str, data: TrainingData, **options: Any) -> Any:
        method = get_method(name)
        chosen = {name: value for name, value in QUICK.items() if name in method.Options.model_fields}
        return method.fit(data, options_for(method, "multilabel").model_validate({**chosen, **options}), tiny, context)

    return run


@pytest.mark.parametrize(
    ("name", "options"), [("baseline", {}), ("hybrid", {}), ("full", {"epochs": 12}), ("few_shot", FEW_SHOT)]
)
def test_it_learns_which_labels_go_together_and_when_there_are_none(name, options, data, fit):
    predictor = fit(name, data, **options)
    decision = data.task.decide(data.dev.values, predictor.scores(data.dev.texts), LABELS)
    said = answers_of(predictor, data.task, data.dev.texts, decision=decision)
    assert data.task.metrics(data.dev.values, said.values, LABELS)["micro_f1"] > 0.85
    assert [] in said.values and max(map(len, said.values)) == 3


def test_plain_transformers_reads_the_outputs_the_same_way(data, fit, tmp_path):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    predictor = fit("lora", data)
    predictor.save(tmp_path / "model")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    with torch.no_grad():
        logits = model(**tokenizer(TEXTS[0], return_tensors="pt")).logits
    assert model.config.problem_type == "multi_label_classification"
    assert np.allclose(logits.sigmoid().numpy(), predictor.scores(TEXTS[:1]), atol=1e-5)


def test_a_label_of_no_or_every_training_text_has_a_constant_probability(data, fit, tmp_path):
    labels = [*LABELS, "always", "never"]
    train = Rows(data.train.ids, data.train.texts, [[*value, "always"] for value in data.train.values])
    predictor = fit("baseline", TrainingData(data.task, labels, train, data.dev, data.test))
    scores = predictor.scores(TEXTS)
    assert (scores[:, 3] == 1).all() and (scores[:, 4] == 0).all()
    predictor.save(tmp_path)
    again = load_linear(tmp_path, labels)
    assert isinstance(again, MultilabelPredictor) and np.array_equal(again.scores(TEXTS), scores)
    bare = Rows([1, 2], ["a", "b"], [["always"], ["always"]])
    with pytest.raises(TrainingError, match="applies to all"):
        fit("baseline", TrainingData(data.task, ["always"], bare, bare, bare))


def test_probabilities_hold_and_a_rare_label_borrows_its_curve(context):
    """Two labels with the same evidence, one of them rare: both come out as sure as they are right."""
    from sklearn.linear_model import LogisticRegression

    pick = np.random.default_rng(0)

    def make(count: int, rare: int) -> tuple[np.ndarray, np.ndarray]:
        matrix = pick.normal(size=(count, 4))
        targets = (pick.random((count, 2)) < 1 / (1 + np.exp(-3 * matrix[:, :2]))).astype(float)
        targets[np.flatnonzero(targets[:, 1])[rare:], 1] = 0
        return matrix, targets

    (matrix, targets), held = make(600, 600), make(300, OWN_CURVE - 1)
    fitted = fit_independent(lambda c: LogisticRegression(C=c), [0.01, 10.0], matrix, targets, held, context, 0)
    assert any("log loss" in note.get("message", "") for note in context.notes)
    assert fitted.slopes[0] > 0 and fitted.slopes[0] != fitted.slopes[1]
    test, truth = make(2000, 2000)
    sure = fitted.scores(test, 2)[:, 0]
    for low in (0.0, 0.25, 0.5, 0.75):
        inside = (sure >= low) & (sure < low + 0.25)
        assert abs(truth[inside, 0].mean() - sure[inside].mean()) < 0.08


def test_without_a_dev_split_a_part_of_train_stands_in(data, fit):
    predictor = fit("baseline", TrainingData(data.task, LABELS, rows(160, 0), rows(0, 1), data.test))
    values = data.task.predictions(predictor.scores(data.dev.texts), LABELS)
    assert data.task.metrics(data.dev.values, values, LABELS)["micro_f1"] > 0.85
