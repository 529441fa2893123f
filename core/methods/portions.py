"""How many rows a model reads at a time to score them: fewer once memory has run out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.methods.base import RunContext

Metrics = dict[str, float]


class Portions:
    """Batches, read in parts that become smaller when memory runs out, and stay so."""

    def __init__(self) -> None:
        self.parts = 1
        """Parts in which a batch is read."""

    def each(self, batches: Iterable[np.ndarray], read: Callable[[np.ndarray], None]) -> None:
        """Call ``read`` with row numbers until those of all batches were read; some may be given to it again.

        Raises what it raises, and its RuntimeError when memory does not hold a single row.
        """
        from core.training.memory import is_out_of_memory

        for batch in batches:
            begin = 0
            while begin < len(batch):
                size = math.ceil(len(batch) / self.parts)
                try:
                    read(batch[begin : begin + size])
                except RuntimeError as error:
                    if size == 1 or not is_out_of_memory(error):
                        raise
                    self._halve()
                else:
                    begin += size

    def _halve(self) -> None:
        import torch

        self.parts *= 2
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()


def telling(evaluate: Callable[[], Metrics], portions: Portions, context: RunContext) -> Callable[[], Metrics]:
    """``evaluate`` that says in a note when memory ran out."""

    def told() -> Metrics:
        before = portions.parts
        found = evaluate()
        if portions.parts > before:
            parts = portions.parts
            context.report(
                "note",
                message=f"Memory ran out while dev was scored: its batches are read in {parts} parts from here on",
            )
        return found

    return told
