"""Processes that share the steps of one training: each works through its part of every batch, and all move alike.

Gradients are added up by hand: what goes into a loss here (two passes, moved word vectors, penalties, parts) does not
fit into one call of a wrapped model, and parts that ran out of memory have to be agreed upon first. Knows nothing of
run folders or of how the processes came to be.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import distributed

PATIENCE = timedelta(hours=24)
"""Longest wait for the others: the first process measures and saves while they do nothing."""


@dataclass(frozen=True)
class Team:
    """This process among those that share a training; alone by default."""

    rank: int = 0
    """0 is the one that measures, saves and reports."""
    size: int = 1
    device: torch.device | str = "cpu"

    @classmethod
    def present(cls, device: torch.device) -> Self:
        """The team that ``join`` made in this process."""
        if not distributed.is_available() or not distributed.is_initialized():
            return cls(device=device)
        return cls(distributed.get_rank(), distributed.get_world_size(), device)

    def part(self, rows: np.ndarray) -> np.ndarray:
        """The rows of a batch that this process works through; may be none."""
        return np.array_split(rows, self.size)[self.rank]

    def same(self, value: float) -> float:
        """What the first process says."""
        if self.size == 1:
            return value
        said = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.broadcast(said, 0)
        return float(said)

    def total(self, *values: float) -> tuple[float, ...]:
        """The sums over all processes."""
        if self.size == 1:
            return values
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(sums)
        return tuple(sums.tolist())

    def begin_alike(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Give everyone the weights of the first process."""
        if self.size > 1:
            for weight in weights.values():
                distributed.broadcast(weight.detach(), 0)

    def add_gradients(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Let every weight have the sum of its gradients over all processes; none where nobody has one."""
        if self.size == 1:
            return
        known = torch.tensor([weight.grad is not None for weight in weights.values()], device=self.device).float()
        distributed.all_reduce(known)
        moved = [weight for weight, number in zip(weights.values(), known.tolist(), strict=True) if number]
        if not moved:
            return
        every = torch.cat([torch.zeros_like(w).flatten() if w.grad is None else w.grad.flatten() for w in moved])
        distributed.all_reduce(every)
        start = 0
        for weight in moved:
            weight.grad = every[start : start + weight.numel()].view_as(weight)
            start += weight.numel()


def join(meeting: Path, rank: int, size: int, device: str) -> None:
    """Become one of ``size`` processes that meet at a file; waits for the others. Raises RuntimeError."""
    backend = "gloo"
    # All are on this machine: nobody else has to be able to reach them.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
        backend = "nccl"
    distributed.init_process_group(backend, f"file://{meeting}", timeout=PATIENCE, rank=rank, world_size=size)


def leave() -> None:
    """Be alone again."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
