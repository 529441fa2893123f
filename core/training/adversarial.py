"""Adversarial training: the word vectors of a text are moved a little in the direction that hurts most.

FGM (Miyato et al. 2017, "Adversarial Training Methods for Semi-Supervised Text Classification") adds the loss of the
moved text. FreeLB (Zhu et al. 2020) moves in several small steps and learns from the mean of all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal, Self

import torch

Kind = Literal["none", "fgm", "freelb"]
STEPS = 3
"""Of FreeLB."""


class Adversary:
    """Listens to the word vectors of a model while it trains; a context manager."""

    def __init__(self, model: torch.nn.Module, kind: Kind, size: float) -> None:
        self.model: Any = model
        self.kind = kind
        self.size = size
        self.seen: torch.Tensor | None = None
        """Word vectors of the last pass (rows, tokens, width), with their gradient once there is one."""
        self.move: torch.Tensor | None = None

    def __enter__(self) -> Self:
        self._hook = self.model.get_input_embeddings().register_forward_hook(self._listen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hook.remove()

    def _listen(self, module: torch.nn.Module, inputs: Any, vectors: torch.Tensor) -> torch.Tensor:
        if not self.model.training:
            return vectors
        self.seen = vectors if self.move is None else vectors + self.move
        if not self.seen.requires_grad:  # the word vectors are frozen
            self.seen = self.seen.detach().requires_grad_()
        self.seen.retain_grad()
        return self.seen

    def backward(self, loss: Callable[[], torch.Tensor]) -> float:
        """Gradients of a batch, added to those of the weights; returns the loss of the texts as they are."""
        passes = STEPS if self.kind == "freelb" else 2
        share = 1 / passes if self.kind == "freelb" else 1.0
        first = 0.0
        try:
            for number in range(passes):
                value = loss()
                if not number:
                    first = float(value.detach())
                (value * share).backward()
                self._push(passes - 1 if self.kind == "freelb" else 1)
        finally:
            self.move = self.seen = None
        return first

    def _push(self, steps: int) -> None:
        """Move on along the gradient, no further than ``size`` from where each text stands (L2 over its vectors)."""
        if self.seen is None or self.seen.grad is None:
            return
        gradient = self.seen.grad.detach()
        before = torch.zeros_like(gradient) if self.move is None else self.move
        moved = before + self.size / steps * gradient / _length(gradient)
        self.move = moved * (self.size / _length(moved)).clamp(max=1.0)


def _length(vectors: torch.Tensor) -> torch.Tensor:
    """(rows, 1, 1) L2 norm of each text, never 0."""
    return vectors.flatten(1).norm(dim=1).clamp(min=1e-12).view(-1, *[1] * (vectors.dim() - 1))
