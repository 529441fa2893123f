"""A cross-encoder: both texts go through the encoder together, so that every word of one meets every word of the other.

More exact than a bi-encoder and far slower, as nothing can be worked out ahead (Nogueira & Cho 2019, "Passage
Re-ranking with BERT"; Humeau et al. 2020, "Poly-encoders"). To search, it re-orders the best candidates of a quick
first search, here by TF-IDF.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from core.durable import read_json, write_json
from core.errors import ModelError
from core.methods.base import Estimate, MethodOptions, Rows, RunContext, TrainingData
from core.methods.encoders import load_tokenizer, saved_model
from core.methods.heads import head_for
from core.methods.neural import EncoderPredictor, NeuralOptions
from core.methods.pairs import Pairs
from core.methods.tuned import TunedEncoder
from core.tasks.pair import MATCH, NO_MATCH

FACTS = "cross_encoder.json"
NEGATIVES = 4
"""Counter-examples a match where the data has none."""
CLOSEST = 20
"""Half of the counter-examples are drawn from this many texts that look most like the match."""
CELLS_AT_ONCE = 4_000_000
"""Similarities held in memory while counter-examples are looked for."""


class CrossEncoderOptions(NeuralOptions):
    """Options of the cross-encoder."""

    negatives: int | None = Field(
        default=None,
        ge=0,
        le=32,
        description="Counter-examples made for each match: other second texts, half of them similar ones. More of them "
        "teach finer differences and take longer. Automatic: 4 when no row says no match, otherwise 0.",
    )
    rerank: int = Field(
        default=20,
        ge=1,
        le=200,
        description="To search, how many of the best candidates by TF-IDF are read and put into a new order. More find "
        "matches in other words and take longer in proportion.",
    )


class CrossEncoder(TunedEncoder):
    """Tune an encoder that reads both texts at once."""

    name: ClassVar[str] = "cross_encoder"
    title: ClassVar[str] = "Cross-encoder"
    summary: ClassVar[str] = (
        "Reads both texts together and says how well they match: the most exact judge of pairs. Too slow to search "
        "many texts by itself; it re-orders what a quick search found."
    )
    tasks: ClassVar[frozenset[str]] = frozenset({"pair"})
    Options: ClassVar[type[NeuralOptions]] = CrossEncoderOptions

    def fit(
        self, data: TrainingData, options: MethodOptions, base: Path | None, context: RunContext
    ) -> CrossEncoderPredictor:
        """Train on data.train with counter-examples, keep the best epoch on data.dev. Raises TrainingError, Stopped."""
        checked = CrossEncoderOptions.model_validate(options.model_dump())
        context.progress(0, 1, "looking for counter-examples")
        train = with_others(data.train, checked.negatives, checked.seed)
        dev = with_others(data.dev, checked.negatives, checked.seed, beside=[data.train])
        if len(train) > len(data.train):
            # As many of both kinds in the loss, or a probability would only say how many were made.
            checked = checked.model_copy(update={"class_weights": True})
        made = super().fit(replace(data, train=train, dev=dev), checked, base, context)
        return CrossEncoderPredictor(made.model, made.tokenizer, made.head, made.device, checked.rerank)

    def load(
        self, directory: Path, labels: list[str], device: str = "cpu", task: str = "pair"
    ) -> CrossEncoderPredictor:
        """Load a saved model. Raises ModelError."""
        facts = read_json(directory / FACTS)
        if not isinstance(facts, dict):
            raise ModelError(f"{FACTS} of this model is missing.", "Train it again.")
        model, tokenizer = saved_model(directory, head := head_for("pair", labels)), load_tokenizer(directory)
        return CrossEncoderPredictor(model, tokenizer, head, device, int(facts["rerank"]))

    def estimate(
        self, data: TrainingData | None, options: MethodOptions, rows: int, mean_tokens: float, base: Path | None
    ) -> Estimate:
        """Seconds and memory, as if every row were a match that needs its counter-examples."""
        checked = CrossEncoderOptions.model_validate(options.model_dump())
        made = NEGATIVES if checked.negatives is None else checked.negatives
        return super().estimate(data, options, rows * (1 + made), mean_tokens, base)


def with_others(rows: Rows, count: int | None, seed: int, beside: Sequence[Rows] = ()) -> Rows:
    """The rows and ``count`` made rows of no match for each match; None: 4, where no row says no match.

    A made row never holds texts that may be a match (``Pairs.together``), also by a chain through the rows ``beside``.
    """
    pairs = Pairs.of(rows, beside=beside)
    if count is None:
        count = 0 if pairs.refused.any() else NEGATIVES
    if not count or not len(pairs.matches):
        return rows
    random = np.random.default_rng(seed)
    similar = by_words(pairs.firsts, pairs.seconds)
    asked = np.unique(pairs.first[pairs.matches])
    everyone = np.arange(len(pairs.seconds))
    chosen: dict[int, np.ndarray] = {}
    size = max(1, CELLS_AT_ONCE // len(everyone))
    for start in range(0, len(asked), size):
        part = asked[start : start + size]
        close = similar(part)  # (part, seconds)
        open_ = ~pairs.together(part, everyone)
        for place, first in enumerate(part):
            free = np.flatnonzero(open_[place])
            near = free[np.argsort(-close[place, free], kind="stable")[:CLOSEST]]
            half = random.permutation(near)[: (count + 1) // 2]
            rest = random.permutation(np.setdiff1d(free, half))[: count - len(half)]
            chosen[int(first)] = np.concatenate([half, rest])
    made = [(int(first), int(second)) for first in pairs.first[pairs.matches] for second in chosen[int(first)]]
    return Rows(
        [*rows.ids, *([-1] * len(made))],
        [*rows.texts, *(pairs.firsts[first] for first, _ in made)],
        [*rows.values, *([NO_MATCH] * len(made))],
        [*(rows.texts_b or []), *(pairs.seconds[second] for _, second in made)],
    )


def by_words(queries: Sequence[str], candidates: Sequence[str]) -> Callable[[Any], np.ndarray]:
    """From rows of the queries (slice or indices) to their TF-IDF cosines (rows, candidates), no training needed."""
    from core.methods.linear import tfidf_vectorizers

    blocks = []
    for vectorizer in tfidf_vectorizers(1, 4):
        known = vectorizer.fit_transform([*candidates, *queries])
        blocks.append((known[len(candidates) :], known[: len(candidates)]))
    return lambda rows: np.asarray(sum((query[rows] @ other.T).toarray() for query, other in blocks)) / len(blocks)


class CrossEncoderPredictor(EncoderPredictor):
    """A tuned cross-encoder in memory."""

    MOST_QUERIES = 200
    """First texts that are ranked when a split is measured: each costs ``rerank`` passes."""

    def __init__(self, model: Any, tokenizer: Any, head: Any, device: str = "cpu", rerank: int = 20) -> None:
        super().__init__(model, tokenizer, head, device)
        self.rerank = rerank

    def similarities(self, queries: Sequence[str], candidates: Sequence[str]) -> Callable[[slice], np.ndarray]:
        """A function from a slice of the queries to scores (rows, candidates).

        The best ``rerank`` candidates by TF-IDF have 1 + their probability of a match, the others their cosine.
        """
        quick = by_words(queries, candidates)
        top = min(self.rerank, len(candidates))
        match = self.labels.index(MATCH)

        def scores(rows: slice) -> np.ndarray:
            found = quick(rows)
            best = np.argsort(-found, axis=1, kind="stable")[:, :top]  # (rows, top)
            first = [text for text in queries[rows] for _ in range(top)]
            second = [candidates[column] for line in best for column in line]
            read = self.scores(first, second)[:, match].reshape(best.shape)
            np.put_along_axis(found, best, 1.0 + read, axis=1)
            return found

        return scores

    def save(self, directory: Path) -> None:
        """Write weights, config and tokenizer as plain transformers reads them, and how many are re-ordered."""
        super().save(directory)
        write_json(directory / FACTS, {"rerank": self.rerank})
