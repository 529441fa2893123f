"""A bi-encoder: one encoder turns every text into a vector, and texts that belong together end up close.

Vectors are made once a text, so that a hundred thousand candidates are searched with one matrix product: the method for
retrieval, matching and recommendation. Losses and sources: core.training.contrastive.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from core.durable import read_json, write_json
from core.errors import ModelError, TrainingError
from core.methods.base import Estimate, MethodOptions, RunContext, TrainingData, Work
from core.methods.embeddings import Encoder, encode, forward_all, read_encoder
from core.methods.estimates import estimate_neural
from core.methods.matching import CosineMatching
from core.methods.neural_options import LoopOptions
from core.methods.pairs import LEAST_ROWS, PairBatches, Pairs, cosine_line, line_up, rank_pairs
from core.methods.sentence_encoder import SentenceEncoder
from core.methods.sentence_tuning import Loss, SentenceTuning
from core.tasks.base import headline_first
from core.tasks.pair import correlations, is_graded

HEAD = "bi_encoder.json"


NEEDS_PAIRS = "This method learns how well two texts match, which is not what this task asks."


class BiEncoderOptions(LoopOptions):
    """Options of the bi-encoder."""

    batch_size: int = Field(
        default=64,
        ge=2,
        le=512,
        description="Pairs in one step. The second texts of a batch are each other's counter-examples: more of them "
        "teach finer differences, and take more memory. They have to meet, so it trains in one process.",
    )
    loss: Literal["automatic", "ranking", "order", "distance"] = Field(
        default="automatic",
        description="What is learned: to find the match among others (ranking), to bring cosines into the order of the "
        "grades (order, CoSENT), or to make cosines equal to the grades (distance). Automatic: order for grades, "
        "ranking otherwise.",
    )
    scale: float = Field(
        default=20.0,
        gt=0,
        le=200,
        description="How sharply close and closest are told apart in training. Higher looks at the hardest "
        "counter-examples only.",
    )
    hard_negatives: int = Field(
        default=0,
        ge=0,
        le=16,
        description="Very similar texts, found by the base model before training, that join each pair as "
        "counter-examples. Some teach finer differences; each makes a step longer.",
    )
    chains: bool = Field(
        default=True,
        description="A matches B and C matches B: then A and C are never counter-examples. Switch it off where a match "
        "says nothing about others, as in what people chose next.",
    )


class BiEncoder(SentenceTuning):
    """Tune an encoder on pairs."""

    name: ClassVar[str] = "bi_encoder"
    title: ClassVar[str] = "Bi-encoder"
    summary: ClassVar[str] = (
        "Both texts become vectors by one encoder that learns to bring matches together. Searches many thousand "
        "candidates at once; needs some hundred matches, and no counter-examples."
    )
    tasks: ClassVar[frozenset[str]] = frozenset({"pair"})
    Options: ClassVar[type[MethodOptions]] = BiEncoderOptions

    def unsuited(self, task: str, kind: str) -> str | None:
        """It compares two texts."""
        return None if task in self.tasks else NEEDS_PAIRS

    def supervision(
        self, data: TrainingData, options: BiEncoderOptions, base: Path, encoder: Encoder, context: RunContext
    ) -> tuple[PairBatches, Loss]:
        """Batches of the training pairs and the loss on them."""
        return _supervision(data, options, base, encoder, context)

    def dev_metrics(
        self, encoder: Encoder, data: TrainingData, options: BiEncoderOptions, context: RunContext
    ) -> Callable[[], dict[str, float]]:
        """Grades: rank correlation. Otherwise how early the match comes, and where there are counter-examples how often
        match and no match are told apart."""
        return _dev_metrics(encoder, data, options)

    def finish(
        self, encoder: Encoder, data: TrainingData, options: BiEncoderOptions, context: RunContext
    ) -> BiEncoderPredictor:
        """With the curve from cosines to probabilities."""
        return BiEncoderPredictor(data.labels, encoder, _calibrate(encoder, data, options, context))

    def load(
        self, directory: Path, labels: list[str], device: str = "cpu", task: str = "classification"
    ) -> BiEncoderPredictor:
        """Load what the predictor's ``save`` wrote."""
        return BiEncoderPredictor.load(directory, labels, device)

    def estimate(self, work: Work, options: MethodOptions, base: Path | None) -> Estimate:
        """Seconds and memory of this work."""
        checked = BiEncoderOptions.model_validate(options.model_dump())
        read = work.read_apart(checked.max_length) * (1 + checked.hard_negatives / 2)
        beside = 2 * work.dev + work.dev + work.test  # before, to calibrate, at the end
        if work.ranked:
            beside += work.dev + work.test
        return estimate_neural(work, checked, base, read, work.rows, work.dev, beside)


def _supervision(
    data: TrainingData, options: BiEncoderOptions, base: Path, encoder: Encoder, context: RunContext
) -> tuple[PairBatches, Loss]:
    """Batches of the training pairs and the loss on them. Raises TrainingError when there is nothing to learn from."""
    from core.training.contrastive import GradeLoss, RankingLoss

    pairs = Pairs.of(data.train, options.chains)
    kind = options.loss
    if kind == "automatic":
        kind = "order" if is_graded(data.train.values) else "ranking"
    rows = pairs.matches if kind == "ranking" else np.arange(len(data.train))
    if not len(rows):
        raise TrainingError("No training pair is a match.", "Label pairs that belong together, or learn the distance.")
    batches = PairBatches(pairs, rows, encoder.tokenizer, encoder.longest)
    if kind != "ranking":
        return batches, GradeLoss(batches, kind == "order", options.scale)
    batches.add_refused()
    if options.hard_negatives:
        context.progress(0, 1, "looking for similar texts")
        first, second = (
            encode(texts, base, context.cache, context.device, encoder.longest, should_stop=context.should_stop)
            for texts in (pairs.firsts, pairs.seconds)
        )
        batches.add_hard(options.hard_negatives, first, second)
    return batches, RankingLoss(batches, options.scale)


def _dev_metrics(encoder: Encoder, data: TrainingData, options: BiEncoderOptions) -> Callable[[], dict[str, float]]:
    """Figures of the dev split by the cosines of the encoder as it is, the headline first."""
    pairs = Pairs.of(data.dev, options.chains, beside=[data.train])
    graded, counter_examples = is_graded(data.dev.values), bool(pairs.refused.any())
    headline = data.task.headline(data.dev.values)

    def evaluate() -> dict[str, float]:
        encoder.model.eval()
        figures: dict[str, float] = {}
        if graded or counter_examples:
            cosines = _cosines(encoder, pairs, pairs.first, pairs.second)
            if graded or not len(pairs.matches):
                return correlations(pairs.grade, cosines)
            slope, intercept = cosine_line(cosines, pairs.grade)
            figures["accuracy"] = float(((slope * cosines + intercept > 0) != pairs.refused).mean())
        found = rank_pairs(pairs, lambda queries, candidates: _similar(encoder, queries, candidates))
        ranked = {
            "mrr@10": float(found.reciprocal_rank(10).mean()),
            "hit_rate@1": float(found.hit_rate(1).mean()),
            "recall@10": float(found.recall(10).mean()),
        }
        return headline_first(figures | ranked, headline)

    return evaluate


def _similar(encoder: Encoder, queries: list[str], candidates: list[str]) -> Callable[[slice], np.ndarray]:
    """Cosines (rows, candidates) of some queries."""
    first, second = (forward_all(encoder, texts, encoder.longest) for texts in (queries, candidates))
    return lambda rows: np.asarray(first[rows] @ second.T)


def _cosines(encoder: Encoder, pairs: Pairs, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n,) cosines of texts first[i] and second[i]."""
    left, right = (forward_all(encoder, texts, encoder.longest) for texts in (pairs.firsts, pairs.seconds))
    return np.asarray((left[first] * right[second]).sum(axis=1))


def _calibrate(
    encoder: Encoder, data: TrainingData, options: BiEncoderOptions, context: RunContext
) -> tuple[float, float]:
    """(slope, intercept) from the cosine to the log odds of a match; on dev, or on train where dev is too small."""
    context.progress(0, 1, "calibrating")
    rows = data.dev if len(data.dev) >= LEAST_ROWS else data.train
    pairs = Pairs.of(rows, options.chains, beside=[data.train])
    first, second, grade = line_up(pairs, options.seed)
    return cosine_line(_cosines(encoder, pairs, first, second), grade)


class BiEncoderPredictor(SentenceEncoder, CosineMatching):
    """A tuned bi-encoder in memory."""

    def __init__(
        self, labels: list[str], encoder: Encoder, line: tuple[float, float], folder: Path | None = None
    ) -> None:
        super().__init__(encoder, folder)
        self.labels = labels
        self.line = line
        """(slope, intercept) from the cosine to the log odds of a match."""

    def save(self, directory: Path) -> None:
        """Write a folder that transformers and sentence-transformers load, and the calibration beside it."""
        self.save_encoder(directory)
        write_json(directory / HEAD, {"labels": self.labels, "slope": self.line[0], "intercept": self.line[1]})

    @classmethod
    def load(cls, directory: Path, labels: list[str], device: str = "cpu") -> BiEncoderPredictor:
        """Load what ``save`` wrote. Raises ModelError for damaged files or other labels."""
        facts = read_json(directory / HEAD)
        if not isinstance(facts, dict) or facts.get("labels") != labels:
            raise ModelError(f"{HEAD} of this model is missing or does not fit its labels.", "Train it again.")
        line = float(facts["slope"]), float(facts["intercept"])
        return cls(labels, read_encoder(directory, device), line, directory)
