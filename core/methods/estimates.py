"""What tuning an encoder will cost."""

from __future__ import annotations

import math
from pathlib import Path

from core.methods.base import Estimate
from core.methods.encoders import encoder_weights
from core.methods.features import matrix_speed
from core.methods.neural_options import LoopOptions, epochs_for
from core.settings import Settings

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
RECOMPUTED_SHARE = 0.15
"""Of these bytes where layers are worked out twice; measured with MiniLM."""
_fastest: list[float] = []
"""Matrix speeds measured by this process, best last."""


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
