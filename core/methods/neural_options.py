"""Options that the methods which tune an encoder share, and what an automatic number of epochs means."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from core.methods.base import MethodOptions, Range

SMALL_DATA_STEPS = 1_000
"""With automatic epochs, small data is repeated until about this many steps are done ..."""
FEWEST_EPOCHS, MOST_EPOCHS = 5, 20
"""... but within these bounds."""
WRITING_DEFAULTS: dict[str, Any] = {"max_length": 512, "batch_size": 8, "dropout": 0.0}
"""Of tasks that write: prompt and response together are long, and language models of today learn without dropout."""
READING_DEFAULTS: dict[str, Any] = {"max_length": 384, "batch_size": 16}
"""Of tasks that read a long text: windows as long as those of BERT's own script for SQuAD."""


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
    tag_scheme: Literal["iob2", "bioes"] = Field(
        default="iob2",
        description="How the words of a span are told apart: its first and the others (IOB2), or also its last and "
        "those that stand alone (BIOES), which knows more about ends and needs more examples.",
    )
    layer_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Learning rate of each layer as a share of the one above it. 0.9 keeps the lower layers closer to "
        "what they knew; 1 treats all alike.",
    )

    @model_validator(mode="after")
    def _answers_twice_differ(self) -> Self:
        if self.r_drop and not (self.dropout or getattr(self, "lora_dropout", 0.0)):
            raise PydanticCustomError("no_dropout", "R-Drop compares two answers under dropout, and dropout is 0.")
        return self


def epochs_for(asked: int | None, steps_per_epoch: int) -> int:
    """Number of epochs: as asked, or enough for about 1,000 steps within 5 to 20 epochs."""
    if asked is not None:
        return asked
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, math.ceil(SMALL_DATA_STEPS / max(1, steps_per_epoch))))
