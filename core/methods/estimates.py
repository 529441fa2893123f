"""What tuning an encoder will cost, by what can be counted: operations, steps, weights.

The figures named here were measured with MiniLM on two cores. What runs of a machine really took corrects them
(``core.training.pace``).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from core.methods.base import Estimate, Work
from core.methods.encoders import encoder_weights
from core.methods.neural_options import LoopOptions, epochs_for

START_SECONDS = 5.0
"""Loading libraries and model, saving, some single answers."""
MEMBER_SECONDS = 6.0
"""What each further process adds to that."""
TRAINING_SHARE = 0.55
"""Of the speed of large matrix products in 32 bits."""
HALF_GAIN = 2.2
"""Of 16 bits on a processor with units for them, where attention and more stay at 32."""
SCORING_SHARE = 0.43
"""Of the same speed, when texts are only read."""
PADDING = 1.08
"""Tokens that are worked through for one of a text."""
STEP_SECONDS = 0.05
"""Of a step, however few tokens it has: some thousand small operations."""
SECONDS_PER_WEIGHT = 4e-9
"""Clipping and the optimiser's step: some passes over 16 bytes a weight."""
LIBRARY_BYTES = 600_000_000
"""torch, transformers and what a worker needs beside; MiniLM on a handful of short texts peaks at 0.73 GiB in all."""
ACTIVATION_BYTES = 2.4e-2
"""Bytes kept for the way back, a token and weight of the encoder; Banking77 with MiniLM peaks at 1.6 GiB in all."""
LEARNED_BYTES = 16
"""Of a weight that learns: its gradient, two of the optimiser's, its best value so far."""
RECOMPUTED_SHARE = 0.25
"""Of these bytes where layers are worked out twice."""
WRITTEN_TOGETHER = 16
"""Responses that are written at a time."""
BYTES_A_SECOND = 8e9
"""Weights that are read from memory; each written token reads them all."""


def passes_of(options: LoopOptions, trained_layers: float = 1.0, weights: float = 1.0) -> float:
    """How many forward passes a step costs.

    ``trained_layers`` is the share of the layers that gradients pass through, ``weights`` the share of the weights
    that learn. Backwards takes one pass for the signals and one for the weights (Kaplan et al. 2020, section 2.1).
    """
    back = trained_layers * (1.0 + weights) + (trained_layers if options.gradient_checkpointing else 0.0)
    repeated = {"fgm": 2.0, "freelb": 3.0}.get(getattr(options, "adversarial", ""), 1.0)
    return (1.0 + back) * repeated * (2.0 if getattr(options, "r_drop", 0.0) else 1.0)


def estimate_neural(
    work: Work,
    options: LoopOptions,
    base: Path | None,
    read: np.ndarray,
    rows: float,
    each_epoch: float,
    beside: float,
    trained_layers: float = 1.0,
    weights: float = 1.0,
) -> Estimate:
    """Seconds and memory of a training.

    ``read`` (n,) are the tokens of some rows as the model reads them, ``rows`` how many rows an epoch has; so many
    rows are read to measure after ``each_epoch``, and ``beside`` in all before the first epoch and after the last.
    ``trained_layers`` and ``weights`` are as ``passes_of`` takes them.
    """
    steps = max(1, math.ceil(rows / options.batch_size))
    epochs = epochs_for(options.epochs, steps)
    every, working = encoder_weights(base)
    learned = working * trained_layers * weights
    one_pass = 2.0 * float(np.mean(read) if len(read) else 0.0) * working
    gain = HALF_GAIN if work.half and options.half_precision and work.devices[0] == "cpu" else 1.0
    epoch = rows * one_pass * passes_of(options, trained_layers, weights) * PADDING
    epoch = epoch / (work.speed * TRAINING_SHARE * gain) + steps * (STEP_SECONDS + learned * SECONDS_PER_WEIGHT)
    each = one_pass / (SCORING_SHARE * work.speed)
    training, scoring = epochs * (epoch + each_epoch * each), beside * each
    members = len(work.devices)
    kept = ACTIVATION_BYTES * (RECOMPUTED_SHARE if options.gradient_checkpointing else 1.0)
    width = options.batch_size / options.accumulation * float(np.max(read) if len(read) else 0.0)
    return Estimate(
        START_SECONDS + MEMBER_SECONDS * (members - 1) + training + scoring,
        int(members * (LIBRARY_BYTES + every * 4 + learned * LEARNED_BYTES) + width * working * kept),
        ["Early stopping may end it sooner."] if 0 < options.patience < epochs else [],
        training=training,
        scoring=scoring,
    )


def writing_seconds(work: Work, base: Path | None, limits: tuple[tuple[int, float], ...]) -> float:
    """Seconds to write responses to prompts; ``limits`` holds (responses, the longest time for them)."""
    every, working = encoder_weights(base)
    token = every * 4 / BYTES_A_SECOND + WRITTEN_TOGETHER * 2.0 * working / (SCORING_SHARE * work.speed)
    rounds = [(math.ceil(count / WRITTEN_TOGETHER) * work.written * token, longest) for count, longest in limits]
    return sum(min(seconds, longest) for seconds, longest in rounds)
