"""The baseline of tagging: a linear-chain conditional random field over words (Lafferty et al. 2001), by CRFsuite."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.durable import read_json, write_json
from core.errors import ModelError
from core.methods.base import Answers, RunContext, TrainingData
from core.tasks.spans import Span, from_tags, to_tags, words

FILE, HEAD = "tagger.crfsuite", "head.json"
ITERATIONS = 100
PENALTIES = {"c1": 0.05, "c2": 0.05, "max_iterations": ITERATIONS, "feature.possible_transitions": True}
"""L1 and L2 of the weights; transitions that never occur are learned as such."""
NEAR = 2
"""Words to each side that are looked at."""


class CrfPredictor:
    """A trained field in memory."""

    def __init__(self, labels: list[str], content: bytes) -> None:
        import pycrfsuite

        self.labels = labels
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
        for row, text in enumerate(texts):
            pieces = words(text)
            if not pieces:
                values.append([])
                continue
            self.tagger.set(features(text, pieces))
            tags = self.tagger.tag()
            values.append(from_tags(pieces, tags))
            sure[row] = min(self.tagger.marginal(tag, place) for place, tag in enumerate(tags))
        return Answers(values, sure, self.scores(texts))

    def save(self, directory: Path) -> None:
        """Write the field as CRFsuite reads it, and its labels."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / FILE).write_bytes(self.content)
        write_json(directory / HEAD, {"labels": self.labels})

    @classmethod
    def load(cls, directory: Path, labels: list[str]) -> CrfPredictor:
        """Load what ``save`` wrote. Raises ModelError for damaged files or other labels."""
        facts = read_json(directory / HEAD)
        try:
            if not isinstance(facts, dict) or facts.get("labels") != labels:
                raise ValueError
            return cls(labels, (directory / FILE).read_bytes())
        except (OSError, ValueError) as error:
            raise ModelError(
                f"{FILE} of this model is missing or does not fit its labels.", "Train it again."
            ) from error


def train_crf(data: TrainingData, context: RunContext) -> CrfPredictor:
    """Fit the field on data.train."""
    import pycrfsuite

    trainer = pycrfsuite.Trainer(algorithm="lbfgs", params=PENALTIES, verbose=False)
    total = len(data.train)
    for row, (text, spans) in enumerate(zip(data.train.texts, data.train.values, strict=True)):
        if row % 1_000 == 0:
            context.progress(row, total, "counting words")
        if pieces := words(text):
            trainer.append(features(text, pieces), to_tags(pieces, spans))
    context.progress(total, total, "fitting")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        trainer.train(str(path))
        return CrfPredictor(list(data.labels), path.read_bytes())


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


def crf_cost(rows: int, mean_tokens: float, labels: int) -> tuple[float, int]:
    """(seconds, bytes) of a field, from WNUT-17 (3,400 rows of 18 words, 6 labels: 25 s on one core)."""
    work = rows * mean_tokens * (1 + 2 * labels)
    return 2.0 + work * 3e-5, int(400e6 + rows * mean_tokens * 2_000)
