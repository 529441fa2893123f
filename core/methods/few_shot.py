"""Few-shot learning: pairs drawn from a few labelled texts tune a sentence encoder, a classifier learns on its vectors.

SetFit (Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts"): texts of one label are brought together
and texts of two apart, which makes many training pairs of few labels; then a logistic regression on the new vectors.
How they are brought together is by default not the distance of SetFit but supervised contrast (``LabelLoss``), which
has all other texts of a batch to tell a text apart from. Two more things are not in the paper: the tuned weights are
averaged with those from before, and the classifier learns from the version's texts without a label, too, to which
the labels are spread (``core.methods.spreading``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.durable import read_json, write_json
from core.errors import ModelError, TrainingError
from core.methods.base import Estimate, MethodOptions, Range, Rows, RunContext, TrainingData, Work
from core.methods.embeddings import Encoder, encode, forward_all, missing_share, read_encoder
from core.methods.estimates import estimate_neural
from core.methods.fitted import Examples, Fitted, fit_calibrated, fit_one
from core.methods.linear import dev_targets
from core.methods.multilabel_linear import Independent, fit_independent, fit_labels
from core.methods.neural_options import LoopOptions
from core.methods.pairs import PairBatches, Pairs
from core.methods.sentence_encoder import SentenceEncoder
from core.methods.sentence_tuning import Loss, SentenceTuning
from core.methods.skops_files import load_estimators, save_estimators
from core.methods.spreading import helps
from core.tasks import get_task
from core.tasks.relation import as_read

HEAD, CLASSIFIER = "few_shot.json", "head.skops"
MOST_PAIRS = 8_000
"""Pairs that are drawn where the options leave the number open: some minutes with a small encoder on two cores."""
MOST_SPREAD = 20_000
"""Texts with and without a label among which labels are spread; the time grows with the square, 13 s for so many."""
SECONDS_PER_PAIR = 4e-8
"""Of spreading, for each pair of such texts."""
MOST_A_TEXT = 20
"""Of each kind for each text; the number of the paper."""


class FewShotOptions(LoopOptions):
    """Options of few-shot learning."""

    SEARCHED: ClassVar[dict[str, Range]] = {**LoopOptions.SEARCHED, "base_share": Range(0.0, 0.8)}

    pairs: int | None = Field(
        default=None,
        ge=1,
        le=200,
        description="Pairs drawn for each text with the same label, and for some losses as many with another. More "
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
        default=32,
        ge=2,
        le=512,
        description="Pairs in one step, which one process does. Higher is smoother and faster but takes more memory.",
    )
    learning_rate: float = Field(
        default=4e-5,
        gt=0,
        le=1,
        description="How far each step moves the encoder. Higher learns faster and forgets more of what it knew; "
        "large models (over 100 million weights) want 2e-5.",
    )
    loss: Literal["labels", "distance", "order"] = Field(
        default="labels",
        description="What the pairs teach: that a text is closer to all of its label in the batch than to any other "
        "(labels, supervised contrast), that cosines are near 1 for the same label and near 0 for others (distance, as "
        "SetFit does), or only the order of these (order, CoSENT).",
    )
    base_share: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the base model in the weights at the end. Tuned on few texts alone an encoder forgets; "
        "between before and after it is best. 0 leaves it as tuned.",
    )
    unlabelled: bool = Field(
        default=True,
        description="Learn from the version's texts without a label too: they take the labels of their neighbours. "
        "Helps most where labels are few; left out where neighbours tell the labelled texts no better.",
    )
    C: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="How closely the classifier on top follows the training examples. 0 tries 1 and 10 and keeps the "
        "best on the dev split; with texts without a label it takes 10.",
    )

    def count(self, rows: int) -> int:
        """Pairs of each kind for each of ``rows`` texts: at most 20, and at most 8,000 pairs in all."""
        return self.pairs or min(MOST_A_TEXT, max(1, MOST_PAIRS // (self.kinds * max(1, rows))))

    @property
    def kinds(self) -> int:
        """Kinds of pairs that are learned from: with the same label, with another."""
        return 1 if self.loss == "labels" else 2


class FewShot(SentenceTuning):
    """Tune a sentence encoder on pairs of few labels, then a logistic regression."""

    name: ClassVar[str] = "few_shot"
    title: ClassVar[str] = "Few-shot (SetFit)"
    summary: ClassVar[str] = (
        "Learns which texts share a label before it learns the labels, and lets texts without a label help: the method "
        "for 5 to 50 examples a class, where full fine-tuning has too little to go on."
    )
    tasks: ClassVar[frozenset[str]] = frozenset({"classification", "multilabel", "relation"})
    Options: ClassVar[type[MethodOptions]] = FewShotOptions
    task_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "classification": {"base_share": 0.5},
        "relation": {"base_share": 0.5},
        "multilabel": {"loss": "distance"},
    }
    """How far apart texts with some labels in common are is what that loss says, and the other leaves open."""

    def idle(self, task: str) -> frozenset[str]:
        """Only a text with one label takes that of its neighbours."""
        return frozenset() if task == "classification" else frozenset({"unlabelled"})

    def unsuited(self, task: str, kind: str) -> str | None:
        """Labels of whole texts are what it learns from."""
        return {
            "tagging": "This method learns which whole texts are alike; labels of single words do not say that.",
            "question_answering": "This method learns which whole texts share a label; an answer is a place in a text, "
            "and no two texts share it.",
            "generation": "This method learns which texts share a label; responses are no labels.",
            "pair": "This method draws pairs of texts by their labels; for pairs as they are take the bi-encoder.",
        }.get(task)

    def supervision(
        self, data: TrainingData, options: FewShotOptions, base: Path, encoder: Encoder, context: RunContext
    ) -> tuple[PairBatches, Loss]:
        """Pairs drawn from the labels."""
        from core.training.contrastive import GradeLoss, LabelLoss

        train = replace(data.train, texts=as_read(data.task.name, data.train.texts))
        pairs = draw_pairs(train, options.count(len(train)), options.seed)
        # With the loss on labels all others of a batch are what a text is told apart from.
        rows = pairs.matches if options.loss == "labels" else np.arange(len(pairs.grade))
        batches = PairBatches(pairs, rows, encoder.tokenizer, encoder.longest)
        if options.loss == "labels":
            return batches, LabelLoss(batches, _memberships(train.values))
        return batches, GradeLoss(batches, options.loss == "order")

    def dev_metrics(
        self, encoder: Encoder, data: TrainingData, options: FewShotOptions, context: RunContext
    ) -> Callable[[], dict[str, float]]:
        """Figures of a classifier fitted on the vectors of now."""

        def evaluate() -> dict[str, float]:
            encoder.model.eval()
            train, dev = _vectors(encoder, data)
            made = _fitted_once(train, data, options.C or 10.0, context)
            scores = made.scores(dev, len(data.labels))
            said = data.task.predictions(scores, data.labels)
            return {**data.task.metrics(data.dev.values, said, data.labels), "loss": _log_loss(scores, data)}

        return evaluate

    def finish(
        self, encoder: Encoder, data: TrainingData, options: FewShotOptions, context: RunContext
    ) -> FewShotPredictor:
        """With a classifier, calibrated on data.dev."""
        context.progress(0, 1, "fitting the classifier")
        train, dev = _vectors(encoder, data)
        # With texts without a label there are examples enough to follow closely: 86.3 % with 10, 85.0 % with 1.
        choices = [options.C] if options.C else (10.0,) if data.unlabelled else (1.0, 10.0)
        targets = data.task.targets(data.train.values, data.labels)
        fitted: Fitted | Independent
        if data.task.many:
            held = data.task.targets(data.dev.values, data.labels)
            fitted = fit_independent(_make, choices, train, targets, (dev, held), context, options.seed)
        else:
            held = dev_targets(data)
            known = dev[held >= 0], held[held >= 0]
            told = _telling(context, "reading texts without a label")
            others = forward_all(encoder, data.unlabelled, encoder.longest, told, context.should_stop)
            context.progress(0, 1, "fitting the classifier")
            fitted = fit_calibrated(_make, choices, train, targets, known, context, options.seed, others)
        return FewShotPredictor(data.labels, encoder, fitted, task=data.task.name)

    def suited(self, data: TrainingData, options: FewShotOptions, base: Path, context: RunContext) -> TrainingData:
        """With those texts without a label whose neighbours say what they are, as the untuned base sees them."""
        count = self._count_unlabelled(data.task.name, options, len(data.train), len(data.unlabelled))
        others = list(data.unlabelled[:count])
        if not others:
            return replace(data, unlabelled=())
        texts = [*data.train.texts, *others]
        told = _telling(context, "reading texts without a label")
        vectors = encode(texts, base, context.cache, context.device, progress=told, should_stop=context.should_stop)
        rows, targets = len(data.train), data.task.targets(data.train.values, data.labels)
        if helps(vectors[:rows], targets, vectors[rows:], options.seed, context.should_stop):
            context.report("note", message=f"{count:,} texts without a label are learned from too", unlabelled=count)
            return replace(data, unlabelled=others)
        context.report("note", message=f"{count:,} texts without a label are left out: their neighbours are no guide")
        return replace(data, unlabelled=())

    def tuned(self, encoder: Encoder, options: FewShotOptions, base: Path, context: RunContext) -> None:
        """Averaged with those of the base."""
        if options.base_share:
            mix_in(encoder.model, read_encoder(base, context.device).model, options.base_share)

    def _count_unlabelled(self, task: str, options: FewShotOptions, rows: int, unlabelled: int) -> int:
        """How many texts without a label may be learned from, beside so many with one."""
        if not options.unlabelled or "unlabelled" in self.idle(task):
            return 0
        return max(0, min(unlabelled, MOST_SPREAD - rows))

    def load(
        self, directory: Path, labels: list[str], device: str = "cpu", task: str = "classification"
    ) -> FewShotPredictor:
        """Load what the predictor's ``save`` wrote."""
        return FewShotPredictor.load(directory, labels, device, task)

    def estimate(self, work: Work, options: MethodOptions, base: Path | None) -> Estimate:
        """Seconds and memory for the pairs that are drawn from this work's rows."""
        checked = FewShotOptions.model_validate(options.model_dump())
        drawn = work.rows * checked.kinds * checked.count(work.rows)
        beside = self._count_unlabelled(work.task, checked, work.rows, work.unlabelled)
        new = missing_share(work.texts, base, work.cache) if beside and base else 1.0
        first = new * (work.rows + beside) if beside else 0.0  # as the untuned base sees them
        known, other = (work.rows + work.dev) / 2, (work.dev + work.test + beside + first) / 2  # two texts are a pair
        spreading = 2 * SECONDS_PER_PAIR * (work.rows + beside) ** 2 if beside else 0.0
        cost = estimate_neural(work, checked, base, 2 * work.read(checked.max_length), drawn, known, 2 * known + other)
        return replace(cost, seconds=cost.seconds + spreading)


def _telling(context: RunContext, words: str) -> Callable[[int, int], None]:
    """Progress of a reading, in these words."""
    return lambda done, total: context.progress(done, total, words)


def mix_in(model: Any, base: Any, share: float) -> None:
    """Average the weights of ``model`` with those of the model it was tuned from, which count with ``share``.

    WiSE-FT (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
    """
    import torch

    before = dict(base.named_parameters())
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad and name in before:
                weight.lerp_(before[name].to(weight), share)


def draw_pairs(rows: Rows, count: int, seed: int) -> Pairs:
    """``count`` pairs with a label in common and as many without one for each text.

    The grade is the share of their labels that both have (Jaccard): 1 or 0 where a text has one label. A text that
    shares its labels with no other is its own partner, which teaches nothing and does no harm. Raises TrainingError
    when all texts share a label.
    """
    random = np.random.default_rng(seed)
    has = _memberships(rows.values)  # (n, labels)
    first, second, grade = [], [], []
    for row, own in enumerate(has):
        common = (has & own).sum(axis=1)
        near, far = np.flatnonzero(common), np.flatnonzero(common == 0)
        others = near[near != row]
        for pool in (others if len(others) else near, far):
            if not len(pool):
                continue
            chosen = random.choice(pool, count)
            first.append(np.full(count, row))
            second.append(chosen)
            grade.append((common[chosen] / (has[chosen] | own).sum(axis=1)).astype(np.float32))
    grades = np.concatenate(grade) if grade else np.zeros(0, np.float32)
    if not len(grades) or grades.all():
        raise TrainingError(
            "All training examples have the same label.", "Label texts of a second class and freeze a new version."
        )
    return Pairs(list(rows.texts), list(rows.texts), np.concatenate(first), np.concatenate(second), grades, grades == 0)


def _memberships(values: Sequence[Any]) -> np.ndarray:
    """Which names each value holds, (n, names) bool; that it holds none is a name, too."""
    sets = [{value} if isinstance(value, str) else set(value) or {None} for value in values]
    names = {name: place for place, name in enumerate(dict.fromkeys(name for one in sets for name in one))}
    found = np.zeros((len(sets), len(names)), bool)
    for row, one in enumerate(sets):
        found[row, [names[name] for name in one]] = True
    return found


def _make(choice: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=choice, max_iter=500, warm_start=True)


def _vectors(encoder: Encoder, data: TrainingData) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n, d) of train and dev."""
    train, dev = (
        forward_all(encoder, as_read(data.task.name, rows.texts), encoder.longest) for rows in (data.train, data.dev)
    )
    return train, dev


def _fitted_once(train: np.ndarray, data: TrainingData, choice: float, context: RunContext) -> Fitted | Independent:
    """A classifier that is not calibrated."""
    targets = data.task.targets(data.train.values, data.labels)
    if data.task.many:
        return fit_labels(_make, choice, train, targets, context)
    classifier = fit_one(_make(choice), Examples(train, targets), context)
    return Fitted(classifier, classifier.classes_)


def _log_loss(scores: np.ndarray, data: TrainingData) -> float:
    """Mean of minus the logarithm of what dev answers had as probability (n, labels)."""
    if data.task.many:
        truth = data.task.targets(data.dev.values, data.labels)
        right = np.where(truth > 0, scores, 1 - scores)
    else:
        held = dev_targets(data)
        right = scores[held >= 0, held[held >= 0]]
    return float(-np.log(np.maximum(right, 1e-12)).mean()) if right.size else 0.0


class FewShotPredictor(SentenceEncoder):
    """A tuned sentence encoder with its classifier in memory."""

    def __init__(
        self,
        labels: list[str],
        encoder: Encoder,
        fitted: Fitted | Independent,
        folder: Path | None = None,
        task: str = "classification",
    ) -> None:
        super().__init__(encoder, folder)
        self.labels = labels
        self.fitted = fitted
        self.task = task

    def scores(self, texts: Sequence[str], texts_b: Sequence[str] | None = None) -> np.ndarray:
        """Probabilities (len(texts), len(labels)) float32; with one label a text, rows sum to 1."""
        return self.fitted.scores(self.embed(as_read(self.task, texts)), len(self.labels))

    def save(self, directory: Path) -> None:
        """Write the encoder as sentence-transformers loads it, the classifier and its calibration beside it."""
        self.save_encoder(directory)
        save_estimators(self.fitted.estimators(), directory / CLASSIFIER)
        write_json(directory / HEAD, {"labels": self.labels, **self.fitted.facts()})

    @classmethod
    def load(
        cls, directory: Path, labels: list[str], device: str = "cpu", task: str = "classification"
    ) -> FewShotPredictor:
        """Load what ``save`` wrote. Raises ModelError for damaged files or other labels."""
        facts = read_json(directory / HEAD)
        if not isinstance(facts, dict) or facts.get("labels") != labels:
            raise ModelError(f"{HEAD} of this model is missing or does not fit its labels.", "Train it again.")
        kind = Independent if get_task(task).many else Fitted
        fitted = kind.restore(load_estimators(directory / CLASSIFIER), facts)
        return cls(labels, read_encoder(directory, device), fitted, directory, task)
