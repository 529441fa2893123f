"""The baseline of tasks that are answered with a text: the response of the training prompt that is most alike.

Retrieval by TF-IDF is what a model that writes has to beat before it is worth its memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.durable import read_json, write_json
from core.errors import ModelError, TrainingError
from core.methods.base import Answers, TrainingData
from core.methods.linear import TextFeatures
from core.methods.skops_files import load_estimators, save_estimators

TURNS = "turns.json"
FEATURES = "features.skops"
CHUNK = 256
"""Prompts that are compared with all training prompts at a time."""


class NearestResponse:
    """Prompts of the training data with their responses, found by what they have in common with a new prompt."""

    def __init__(self, features: TextFeatures, prompts: list[str], responses: list[str], labels: list[str]) -> None:
        self.features = features
        self.prompts = prompts
        self.responses = responses
        self.labels = labels
        self._blocks = self._vectors(prompts)

    @classmethod
    def fit(cls, data: TrainingData, vectorizers: list[Any]) -> NearestResponse:
        """Remember the rows of data.train that have a response. Raises TrainingError."""
        rows = [row for row in zip(data.train.texts, data.train.values, strict=True) if row[1]]
        if not rows:
            raise TrainingError("No training prompt has a response.", "Freeze a version with responses.")
        prompts, responses = [prompt for prompt, _ in rows], [response for _, response in rows]
        return cls(TextFeatures(vectorizers).fit(prompts), prompts, responses, data.labels)

    def scores(self, texts: Sequence[str], texts_b: Sequence[str] | None = None) -> np.ndarray:
        """(n, 0): texts have no score."""
        return np.zeros((len(texts), 0), np.float32)

    def answers(self, texts: Sequence[str], texts_b: Sequence[str] | None = None, **how: Any) -> Answers:
        """The response of the most similar training prompt; how sure is the cosine."""
        values: list[Any] = []
        sure: list[np.ndarray] = []
        for start in range(0, len(texts), CHUNK):
            blocks = self._vectors(texts[start : start + CHUNK])
            cosines = sum((a @ b.T).toarray() for a, b in zip(blocks, self._blocks, strict=True)) / len(blocks)
            best = cosines.argmax(axis=1)
            values += [self.responses[i] for i in best]
            sure.append(cosines[np.arange(len(best)), best])
        confidence = np.concatenate(sure).astype(np.float32) if sure else np.zeros(0, np.float32)
        return Answers(values, confidence.clip(0, 1), self.scores(texts))

    def save(self, directory: Path) -> None:
        """Write prompts and responses as JSON, the words and parts of words they are compared by with skops."""
        write_json(directory / TURNS, {"prompts": self.prompts, "responses": self.responses})
        save_estimators(self.features.vectorizers, directory / FEATURES)

    @classmethod
    def load(cls, directory: Path, labels: list[str]) -> NearestResponse:
        """Load what ``save`` wrote. Raises ModelError."""
        facts = read_json(directory / TURNS)
        if facts is None:
            raise ModelError(f"{TURNS} of {directory.name} is missing or damaged.", "Train the model again.")
        features = TextFeatures(load_estimators(directory / FEATURES))
        return cls(features, facts["prompts"], facts["responses"], labels)

    def _vectors(self, texts: Sequence[str]) -> list[Any]:
        """Unit vectors (len(texts), d), one sparse block a vectorizer."""
        return [vectorizer.transform(list(texts)) for vectorizer in self.features.vectorizers]
