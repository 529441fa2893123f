"""What the methods that train weights of an encoder with a new head share; each says which weights those are."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from core.methods.base import Estimate, MethodOptions, RunContext, TrainingData, Work
from core.methods.encoders import load_tokenizer, saved_model
from core.methods.estimates import estimate_neural, writing_seconds
from core.methods.heads import Head, head_for
from core.methods.matching import RERANK
from core.methods.neural import EncoderPredictor, fine_tune, length_limit, load_encoder
from core.methods.neural_options import READING_DEFAULTS, WRITING_DEFAULTS, NeuralOptions, epochs_for

if TYPE_CHECKING:
    from core.training.loop import Companion

FROZEN_WORDS = frozenset({"train_word_embeddings"})
"""Options that do nothing where the word embeddings stay as they are in any case."""
WRITING_SECONDS = 600.0
"""Longest time for the answers to one split; rows that are not reached are left out of the figures, and it is said."""
BEFORE_ROWS, BEFORE_SECONDS = 50, 120.0
"""Rows of a split that the base answers before tuning, to read side by side, and the longest time for them."""


class TunedEncoder:
    """Base of the methods; a new one overrides ``prepare`` and, where it costs less than everything, ``shares``."""

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    tasks: ClassVar[frozenset[str]] = frozenset(
        {"classification", "multilabel", "relation", "tagging", "pair", "question_answering", "generation"}
    )
    needs_base: ClassVar[bool] = True
    resumable: ClassVar[bool] = True
    Options: ClassVar[type[NeuralOptions]] = NeuralOptions
    task_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "question_answering": READING_DEFAULTS,
        "generation": WRITING_DEFAULTS,
    }
    """Defaults of the options that are others for a task, by its name."""
    fixed: ClassVar[frozenset[str]] = frozenset()
    """Options that do nothing where most of the weights stay as they are."""

    def idle(self, task: str) -> frozenset[str]:
        """Options that would do nothing for a task: those of the method, and those that its head does not hear."""
        return self.fixed | head_for(task, []).unheard

    def unsuited(self, task: str, kind: str) -> str | None:
        """Why it cannot do a task, or tune a base model of the type ``kind`` (empty: not known); None where it can.

        A reason why it cannot do a task is shown to people who look for the method; without one it is not offered.
        """
        return None

    def prepare(self, model: Any, options: Any, steps: int, head: Head) -> Any:
        """From the fresh model to the model whose trainable weights learn in ``steps`` steps at most."""
        return model

    def companion(self, model: Any) -> Companion | None:
        """What takes part in every step beside the optimiser."""
        return None

    def reserved(self, options: Any) -> int:
        """Positions of the encoder that the method needs for itself."""
        return 0

    def shares(self, options: Any) -> tuple[float, float]:
        """(share of the layers that gradients pass through, share of the weights that learn), for the estimate."""
        return 1.0, 1.0

    def finish(self, predictor: EncoderPredictor, base: Path) -> EncoderPredictor:
        """The predictor to hand out, from the one that was trained."""
        return predictor

    def fit(
        self, data: TrainingData, options: MethodOptions, base: Path | None, context: RunContext
    ) -> EncoderPredictor:
        """Train on data.train, keep the best epoch on data.dev. Raises TrainingError, Stopped."""
        head = head_for(data.task.name, list(data.labels))
        data, checked = head.extended(data, self._checked(options), context)
        each = math.ceil(len(data.train) / checked.batch_size)
        steps = each * epochs_for(checked.epochs, each)
        predictor = fine_tune(
            data,
            checked,
            base,
            context,
            lambda model, head: self.prepare(model, checked, steps, head),
            self.companion,
            self.reserved(checked),
        )
        return self.finish(predictor, Path(base or ""))

    def untuned(self, data: TrainingData, options: MethodOptions, base: Path, device: str) -> EncoderPredictor:
        """The base as it came, asked as the tuned one is: what tuning has to better where the base can do the task."""
        head = head_for(data.task.name, list(data.labels))
        model, tokenizer = saved_model(base, head), load_tokenizer(base)
        tokenizer.model_max_length = length_limit(model, self._checked(options), self.reserved(self._checked(options)))
        head.settle(model, tokenizer, head.read_rows(model, tokenizer, data.train, tokenizer.model_max_length))
        return EncoderPredictor(model, tokenizer, head, device)

    def load(
        self, directory: Path, labels: list[str], device: str = "cpu", task: str = "classification"
    ) -> EncoderPredictor:
        """Load a saved model. Raises ModelError."""
        return load_encoder(directory, head_for(task, labels), device)

    def estimate(self, work: Work, options: MethodOptions, base: Path | None) -> Estimate:
        """Seconds and memory of this work."""
        checked = self._checked(options)
        read = head_for(work.task, []).tokens_read(work, checked.max_length)
        windows = len(read) / max(1, len(work.lengths))
        dev, test = work.dev * windows, work.test * windows
        beside = 2 * dev + test
        if work.ranked:
            queries = min(dev, EncoderPredictor.MOST_QUERIES) + min(test, EncoderPredictor.MOST_QUERIES)
            beside += getattr(checked, "rerank", RERANK) * queries
        if work.written:
            beside += 2 * (dev + test)  # how probable the given responses are, after tuning and before
        rows, reserved = work.rows * windows, self.reserved(checked)
        cost = estimate_neural(work, checked, base, read + reserved, rows, dev, beside, *self.shares(checked))
        if not work.written:
            return cost
        wrote = [(count, WRITING_SECONDS) for count in (work.dev, work.test)]
        wrote += [(min(count, BEFORE_ROWS), BEFORE_SECONDS) for count in (work.dev, work.test)]
        seconds = writing_seconds(work, base, tuple(wrote))
        return replace(cost, seconds=cost.seconds + seconds, scoring=cost.scoring + seconds)

    def _checked(self, options: MethodOptions) -> NeuralOptions:
        return self.Options.model_validate(options.model_dump())
