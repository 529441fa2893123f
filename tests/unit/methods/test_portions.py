"""Scoring when memory runs out: smaller batches, the same figures, and it is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.methods import get_method
from core.methods.base import TrainingData
from core.methods.embeddings import Encoder
from core.methods.portions import Portions
from core.methods.tokens import Encoded
from tests.unit.methods.test_bi_encoder import pair_data

FULL = RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")


def test_every_row_is_read_and_parts_stay_small() -> None:
    read: list[list[int]] = []

    def take(rows: np.ndarray) -> None:
        if len(rows) > 3:
            raise FULL
        read.append(rows.tolist())

    portions = Portions()
    portions.each([np.arange(10), np.arange(10, 14)], take)
    assert read == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9], [10], [11], [12], [13]] and portions.parts == 4


def test_what_is_no_lack_of_memory_or_cannot_be_smaller_is_told() -> None:
    portions = Portions()

    def fail(error: RuntimeError) -> Callable[[np.ndarray], None]:
        def read(_: np.ndarray) -> None:
            raise error

        return read

    with pytest.raises(RuntimeError, match="shapes"):
        portions.each([np.arange(4)], fail(RuntimeError("shapes do not fit")))
    assert portions.parts == 1
    with pytest.raises(RuntimeError, match="can't allocate"):
        portions.each([np.arange(4)], fail(FULL))


@pytest.mark.parametrize("name", ["full", "bi_encoder"])
def test_dev_is_scored_in_smaller_parts_with_the_same_figures(
    name: str, context: Any, tiny: Path, toy_data: Callable[..., TrainingData], monkeypatch: pytest.MonkeyPatch
) -> None:
    method = get_method(name)
    data = toy_data(train=16, dev=24) if name == "full" else pair_data(train=16, dev=24)
    options = method.Options.model_validate({"epochs": 1, "batch_size": 4, "dropout": 0.0})

    def figures() -> list[dict[str, float]]:
        context.notes.clear()
        method.fit(data, options, tiny, context)
        return [note["dev"] for note in context.notes if note["kind"] == "epoch"]

    plain = figures()
    batch, forward = Encoded.batch, Encoder._forward

    def greedy(self: Any, rows: Any) -> Any:
        if len(rows) > 5:
            raise FULL
        return (forward if isinstance(self, Encoder) else batch)(self, rows)

    monkeypatch.setattr(Encoded if name == "full" else Encoder, "batch" if name == "full" else "_forward", greedy)
    for one, other in zip(plain, figures(), strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    told = [note["message"] for note in context.notes if "Memory ran out" in note.get("message", "")]
    assert told and told[-1].startswith("Memory ran out while dev was scored: its batches are read in")
