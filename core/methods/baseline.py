"""The baseline that every other model has to beat: TF-IDF and a linear support vector machine.

Wang & Manning 2012, "Baselines and Bigrams", in scikit-learn's implementation. Pairs of texts are compared by what they
share, and a logistic regression decides (core.methods.pair_linear); spans, answers and responses have baselines of
their own (crf, answer_search, nearest).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from core.methods.answer_search import AnswerSearch
from core.methods.base import Estimate, MethodOptions, Predictor, Range, RunContext, TrainingData, Work
from core.methods.crf import CrfPredictor, crf_cost, train_crf
from core.methods.linear import TextFeatures, tfidf_vectorizers
from core.methods.linear_kinds import load_linear, train_texts
from core.methods.nearest import NearestResponse
from core.methods.pair_linear import train_pairs
from core.tasks.generation import Generation
from core.tasks.question_answering import QuestionAnswering

IDLE_FOR_TAGS = frozenset({"word_ngrams", "char_ngrams", "C", "class_weights"})
"""Options that do nothing for tags: those are found by a field with settings of its own."""
LIBRARY_BYTES = 240_000_000
"""A process with numpy, scipy and scikit-learn."""


class TfidfOptions(MethodOptions):
    """Options of the TF-IDF part."""

    SEARCHED: ClassVar[dict[str, Range]] = {
        "word_ngrams": Range(choices=(1, 2, 3)),
        "char_ngrams": Range(choices=(0, 3, 4, 5)),
        "C": Range(0.1, 10, log=True),
    }

    word_ngrams: int = Field(
        default=2,
        ge=0,
        le=3,
        description="Longest run of words that counts as one feature. 2 sees 'not good'; 3 costs memory and rarely "
        "helps; 0 ignores words.",
    )
    char_ngrams: int = Field(
        default=4,
        ge=0,
        le=6,
        description="Longest run of characters inside a word. Makes the model robust to typos and able to read "
        "languages without spaces; longer is slower; 0 ignores characters.",
    )
    C: float = Field(
        default=1.0,
        gt=0,
        le=1000,
        description="How closely the model follows the training examples. Lower is safer with noisy labels, higher "
        "fits rare wordings.",
    )
    class_weights: bool = Field(
        default=False,
        description="Let rare labels count as much as frequent ones: finds more of them, at the price of more false "
        "alarms.",
    )


class Baseline:
    """TF-IDF and linear SVC."""

    name: ClassVar[str] = "baseline"
    title: ClassVar[str] = "Baseline"
    summary: ClassVar[str] = (
        "Counts words and parts of words; trained in seconds, in any language, without a base model. Every other "
        "model has to beat it."
    )
    tasks: ClassVar[frozenset[str]] = frozenset(
        {"classification", "multilabel", "pair", "relation", "tagging", "question_answering", "generation"}
    )
    needs_base: ClassVar[bool] = False
    resumable: ClassVar[bool] = False
    Options: ClassVar[type[MethodOptions]] = TfidfOptions

    def idle(self, task: str) -> frozenset[str]:
        """Tags are found by a field with settings of its own, answers without word counts, responses by likeness."""
        return {
            "tagging": IDLE_FOR_TAGS,
            "question_answering": frozenset({"word_ngrams", "char_ngrams", "class_weights"}),
            "generation": frozenset({"C", "class_weights"}),
        }.get(task, frozenset())

    def fit(self, data: TrainingData, options: MethodOptions, base: Path | None, context: RunContext) -> Predictor:
        """Fit on data.train, calibrate on data.dev. Raises TrainingError, Stopped."""
        if data.task.name == "tagging":
            return train_crf(data, context)
        checked = TfidfOptions.model_validate(options.model_dump())
        if data.task.name == QuestionAnswering.name:
            return AnswerSearch.fit(data, checked.C, checked.seed, context)
        vectorizers = tfidf_vectorizers(checked.word_ngrams, checked.char_ngrams)
        if data.task.name == Generation.name:
            return NearestResponse.fit(data, vectorizers)
        features = TextFeatures(vectorizers)
        if data.task.paired:
            return train_pairs(data, features, [checked.C], context, checked.seed, checked.class_weights)
        return train_texts(data, features, svc(checked), [checked.C], context, checked.seed)

    def load(self, directory: Path, labels: list[str], device: str = "cpu", task: str = "classification") -> Predictor:
        """Load what the predictor's ``save`` wrote."""
        if task == "tagging":
            return CrfPredictor.load(directory, labels)
        if task == QuestionAnswering.name:
            return AnswerSearch.load(directory, labels)
        if task == Generation.name:
            return NearestResponse.load(directory, labels)
        return load_linear(directory, labels, device)

    def estimate(self, work: Work, options: MethodOptions, base: Path | None) -> Estimate:
        """Seconds and memory, from the run on Banking77 (10,000 rows of 16 tokens, 77 labels, 5 s on one core)."""
        return Estimate(*(crf_cost(work) if work.task == "tagging" else tfidf_cost(work)))


def svc(options: TfidfOptions) -> Any:
    """A maker of unfitted linear SVCs by C."""

    def make(choice: float) -> Any:
        from sklearn.svm import LinearSVC

        weights = "balanced" if options.class_weights else None
        return LinearSVC(C=choice, class_weight=weights, dual=True, random_state=options.seed)

    return make


def tfidf_cost(work: Work) -> tuple[float, int]:
    """(seconds, bytes): counting goes with the tokens, fitting with tokens times labels, weights with both."""
    tokens = work.rows * work.mean()
    seconds = 1.0 + tokens * (8e-6 + 2.2e-7 * work.labels)
    vocabulary = min(tokens * 0.5, 60 * tokens**0.65 + 1)
    return seconds, int(LIBRARY_BYTES + tokens * 120 + vocabulary * work.labels * 16)
