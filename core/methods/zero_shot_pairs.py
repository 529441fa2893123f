"""Pairs without training: how close two texts are for a frozen encoder of sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.durable import read_json, write_json
from core.errors import ModelError
from core.methods.base import RunContext, TrainingData
from core.methods.linear import encoder_facts, encoder_folder
from core.methods.matching import CosineMatching
from core.methods.pairs import Pairs, cosine_line, line_up

FILE = "cosines.json"


class FrozenMatching(CosineMatching):
    """An encoder as it came, with the curve from cosines to probabilities, in memory."""

    def __init__(self, labels: list[str], base: Path, max_length: int, device: str = "cpu") -> None:
        self.labels = labels
        self.base = base
        self.max_length = max_length
        self.device = device
        self.line = cosine_line(np.zeros(0), np.zeros(0))
        self.cache: Path | None = None

    def calibrate(self, data: TrainingData, context: RunContext, seed: int) -> None:
        """Fit the curve to data.dev, where that is large enough. Raises Stopped."""
        context.progress(0, 1, "calibrating")
        pairs = Pairs.of(data.dev, beside=[data.train])
        first, second, grade = line_up(pairs, seed)
        left, right = self.embed(pairs.firsts), self.embed(pairs.seconds)
        self.line = cosine_line((left[first] * right[second]).sum(axis=1), grade)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, (len(texts), d) float32."""
        from core.methods.embeddings import encode

        return encode(texts, self.base, self.cache, self.device, self.max_length)

    def use_cache(self, cache: Path | None) -> None:
        """Look vectors up in, and add them to, this cache. None, as at first, keeps nobody's input."""
        self.cache = cache

    def save(self, directory: Path) -> None:
        """Write one JSON file; the base model stays where it is and is known by its hash."""
        facts = encoder_facts(self.base, self.max_length, self.cache)
        write_json(directory / FILE, {"labels": self.labels, "line": list(self.line), **facts})

    @classmethod
    def load(cls, directory: Path, labels: list[str], device: str = "cpu") -> FrozenMatching:
        """Load what ``save`` wrote. Raises ModelError for damaged files, other labels or a missing base model."""
        facts = read_json(directory / FILE)
        if not isinstance(facts, dict) or facts.get("labels") != labels:
            raise ModelError(f"{FILE} of this model is missing or does not fit its labels.", "Train it again.")
        found = cls(labels, encoder_folder(facts), int(facts["max_length"]), device)
        found.line = (float(facts["line"][0]), float(facts["line"][1]))
        return found
