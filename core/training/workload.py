"""How much a run has to do, and how quick this machine is: what estimates are made of."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.methods.base import Rows, Work
from core.tasks.base import Task
from core.tasks.pair import Pair, is_graded
from core.training import hardware

SAMPLE = 2000
"""Training texts that are tokenised to estimate the length of all of them."""
CHARACTERS_PER_TOKEN = 4.0
"""English prose in a WordPiece vocabulary; used where no tokenizer is at hand."""
GPU_SHARE = 0.55
"""Of a GPU's best measured speed, what estimates take for its speed in 32-bit floats."""
_fastest = 0.0
"""The best matrix speed that this process measured."""


def workload(
    rows: Rows, task: Task, base: Path | None, *, dev: int = 0, test: int = 0, unlabelled: int = 0, labels: int = 10
) -> Work:
    """What training on these rows has to do, as told by a sample of them; nothing of a machine yet."""
    places = list(range(0, len(rows), max(1, len(rows) * (2 if task.paired else 1) // SAMPLE)))[:SAMPLE]
    columns = [[rows.texts[place] for place in places]]
    written = 0.0
    if rows.texts_b is not None:
        columns.append([rows.texts_b[place] for place in places])
    if not task.needs_labels:  # what is written is read as well
        responses = [str(rows.values[place] or "") for place in places]
        written = float(token_counts(responses, base).max()) if responses else 0.0
        columns = [[f"{text}\n{value}" for text, value in zip(columns[0], responses, strict=True)]]
    return Work(
        rows=len(rows),
        lengths=np.stack([token_counts(texts, base) for texts in columns], axis=1),
        dev=dev,
        test=test,
        unlabelled=unlabelled,
        labels=labels,
        task=task.name,
        ranked=task.name == Pair.name and not is_graded(rows.values),
        written=written,
        texts=[text for texts in columns for text in texts],
    )


def on_devices(work: Work, devices: tuple[str, ...], cache: Path, speed: float) -> Work:
    """The same work on these devices, which reach ``speed`` together; ``cache`` has what earlier runs left."""
    half = hardware.pays_off(hardware.measured(cache), devices[0], "bfloat16")
    if half is None:  # the first run will measure it
        half = devices[0] == "cpu" and hardware.has_half_units()
    return replace(work, devices=devices, cache=cache, speed=speed, half=half)


def token_counts(texts: Sequence[str], base: Path | None) -> np.ndarray:
    """(n,) tokens of each text by the tokenizer of ``base``; by its number of characters without one."""
    file = base / "tokenizer.json" if base else None
    if file is None or not file.is_file():
        wide = [sum(ord(character) > 0x2E7F for character in text) for text in texts]
        return np.array([2 + w + (len(t) - w) / CHARACTERS_PER_TOKEN for t, w in zip(texts, wide, strict=True)])
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return np.array([len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))], dtype=float)


def machine_speed(devices: Sequence[str], cache: Path) -> float:
    """Operations a second of large matrix products in 32 bits, of these devices together; of GPUs as measured."""
    first, speeds = devices[0], hardware.measured(cache)
    if first != "cpu" and first in speeds:
        return 1e9 * GPU_SHARE * max(speeds[first].values()) * len(devices)
    known = 1e9 * speeds.get(first, {}).get("float32", 0.0)
    global _fastest
    _fastest = max(matrix_speed(), known, _fastest)  # other work on the machine only ever makes it look slower
    return _fastest


def matrix_speed(size: int = 768) -> float:
    """Operations a second of this processor in a 32-bit matrix product; takes about 20 ms."""
    a = np.ones((size, size), dtype=np.float32)
    fastest = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        a @ a
        fastest = min(fastest, time.perf_counter() - start)
    return 2 * size**3 / fastest
