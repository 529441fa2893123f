"""What the methods that tune an encoder share: options, the way from rows to a tuned model, and its predictor."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.errors import TrainingError
from core.methods.base import Answers, Estimate, MethodOptions, Range, Rows, RunContext, TrainingData
from core.methods.encoders import (
    encoder_weights,
    freeze_word_embeddings,
    load_tokenizer,
    new_model,
    saved_model,
)
from core.methods.features import matrix_speed
from core.methods.heads import Head, Reading, head_for
from core.methods.heads.base import PickedTargets, Weighting
from core.methods.tokens import Picked, balanced_rows
from core.settings import Settings

if TYPE_CHECKING:
    from core.training.loop import Companion

SMALL_DATA_STEPS = 1_000
"""With automatic epochs, small data is repeated until about this many steps are done ..."""
FEWEST_EPOCHS, MOST_EPOCHS = 5, 20
"""... but within these bounds."""
START_SECONDS = 9.0
"""Loading libraries and model, saving, some single answers; like all that follows where no earlier run says better."""
TRAINING_SHARE = 0.55
"""Of the speed of large matrix products in 32 bits; measured with MiniLM."""
HALF_GAIN = 2.2
"""Of 16 bits on a processor with units for them; measured with MiniLM, where attention and more stay at 32."""
SCORING_SHARE = 0.43
"""Of the same speed, when texts are only read."""
PADDING = 1.08
"""Tokens that are worked through for one of a text."""
STEP_SECONDS = 0.05
"""Of a step, however few tokens it has: some thousand small operations."""
SECONDS_PER_WEIGHT = 4e-9
"""Clipping and the optimiser's step: some passes over 16 bytes a weight."""
LIBRARY_BYTES = 1_200_000_000
"""torch, transformers and the work space of scoring; Banking77 with MiniLM peaks at 1.6 GiB in all."""
ACTIVATION_BYTES = 5e-3
"""Bytes kept for the way back, a token and weight of the encoder."""
RERANK = 20
"""To search, how many of the best candidates by TF-IDF are read and put into a new order."""
WRITING_DEFAULTS: dict[str, Any] = {"max_length": 512, "batch_size": 8, "epochs": 3, "dropout": 0.0}
"""Of tasks that write: prompt and response together are long, and language models of today learn without dropout."""
READING_DEFAULTS: dict[str, Any] = {"max_length": 384, "batch_size": 16}
"""Of tasks that read a long text: windows as long as those of BERT's own script for SQuAD."""
RECOMPUTED_SHARE = 0.15
"""Of these bytes where layers are worked out twice; measured with MiniLM."""
_fastest: list[float] = []
"""Matrix speeds measured by this process, best last."""


class LoopOptions(MethodOptions):
    """Options of the training loop. The defaults suit data of 100 to 100,000 rows."""

    SEARCHED: ClassVar[dict[str, Range]] = {
        "learning_rate": Range(0.1, 5, log=True, of_default=True),
        "batch_size": Range(choices=(16, 32, 64)),
        "weight_decay": Range(0.0, 0.1),
        "warmup": Range(0.0, 0.3),
        "dropout": Range(0.0, 0.3),
    }

    epochs: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="How often the training data is gone through. Automatic: 5 times, up to 20 for small data. More "
        "fits the data better until the dev score falls; then the best epoch is kept.",
    )
    learning_rate: float = Field(
        default=2e-4,
        gt=0,
        le=1,
        description="How far each step moves the weights. Higher learns faster and can break; large models (over 100 "
        "million weights) want 2e-5 to 5e-5, SGD about 100 times more than AdamW.",
    )
    batch_size: int = Field(
        default=32, ge=1, le=512, description="Texts in one step. Higher is smoother and faster but takes more memory."
    )
    accumulation: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Parts in which the texts of a step are worked through. More parts take less memory and more time; "
        "what is learned stays the same. Raised by itself when memory runs out.",
    )
    gradient_checkpointing: bool = Field(
        default=False,
        description="Forget what each layer worked out and work it out again on the way back: long texts and large "
        "models take much less memory, and a step takes about a third longer. What is learned stays the same.",
    )
    max_length: int = Field(
        default=128,
        ge=8,
        le=8192,
        description="Longest text in tokens; what is beyond is cut off. Longer takes more time and memory.",
    )
    optimizer: Literal["adamw", "adafactor", "sgd"] = Field(
        default="adamw",
        description="AdamW works without tuning; Adafactor takes less memory for large models; SGD takes little memory "
        "and much care.",
    )
    weight_decay: float = Field(
        default=0.01, ge=0, le=1, description="Pulls weights towards zero. Higher guards against learning by heart."
    )
    warmup: float = Field(
        default=0.1, ge=0, le=1, description="Share of the steps in which the learning rate rises to its full height."
    )
    schedule: Literal["linear", "cosine", "constant"] = Field(
        default="linear", description="How the learning rate falls after the warm-up."
    )
    dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Share of signals dropped at random; higher guards small data."
    )
    patience: int = Field(
        default=3,
        ge=0,
        le=100,
        description="Stop after this many epochs without a better dev score; 0 never stops early. The best epoch is "
        "kept either way.",
    )
    gradient_clip: float = Field(
        default=1.0, ge=0, le=100, description="Limits the size of one step; 0 switches the limit off."
    )
    train_word_embeddings: bool = Field(
        default=False,
        description="Also change the word vectors. Slower and rarely better, unless the texts have their own words.",
    )
    half_precision: bool = Field(
        default=True,
        description="Compute in 16 bits (bfloat16) where this machine was measured to be faster that way; the weights "
        "stay at 32. Off: the same figures on every machine, up to twice as slow.",
    )
    checkpoint_seconds: float = Field(
        default=20.0,
        ge=0,
        le=86_400,
        description="Seconds of work between two saved states, which is what a killed run loses at most. Large models "
        "take longer to save: they wait ten times as long as that took.",
    )


class NeuralOptions(LoopOptions):
    """Options of every method that trains an encoder with a new head."""

    SEARCHED: ClassVar[dict[str, Range]] = {
        **LoopOptions.SEARCHED,
        "head_factor": Range(1, 20, log=True),
        "label_smoothing": Range(0.0, 0.2),
    }

    processes: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Processes that share the texts of each step. Automatic: one for each GPU where the machine has "
        "several, otherwise one, which uses all cores of a processor. What is learned stays the same.",
    )
    head_factor: float = Field(
        default=5.0,
        gt=0,
        le=100,
        description="How many times faster the new head learns than the pre-trained weights below it.",
    )
    class_weights: bool = Field(
        default=False, description="Count rare classes more. Lifts their recall, may cost overall accuracy."
    )
    oversampling: bool = Field(
        default=False,
        description="Show the texts of rare classes more often, up to as often as those of the largest (20 times at "
        "most). Another way to lift their recall; epochs take longer.",
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of each answer that is left open while learning. A little (0.1) makes models less sure of "
        "themselves and forgives wrong labels.",
    )
    focal: float = Field(
        default=0.0,
        ge=0,
        le=5,
        description="Look harder at texts that are still wrong; 2 is usual, 0 treats all alike. For rare classes.",
    )
    r_drop: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="Ask twice with other dropout and learn to answer the same (R-Drop); 1 is usual, 0 is off. Often a "
        "point better on little data, and twice as slow.",
    )
    adversarial: Literal["none", "fgm", "freelb"] = Field(
        default="none",
        description="Learn from texts whose word vectors are moved a little for the worse. FGM takes twice the time, "
        "FreeLB three times; both make models steadier.",
    )
    adversarial_size: float = Field(
        default=0.5, gt=0, le=10, description="How far the word vectors of a text are moved, where they are."
    )
    layer_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Learning rate of each layer as a share of the one above it. 0.9 keeps the lower layers closer to "
        "what they knew; 1 treats all alike.",
    )


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
        if self.adapter is not None:
            self.adapter.save_pretrained(directory / "adapter")


def load_encoder(directory: Path, head: Head, device: str = "cpu") -> EncoderPredictor:
    """Load what ``EncoderPredictor.save`` wrote."""
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
    rows = _shown_rows(data, options, len(train.encoded))
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


def _shown_rows(data: TrainingData, options: NeuralOptions, count: int) -> np.ndarray | None:
    """Rows of one epoch where those of rare classes are repeated; None where each is shown once."""
    if not options.oversampling or count != len(data.train):  # windows of long texts are no rows
        return None
    return balanced_rows(data.task.strata(data.train.values), options.seed)


def _dev_metrics(
    model: Any, tokenizer: Any, head: Head, data: TrainingData, context: RunContext
) -> Callable[[], dict[str, float]]:
    reading = head.read_rows(model, tokenizer, data.dev, tokenizer.model_max_length)
    targets = head.targets(data.dev, reading)
    return lambda: head.measure(model, reading, data.dev, targets, context.device)


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


def epochs_for(asked: int | None, steps_per_epoch: int) -> int:
    """Number of epochs: as asked, or enough for about 1,000 steps within 5 to 20 epochs."""
    if asked is not None:
        return asked
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, math.ceil(SMALL_DATA_STEPS / max(1, steps_per_epoch))))


def passes_of(options: LoopOptions, trained_layers: float = 1.0, weights: float = 1.0) -> float:
    """How many forward passes a step costs.

    ``trained_layers`` is the share of the layers that gradients pass through, ``weights`` the share of the weights
    that learn. Backwards takes one pass for the signals and one for the weights (Kaplan et al. 2020, section 2.1).
    """
    back = trained_layers * (1.0 + weights) + (trained_layers if options.gradient_checkpointing else 0.0)
    repeated = {"fgm": 2.0, "freelb": 3.0}.get(getattr(options, "adversarial", ""), 1.0)
    return (1.0 + back) * repeated * (2.0 if getattr(options, "r_drop", 0.0) else 1.0)


def estimate_neural(
    options: LoopOptions,
    rows: int,
    mean_tokens: float,
    base: Path | None,
    trained_layers: float = 1.0,
    weights: float = 1.0,
    method: str = "",
) -> Estimate:
    """Seconds and memory, from what earlier runs of this machine reached, else from its matrix speed."""
    from core.training import hardware, pace

    steps = max(1, math.ceil(rows / options.batch_size))
    epochs = epochs_for(options.epochs, steps)
    tokens = min(mean_tokens, options.max_length)
    every, working = encoder_weights(base)
    learned = working * trained_layers * weights
    one_pass = 2.0 * tokens * working
    settings = Settings()
    cache, device = settings.home / "cache", hardware.choose_device(settings.device)
    half = options.half_precision and bool(hardware.pays_off(hardware.measured(cache), device, "bfloat16"))
    reached = pace.expected(cache, method, device, half, working)
    epoch = rows * one_pass * passes_of(options, trained_layers, weights)
    start = START_SECONDS
    if reached is not None:
        start, epoch = reached.start, epoch / reached.training
    else:
        epoch *= PADDING / (_matrix_speed(device, cache) * TRAINING_SHARE * (HALF_GAIN if half else 1.0))
        epoch += steps * (STEP_SECONDS + learned * SECONDS_PER_WEIGHT)
    each = one_pass / ((reached and reached.scoring) or SCORING_SHARE * _matrix_speed(device, cache))
    width = math.ceil(options.batch_size / options.accumulation) * min(options.max_length, 3 * tokens)
    kept = ACTIVATION_BYTES * (RECOMPUTED_SHARE if options.gradient_checkpointing else 1.0)
    notes = ["Early stopping may end it sooner."] if 0 < options.patience < epochs else []
    return Estimate(
        start + epochs * epoch,
        int(LIBRARY_BYTES + every * 4 + learned * 12 + width * working * kept),
        notes,
        seconds_a_dev_row=(epochs + 2) * each,  # before the first step, after each epoch, and at the end
        seconds_a_test_row=each,
    )


def _matrix_speed(device: str, cache: Path) -> float:
    """Operations a second of large matrix products in 32 bits; a GPU's best where it was measured."""
    from core.training import hardware

    speeds = hardware.measured(cache)
    if device != "cpu" and device in speeds:
        return 0.3e9 / TRAINING_SHARE * max(speeds[device].values())
    known = 1e9 * speeds.get(device, {}).get("float32", 0.0)
    # Other work on the machine only ever makes it look slower.
    _fastest.append(max([matrix_speed(), known, *_fastest[-1:]]))
    return _fastest[-1]
