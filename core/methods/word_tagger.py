"""Tagging by a frozen encoder: a logistic regression over the vectors of words, and the best sequence of tags."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.durable import read_json, write_json
from core.errors import ModelError, TrainingError
from core.methods.base import Answers, RunContext, TrainingData
from core.methods.fitted import Examples, fit_one
from core.methods.heads import TagHead
from core.methods.heads.spans import read_off
from core.methods.skops_files import load_estimators, save_estimators
from core.methods.word_vectors import WordReader
from core.tasks.spans import Span, to_tags, words

FILE, HEAD = "words.skops", "words.json"
CHOICES = (0.01, 0.1, 1.0)
"""Values of C that are tried: a vector has some hundred numbers of unit variance."""
NEVER = -30.0
"""Log-probability of a tag that no training word has."""


class WordTagger:
    """A frozen encoder with its classifier of words in memory."""

    def __init__(self, labels: list[str], reader: WordReader, classifier: Any) -> None:
        self.labels = labels
        self.reader = reader
        self.classifier = classifier
        self.outputs = outputs_of(labels)

    def scores(self, texts: Sequence[str], texts_b: Sequence[str] | None = None) -> np.ndarray:
        """(len(texts), 0): there is no score for a label of a whole text."""
        return np.zeros((len(texts), 0), np.float32)

    def answers(self, texts: Sequence[str], texts_b: Sequence[str] | None = None) -> Answers:
        """The most probable spans of each text; as sure as of its least sure word."""
        return self.read(texts, self.reader.vectors(texts))

    def read(self, texts: Sequence[str], vectors: Sequence[np.ndarray]) -> Answers:
        """The same from the vectors of the words, (words, d) a text."""
        values: list[list[Span]] = []
        sure = np.ones(len(texts), np.float32)
        for row, (text, own) in enumerate(zip(texts, vectors, strict=True)):
            spans: list[Span] = []
            if len(own):
                scores = np.full((len(own), len(self.outputs)), NEVER)
                scores[:, self.classifier.classes_] = self.classifier.predict_log_proba(own)
                spans, sure[row] = read_off(scores, words(text), self.outputs)
            values.append(spans)
        return Answers(values, sure, self.scores(texts))

    def save(self, directory: Path) -> None:
        """Write the classifier, its labels and where the encoder is."""
        save_estimators([self.classifier], directory / FILE)
        write_json(directory / HEAD, {"labels": self.labels, **self.reader.facts()})

    @classmethod
    def load(cls, directory: Path, labels: list[str], device: str = "cpu") -> WordTagger:
        """Load what ``save`` wrote. Raises ModelError for damaged files, other labels or a missing encoder."""
        facts = read_json(directory / HEAD)
        if not isinstance(facts, dict) or facts.get("labels") != labels:
            raise ModelError(f"{HEAD} of this model is missing or does not fit its labels.", "Train it again.")
        return cls(labels, WordReader.restore(facts, device), load_estimators(directory / FILE)[0])


def outputs_of(labels: list[str]) -> list[str]:
    """Names of the tags: O, then B- and I- of every label."""
    from core.tasks import get_task

    return TagHead(get_task("tagging"), labels).outputs


def train_tagger(
    data: TrainingData, reader: WordReader, choice: float, balanced: bool, context: RunContext
) -> WordTagger:
    """Read, fit, and keep the C with the best figure on dev; ``choice`` sets it. Raises TrainingError, Stopped."""
    from sklearn.linear_model import LogisticRegression

    def progress(done: int, total: int) -> None:
        context.progress(done, 2 * total, f"encoded {done:,} of {total:,} texts")

    vectors = reader.vectors(data.train.texts, progress, context.should_stop)
    dev = reader.vectors(data.dev.texts, None, context.should_stop)
    index = {tag: place for place, tag in enumerate(outputs_of(data.labels))}
    tags = [
        index.get(tag, 0)
        for text, spans in zip(data.train.texts, data.train.values, strict=True)
        for tag in to_tags(words(text), spans)
    ]
    if len(set(tags)) < 2:
        raise TrainingError("All words of the training texts have the same tag.", "Mark spans in more texts.")
    context.progress(1, 2, "fitting the classifier")
    found: list[tuple[float, WordTagger]] = []
    for tried in [choice] if choice else CHOICES if len(data.dev) else CHOICES[1:2]:
        unfitted = LogisticRegression(C=tried, class_weight="balanced" if balanced else None, max_iter=200)
        made = WordTagger(
            data.labels, reader, fit_one(unfitted, Examples(np.concatenate(vectors), np.array(tags)), context)
        )
        said = made.read(data.dev.texts, dev)
        score = data.task.metrics(data.dev.values, said.values, data.labels)["entity_f1"] if len(data.dev) else 0.0
        context.report("note", message=f"C={tried:g}: entity F1 {score:.1%} on dev", entity_f1=score)
        found.append((score, made))
    return max(found, key=lambda pair: pair[0])[1]
