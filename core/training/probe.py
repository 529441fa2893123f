"""How fast a device multiplies matrices in each number type: ``python -m core.training.probe``.

A type is only worth offering where it is faster: this kind of CPU runs bfloat16 six hundred times slower than float32.
"""

from __future__ import annotations

import time
from typing import Any

KINDS = ("float32", "float16", "bfloat16")
ENOUGH = 0.05
"""Seconds one product must take to be measured well."""


def speed(device: str, kind: str) -> float:
    """10^9 operations a second of a square matrix product; 0 where the device cannot do it."""
    import torch

    size, best = 128, 0.0
    while size <= 8192:
        try:
            a = torch.randn(size, size, device=device).to(getattr(torch, kind))
            _timed(a)
            seconds = min(_timed(a) for _ in range(3))
        except (RuntimeError, NotImplementedError):
            return best
        best = max(best, 2 * size**3 / seconds / 1e9)
        if seconds > ENOUGH:
            break
        size *= 2
    return round(best, 2)


def speeds(device: str) -> dict[str, float]:
    """By number type."""
    return {kind: speed(device, kind) for kind in KINDS}


def devices() -> list[str]:
    """What torch can use here."""
    import torch

    found = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    return [*found, "mps"] if torch.backends.mps.is_available() else found


def _timed(a: Any) -> float:
    start = time.perf_counter()
    product = a @ a
    float(product[0, 0])  # waits for the device
    return time.perf_counter() - start


if __name__ == "__main__":
    for name in devices():
        print(name, " ".join(f"{kind}={value}" for kind, value in speeds(name).items()))
