"""What this machine can do: processor, memory, accelerators, and how fast they are as measured.

Torch is only loaded in a short-lived subprocess whose answer is cached in a file, so that the app stays light.
"""

from __future__ import annotations

import os

import psutil


def threads_for_training() -> int:
    """Threads of a worker: the physical cores this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def choose_device(setting: str = "auto") -> str:
    """cpu, cuda:0, mps."""
    return "cpu" if setting == "auto" else setting
