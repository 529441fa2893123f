"""A cross-encoder: both texts go through the encoder together, so that every word of one meets every word of the other.

More exact than a bi-encoder and far slower, as nothing can be worked out ahead (Nogueira & Cho 2019, "Passage
Re-ranking with BERT"; Humeau et al. 2020, "Poly-encoders"). To search, it re-orders the best candidates of a quick
first search, here by TF-IDF.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from core.durable import read_json, write_json
from core.errors import ModelError
from core.methods.base import Estimate, MethodOptions, RunContext, TrainingData, Work
from core.methods.bi_encoder import NEEDS_PAIRS
from core.methods.counter_examples import NEGATIVES
from core.methods.encoders import load_tokenizer, saved_model
from core.methods.heads import head_for
from core.methods.matching import RERANK
from core.methods.neural import EncoderPredictor
from core.methods.neural_options import NeuralOptions
from core.methods.tuned import TunedEncoder

FACTS = "cross_encoder.json"


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
        default=RERANK,
        ge=1,
        le=200,
        description="To search, how many of the best candidates of a quick search are read and put into a new order. "
        "More find matches in other words and take longer in proportion.",
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

    def unsuited(self, task: str, kind: str) -> str | None:
        """It compares two texts."""
        return super().unsuited(task, kind) if task in self.tasks else NEEDS_PAIRS

    def fit(
        self, data: TrainingData, options: MethodOptions, base: Path | None, context: RunContext
    ) -> CrossEncoderPredictor:
        """Train on data.train with counter-examples, keep the best epoch on data.dev. Raises TrainingError, Stopped."""
        checked = CrossEncoderOptions.model_validate(options.model_dump())
        made = super().fit(data, checked, base, context)
        found = CrossEncoderPredictor(made.model, made.tokenizer, made.head, made.device)
        found.rerank = checked.rerank
        return found

    def load(
        self, directory: Path, labels: list[str], device: str = "cpu", task: str = "pair"
    ) -> CrossEncoderPredictor:
        """Load a saved model. Raises ModelError."""
        facts = read_json(directory / FACTS)
        if not isinstance(facts, dict):
            raise ModelError(f"{FACTS} of this model is missing.", "Train it again.")
        model, tokenizer = saved_model(directory, head := head_for("pair", labels)), load_tokenizer(directory)
        found = CrossEncoderPredictor(model, tokenizer, head, device)
        found.rerank = int(facts["rerank"])
        return found

    def estimate(self, work: Work, options: MethodOptions, base: Path | None) -> Estimate:
        """Seconds and memory, as if every row were a match that needs its counter-examples."""
        checked = CrossEncoderOptions.model_validate(options.model_dump())
        made = NEGATIVES if checked.negatives is None else checked.negatives
        return super().estimate(replace(work, rows=work.rows * (1 + made)), options, base)


class CrossEncoderPredictor(EncoderPredictor):
    """A tuned cross-encoder in memory."""

    def save(self, directory: Path) -> None:
        """Write weights, config and tokenizer as plain transformers reads them, and how many are re-ordered."""
        super().save(directory)
        write_json(directory / FACTS, {"rerank": self.rerank})
