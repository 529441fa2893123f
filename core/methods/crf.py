"""Tagging by a linear-chain conditional random field over words (Lafferty et al. 2001), by CRFsuite.

The baseline sees letters, endings and shapes; beside them the field may see vectors of the words by a frozen encoder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.durable import read_json, write_json
from core.errors import ModelError
from core.methods.base import Answers, RunContext, TrainingData, Work
from core.methods.word_vectors import WordReader
from core.tasks.spans import Span, from_tags, to_tags, words

FILE, HEAD = "tagger.crfsuite", "head.json"
ITERATIONS = 100
PENALTIES = {"c1": 0.05, "c2": 0.05, "max_iterations": ITERATIONS, "feature.possible_transitions": True}
"""L1 and L2 of the weights; transitions that never occur are learned as such."""
DENSE = {**PENALTIES, "c2": 1.0, "max_iterations": 60}
"""With vectors, whose hundreds of numbers a word fit anything: of WNUT-17's first 800 training rows, entity F1 on test
24.3 with them, 22.1 with their 64 main directions and the penalties above, 12.4 without."""
NEAR = 2
"""Words to each side that are looked at."""


class CrfPredictor:
    """A trained field in memory."""

    def __init__(self, labels: list[str], content: bytes, reader: WordReader | None = None, weight: float = 1) -> None:
        """``weight`` is that of the vectors by ``reader``."""
        import pycrfsuite

        self.labels = labels
        self.reader = reader
        self.weight = weight
        self.content = content
        self.tagger = pycrfsuite.Tagger()
        self.tagger.open_inmemory(content)

    def scores(self, texts: Sequence[str], texts_b: Sequence[str] | None = None) -> np.ndarray:
        """(len(texts), 0): there is no score for a label of a whole text."""
        return np.zeros((len(texts), 0), np.float32)

    def answers(self, texts: Sequence[str], texts_b: Sequence[str] | None = None) -> Answers:
        """The most probable spans of each text; as sure as of its least sure word."""
        values: list[list[Span]] = []
        sure = np.ones(len(texts), np.float32)
        vectors = self.reader.vectors(texts) if self.reader else None
        for row, text in enumerate(texts):
            pieces = words(text)
            if not pieces:
                values.append([])
                continue
            self.tagger.set(_items(text, pieces, None if vectors is None else vectors[row], self.weight))
            tags = self.tagger.tag()
            values.append(from_tags(pieces, tags))
            sure[row] = min(self.tagger.marginal(tag, place) for place, tag in enumerate(tags))
        return Answers(values, sure, self.scores(texts))

    def save(self, directory: Path) -> None:
        """Write the field as CRFsuite reads it, and its labels."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / FILE).write_bytes(self.content)
        facts = {**self.reader.facts(), "weight": self.weight} if self.reader else {}
        write_json(directory / HEAD, {"labels": self.labels, **facts})

    @classmethod
    def load(cls, directory: Path, labels: list[str], device: str = "cpu") -> CrfPredictor:
        """Load what ``save`` wrote. Raises ModelError for damaged files, other labels or a missing encoder."""
        facts = read_json(directory / HEAD)
        try:
            if not isinstance(facts, dict) or facts.get("labels") != labels:
                raise ValueError
            reader = WordReader.restore(facts, device) if facts.get("encoder") else None
            return cls(labels, (directory / FILE).read_bytes(), reader, float(facts.get("weight", 1)))
        except (OSError, ValueError) as error:
            raise ModelError(
                f"{FILE} of this model is missing or does not fit its labels.", "Train it again."
            ) from error


def train_crf(
    data: TrainingData, context: RunContext, reader: WordReader | None = None, weight: float = 1
) -> CrfPredictor:
    """Fit the field on data.train; ``weight`` is that of the vectors by ``reader``. Raises Stopped."""
    import pycrfsuite

    trainer = pycrfsuite.Trainer(algorithm="lbfgs", params=DENSE if reader else PENALTIES, verbose=False)
    total = len(data.train)
    vectors = None
    if reader is not None:
        context.progress(0, total, "reading the texts")
        vectors = reader.vectors(data.train.texts, None, context.should_stop)
    for row, (text, spans) in enumerate(zip(data.train.texts, data.train.values, strict=True)):
        if row % 1_000 == 0:
            context.progress(row, total, "counting words")
        if pieces := words(text):
            own = None if vectors is None else vectors[row]
            trainer.append(_items(text, pieces, own, weight), to_tags(pieces, spans))
    context.progress(total, total, "fitting")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        trainer.train(str(path))
        return CrfPredictor(list(data.labels), path.read_bytes(), reader, weight)


def _items(text: str, pieces: Sequence[tuple[int, int]], vectors: np.ndarray | None, weight: float) -> Any:
    """What the field sees of each word, as CRFsuite takes it; ``vectors`` are (words, d)."""
    seen = features(text, pieces)
    if vectors is None:
        return seen
    import pycrfsuite

    names = [f"v{place}" for place in range(vectors.shape[1])]
    return pycrfsuite.ItemSequence(
        [
            {**dict.fromkeys(own, 1.0), **dict(zip(names, line, strict=True))}
            for own, line in zip(seen, (vectors * weight).tolist(), strict=True)
        ]
    )


def features(text: str, pieces: Sequence[tuple[int, int]]) -> list[list[str]]:
    """What the field sees of each word: its letters, endings and shape, and those of its neighbours."""
    tokens = [text[start:end] for start, end in pieces]
    shapes = [_shape(token) for token in tokens]
    found = []
    for place, token in enumerate(tokens):
        low = token.lower()
        seen = ["bias", f"w={low}", f"s={shapes[place]}", *(f"-{n}={low[-n:]}" for n in (1, 2, 3, 4) if len(low) > n)]
        seen += [f"+{n}={low[:n]}" for n in (1, 2, 3) if len(low) > n]
        for step in range(-NEAR, NEAR + 1):
            other = place + step
            if step and 0 <= other < len(tokens):
                seen += [f"{step}w={tokens[other].lower()}", f"{step}s={shapes[other]}"]
            elif step in (-1, 1) and not 0 <= other < len(tokens):
                seen.append(f"{step}edge")
        if place:
            seen.append(f"-1w|w={tokens[place - 1].lower()}|{low}")
        found.append(seen)
    return found


def _shape(token: str) -> str:
    """Capitals, small letters, digits and other signs, each run once: 'Mc-4' is 'Xx-d'."""
    signs = ["d" if c.isdigit() else "X" if c.isupper() else "x" if c.isalpha() else c for c in token[:20]]
    return "".join(sign for i, sign in enumerate(signs) if i == 0 or sign != signs[i - 1])


def crf_cost(work: Work) -> tuple[float, int]:
    """(seconds, bytes) of a field, from WNUT-17 (3,400 rows of 18 words, 6 labels: 25 s on one core)."""
    tokens = work.rows * work.mean()
    return 2.0 + tokens * (1 + 2 * work.labels) * 3e-5, int(400e6 + tokens * 2_000)


def dense_cost(work: Work, width: int) -> tuple[float, int]:
    """(seconds, bytes) that vectors of ``width`` numbers a word add (800 rows of 24 words, 6 labels: 12 s)."""
    numbers = work.rows * work.mean() * width
    return numbers * (1 + 2 * work.labels) * 1.3e-7, int(numbers * 32)
