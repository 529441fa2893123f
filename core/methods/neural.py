"""The way from rows to a tuned encoder, and its predictor; what the methods that tune an encoder share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import TrainingError
from core.methods.base import Answers, Rows, RunContext, TrainingData
from core.methods.encoders import freeze_word_embeddings, load_tokenizer, new_model, saved_model
from core.methods.heads import Head, Reading, head_for
from core.methods.heads.base import PickedTargets, Weighting
from core.methods.matching import RERANK
from core.methods.neural_options import LoopOptions, NeuralOptions
from core.methods.portions import telling
from core.methods.tokens import Picked, balanced_rows

if TYPE_CHECKING:
    from core.training.loop import Companion


class EncoderPredictor:
    """A tuned encoder in memory."""

    MOST_QUERIES = 200
    """First texts of pairs that are ranked when a split is measured: each costs ``rerank`` passes."""

    def __init__(self, model: Any, tokenizer: Any, head: Head, device: str = "cpu") -> None:
        self.model = model.to(device).eval()
        self.tokenizer = tokenizer
        self.head = head
        self.labels = head.labels
        self.device = device
        self.adapter: Any = None
        """What LoRA saves beside the merged weights."""
        self.rerank = RERANK

    def scores(self, texts: Sequence[str], texts_b: Sequence[str] | None = None) -> np.ndarray:
        """Probabilities, (len(texts), len(labels)) float32. Raises RefusedError for a task without a score a label."""
        return self.answers(texts, texts_b).scores

    def answers(self, texts: Sequence[str], texts_b: Sequence[str] | None = None, **how: Any) -> Answers:
        """What it says about each text, or pair of texts; ``how`` as ``Head.say`` takes it."""
        return self.head.say(self.model, self.tokenizer, texts, texts_b, self.device, **how)

    def similarities(self, queries: Sequence[str], candidates: Sequence[str]) -> Callable[[slice], np.ndarray]:
        """A function from a slice of the queries to scores (rows, candidates); ``rerank`` candidates are read for each.

        Raises RefusedError for a task that has no pairs of texts.
        """
        return self.head.ranking(self.scores, queries, candidates, self.rerank)

    def examine(self, rows: Rows) -> dict[str, np.ndarray]:
        """Further numbers of each row beside its answer, (n,) by name; none for most tasks."""
        return self.head.examine(self.model, self.tokenizer, rows, self.device)

    def save(self, directory: Path) -> None:
        """Write weights (safetensors), config and tokenizer as plain transformers reads them."""
        self.model.save_pretrained(directory)
        self.tokenizer.save_pretrained(directory)
        self.head.remember(directory)
        if self.adapter is not None:
            self.adapter.save_pretrained(directory / "adapter")


def load_encoder(directory: Path, head: Head, device: str = "cpu") -> EncoderPredictor:
    """Load what ``EncoderPredictor.save`` wrote."""
    head = head.recall(directory)
    return EncoderPredictor(saved_model(directory, head), load_tokenizer(directory), head, device)


def fine_tune(
    data: TrainingData,
    options: NeuralOptions,
    base: Path | None,
    context: RunContext,
    prepare: Callable[[Any, Head], Any],
    companion: Callable[[Any], Companion | None] = lambda model: None,
    reserved: int = 0,
) -> EncoderPredictor:
    """Tune the base model on data.train, choosing the epoch on data.dev.

    ``prepare`` receives the fresh model with its head and returns the model whose trainable weights the loop changes;
    ``companion`` makes what takes part in each step; ``reserved`` positions are not for the text.
    """
    import torch

    from core.training.loop import Loop

    if base is None:
        raise TrainingError("This method needs a base model.", "Choose a base model.")
    context.progress(0, 1, "reading texts")
    torch.manual_seed(options.seed)
    head = head_for(data.task.name, list(data.labels))
    head.heed(options)
    tokenizer = load_tokenizer(base)
    model = new_model(base, head, options.dropout)
    limit = length_limit(model, options, reserved)
    tokenizer.model_max_length = limit
    train = head.read_rows(model, tokenizer, data.train, limit)
    report_data(context, train, limit)
    head.settle(model, tokenizer, train)
    if not options.train_word_embeddings:
        freeze_word_embeddings(model)
    model = prepare(model, head)
    targets = head.targets(data.train, train)
    weighting = Weighting(options.class_weights, options.label_smoothing, options.focal)
    rows = _shown_rows(data, options, train)
    loop = Loop(
        model=model,
        data=train.encoded if rows is None else Picked(train.encoded, rows),
        targets=targets if rows is None else PickedTargets(targets, rows),
        loss=head.loss(targets, weighting, context.device),
        evaluate=_dev_metrics(model, tokenizer, head, data, context) if len(data.dev) else None,
        options=options,
        context=context,
        head_names=head.fresh,
        companion=companion(model),
        logits=head.logits,
        divergence=head.divergence,
    )
    loop.run()
    return EncoderPredictor(model, tokenizer, head, context.device)


def _shown_rows(data: TrainingData, options: NeuralOptions, reading: Reading) -> np.ndarray | None:
    """Rows of the reading for one epoch where those of rare classes are repeated; None where each is shown once.

    A long text is repeated with all of its windows.
    """
    if not options.oversampling:
        return None
    wanted = balanced_rows(data.task.strata(data.train.values), options.seed)
    counts = np.bincount(reading.rows_read, minlength=len(data.train))
    windows = np.split(np.argsort(reading.rows_read, kind="stable"), np.cumsum(counts)[:-1])
    return np.concatenate([windows[row] for row in wanted])


def _dev_metrics(
    model: Any, tokenizer: Any, head: Head, data: TrainingData, context: RunContext
) -> Callable[[], dict[str, float]]:
    reading = head.read_rows(model, tokenizer, data.dev, tokenizer.model_max_length)
    targets = head.targets(data.dev, reading)
    return telling(lambda: head.measure(model, reading, data.dev, targets, context.device), head.portions, context)


def length_limit(model: Any, options: LoopOptions, reserved: int = 0) -> int:
    """Most tokens of a row: as the options say, and as many as the model has positions for beside the ``reserved``."""
    positions = getattr(model.config, "max_position_embeddings", options.max_length + reserved)
    return max(8, min(options.max_length, positions - reserved))


def report_data(context: RunContext, reading: Reading, limit: int) -> None:
    """Say how long the texts are and how many were cut."""
    lengths, cut = reading.encoded.lengths, reading.truncated
    context.report(
        "data",
        rows=len(lengths),
        mean_tokens=round(float(lengths.mean()), 1) if len(lengths) else 0.0,
        truncated=round(cut / max(1, len(lengths)), 4),
    )
    if cut:
        share = f"{cut / len(lengths):.1%}"
        context.report("note", message=f"{share} of the texts are longer than {limit} tokens and were cut")
