"""Dropout with masks from numpy: on a CPU torch draws them five times slower, a tenth of a training step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

STEPS = 65_536
"""Masks are drawn in 16 bits, so a share is rounded to 1/65,536."""


class Masks:
    """The source of every mask of a model. Seeded anew for each step, so a resumed run needs no state of it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.start(0)

    def start(self, step: int, rank: int = 0) -> None:
        """Draw the masks of this step from here on; processes that share a step draw different ones."""
        place = [self.seed, step, rank] if rank else [self.seed, step]
        self._random = np.random.Generator(np.random.SFC64(place))

    def twice(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """Around a computation and around its repetition, which draws the same masks again."""
        before = self._random.bit_generator.state
        return nullcontext(), self._again(before)

    @contextmanager
    def _again(self, before: Any) -> Iterator[None]:
        after = self._random.bit_generator.state
        self._random.bit_generator.state = before
        try:
            yield
        finally:
            self._random.bit_generator.state = after

    def draw(self, like: torch.Tensor, share: float) -> torch.Tensor:
        """A tensor shaped like ``like`` (any), on the CPU: 0 for ``share`` of its numbers, else 1 / (1 - share)."""
        numbers = np.frombuffer(self._random.bytes(2 * like.numel()), dtype=np.uint16)
        kept = torch.from_numpy(numbers >= round(share * STEPS)).view(like.shape)
        return kept.to(like.dtype).mul_(1.0 / (1.0 - share))


class Dropout(torch.nn.Module):
    """Does what ``torch.nn.Dropout`` does (Srivastava et al. 2014)."""

    def __init__(self, share: float, masks: Masks) -> None:
        super().__init__()
        self.p = share
        self.masks = masks

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Values of the same shape; unchanged in evaluation mode."""
        if not self.training or not self.p:
            return values
        return values * self.masks.draw(values, self.p)


@contextmanager
def quick_dropout(model: torch.nn.Module, masks: Masks) -> Iterator[None]:
    """Put quick dropout in place of torch's while the model trains."""
    found = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if type(child) is torch.nn.Dropout
    ]
    for parent, name, child in found:
        parent.add_module(name, Dropout(child.p, masks).train(child.training))
    try:
        yield
    finally:
        for parent, name, child in found:
            parent.add_module(name, child)
