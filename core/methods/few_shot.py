"""Few-shot learning: pairs drawn from a few labelled texts tune a sentence encoder, a classifier learns on its vectors.

SetFit (Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts"): texts of one label are brought together
and texts of two apart, which makes many training pairs of few labels; then a logistic regression on the new vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.durable import read_json, write_json
from core.errors import ModelError, TrainingError
from core.methods.base import Estimate, MethodOptions, Rows, RunContext, TrainingData
from core.methods.bi_encoder import report_pairs, trainable_encoder
from core.methods.embeddings import Encoder, forward_all, read_encoder
from core.methods.heads import Targets
from core.methods.linear import Fitted, dev_targets, fit_calibrated
from core.methods.neural import LoopOptions, estimate_neural
from core.methods.pairs import PairBatches, Pairs
from core.methods.sentence_encoder import SentenceEncoder
from core.methods.skops_files import load_estimators, save_estimators

HEAD, CLASSIFIER = "few_shot.json", "head.skops"
MOST_PAIRS = 8_000
"""Pairs that are drawn where the options leave the number open: some minutes with a small encoder on two cores."""
MOST_A_TEXT = 20
"""Of each kind for each text; the number of the paper."""


class FewShotOptions(LoopOptions):
    """Options of few-shot learning."""

    pairs: int | None = Field(
        default=None,
        ge=1,
        le=200,
        description="Pairs drawn for each text: that many with the same label, and as many with another. More "
        "separates the labels better and takes longer in proportion. Automatic: 20 for few texts, fewer for many.",
    )
    epochs: int | None = Field(
        default=1,
        ge=1,
        le=100,
        description="How often the pairs are gone through. Once is mostly enough: more pairs are better than more "
        "rounds. Empty: as often as fine-tuning would.",
    )
    batch_size: int = Field(
        default=32, ge=2, le=512, description="Pairs in one step. Higher is smoother and faster but takes more memory."
    )
    learning_rate: float = Field(
        default=4e-5,
        gt=0,
        le=1,
        description="How far each step moves the encoder. Higher learns faster and forgets more of what it knew; "
        "large models (over 100 million weights) want 2e-5.",
    )
    loss: Literal["distance", "order"] = Field(
        default="distance",
        description="What the pairs teach: cosines near 1 for the same label and near 0 for others (distance, as in "
        "the paper), or only their order (order, CoSENT).",
    )
    C: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="How closely the classifier on top follows the training examples. 0 tries 1 and 10 and keeps the "
        "best on the dev split.",
    )


class FewShot:
    """Tune a sentence encoder on pairs of few labels, then a logistic regression."""

    name: ClassVar[str] = "few_shot"
    title: ClassVar[str] = "Few-shot (SetFit)"
    summary: ClassVar[str] = (
        "Learns which texts share a label before it learns the labels: the method for 5 to 50 examples a class, where "
        "full fine-tuning has too little to go on."
    )
    tasks: ClassVar[frozenset[str]] = frozenset({"classification"})
    needs_base: ClassVar[bool] = True
    resumable: ClassVar[bool] = True
    Options: ClassVar[type[MethodOptions]] = FewShotOptions

    def fit(
        self, data: TrainingData, options: MethodOptions, base: Path | None, context: RunContext
    ) -> FewShotPredictor:
        """Tune the encoder on data.train, then fit the classifier, calibrated on data.dev. Raises TrainingError,
        Stopped."""
        import torch

        from core.training.contrastive import GradeLoss, TwoTexts
        from core.training.loop import Loop

        checked = FewShotOptions.model_validate(options.model_dump())
        if base is None:
            raise TrainingError("This method needs a base model.", "Choose a base model.")
        context.progress(0, 1, "reading texts")
        torch.manual_seed(checked.seed)
        encoder = trainable_encoder(base, checked, context.device)
        pairs = draw_pairs(data.train, checked.pairs or pairs_for(len(data.train)), checked.seed)
        batches = PairBatches(pairs, np.arange(len(pairs.grade)), encoder.tokenizer, encoder.longest)
        report_pairs(context, batches, encoder.longest)
        model: Any = TwoTexts(encoder.model, encoder.pooling)
        Loop(
            model=model,
            data=batches,
            targets=Targets(torch.arange(len(batches))),
            loss=GradeLoss(batches, checked.loss == "order"),
            evaluate=_dev_metrics(encoder, data, checked) if len(data.dev) else None,
            options=checked,
            context=context,
        ).run()
        encoder.model.eval()
        context.progress(0, 1, "fitting the classifier")
        train, dev = (forward_all(encoder, rows.texts, encoder.longest) for rows in (data.train, data.dev))
        targets, held = data.task.targets(data.train.values, data.labels), dev_targets(data)
        choices = [checked.C] if checked.C else (1.0, 10.0)
        fitted = fit_calibrated(
            _make, choices, train, targets, (dev[held >= 0], held[held >= 0]), context, checked.seed
        )
        return FewShotPredictor(data.labels, encoder, fitted)

    def load(
        self, directory: Path, labels: list[str], device: str = "cpu", task: str = "classification"
    ) -> FewShotPredictor:
        """Load what the predictor's ``save`` wrote."""
        return FewShotPredictor.load(directory, labels, device)

    def estimate(
        self, data: TrainingData | None, options: MethodOptions, rows: int, mean_tokens: float, base: Path | None
    ) -> Estimate:
        """Seconds and memory for the pairs of ``rows`` training rows of ``mean_tokens`` tokens on this machine."""
        checked = FewShotOptions.model_validate(options.model_dump())
        drawn = rows * 2 * (checked.pairs or pairs_for(rows))
        return estimate_neural(checked.model_copy(update={"patience": 0}), drawn, 2 * mean_tokens, base)


def pairs_for(rows: int) -> int:
    """Pairs of each kind for each of ``rows`` texts: 20, or fewer where that would be more than 8,000 in all."""
    return min(MOST_A_TEXT, max(1, MOST_PAIRS // (2 * max(1, rows))))


def draw_pairs(rows: Rows, count: int, seed: int) -> Pairs:
    """``count`` pairs of the same label (grade 1) and as many of two labels (grade 0) for each text.

    A text whose label no other text has is its own partner, which teaches nothing and does no harm. Raises
    TrainingError when all texts have the same label.
    """
    random = np.random.default_rng(seed)
    names, label = np.unique(np.array(rows.values, dtype=object).astype(str), return_inverse=True)
    if len(names) < 2:
        raise TrainingError(
            "All training examples have the same label.", "Label texts of a second class and freeze a new version."
        )
    members = [np.flatnonzero(label == one) for one in range(len(names))]
    others = [np.flatnonzero(label != one) for one in range(len(names))]
    first, second, grade = [], [], []
    for row, own in enumerate(label):
        near = members[own][members[own] != row]
        for pool, value in ((near if len(near) else members[own], 1.0), (others[own], 0.0)):
            first.append(np.full(count, row))
            second.append(random.choice(pool, count))
            grade.append(np.full(count, value, np.float32))
    grades = np.concatenate(grade)
    return Pairs(list(rows.texts), list(rows.texts), np.concatenate(first), np.concatenate(second), grades, grades == 0)


def _make(choice: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=choice, max_iter=500, warm_start=True)


def _dev_metrics(encoder: Encoder, data: TrainingData, options: FewShotOptions) -> Callable[[], dict[str, float]]:
    """Figures of a classifier fitted on the vectors of now."""
    from threadpoolctl import threadpool_limits

    targets, held = data.task.targets(data.train.values, data.labels), dev_targets(data)

    def evaluate() -> dict[str, float]:
        encoder.model.eval()
        train, dev = (forward_all(encoder, rows.texts, encoder.longest) for rows in (data.train, data.dev))
        with threadpool_limits(limits=1):  # two threads that wait for each other are slower
            classifier = _make(options.C or 10.0).fit(train, targets)
        scores = Fitted(classifier, classifier.classes_).scores(dev, len(data.labels))
        predicted = data.task.predictions(scores, data.labels)
        known = held >= 0
        loss = -np.log(np.maximum(scores[known, held[known]], 1e-12)).mean() if known.any() else 0.0
        return {**data.task.metrics(data.dev.values, predicted, data.labels), "loss": float(loss)}

    return evaluate


class FewShotPredictor(SentenceEncoder):
    """A tuned sentence encoder with its classifier in memory."""

    def __init__(self, labels: list[str], encoder: Encoder, fitted: Fitted, folder: Path | None = None) -> None:
        super().__init__(encoder, folder)
        self.labels = labels
        self.fitted = fitted

    def scores(self, texts: Sequence[str], texts_b: Sequence[str] | None = None) -> np.ndarray:
        """Probabilities (len(texts), len(labels)) float32, rows summing to 1."""
        return self.fitted.scores(self.embed(texts), len(self.labels))

    def save(self, directory: Path) -> None:
        """Write the encoder as sentence-transformers loads it, the classifier and its calibration beside it."""
        self.save_encoder(directory)
        save_estimators([self.fitted.classifier], directory / CLASSIFIER)
        facts = {
            "labels": self.labels,
            "columns": [int(column) for column in self.fitted.columns],
            "temperature": self.fitted.temperature,
            "choice": self.fitted.choice,
        }
        write_json(directory / HEAD, facts)

    @classmethod
    def load(cls, directory: Path, labels: list[str], device: str = "cpu") -> FewShotPredictor:
        """Load what ``save`` wrote. Raises ModelError for damaged files or other labels."""
        facts = read_json(directory / HEAD)
        if not isinstance(facts, dict) or facts.get("labels") != labels:
            raise ModelError(f"{HEAD} of this model is missing or does not fit its labels.", "Train it again.")
        classifier, *_ = load_estimators(directory / CLASSIFIER)
        fitted = Fitted(classifier, np.array(facts["columns"]), float(facts["temperature"]), float(facts["choice"]))
        return cls(labels, read_encoder(directory, device), fitted, directory)
