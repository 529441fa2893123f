"""When memory runs out, and how much was taken."""

from __future__ import annotations

import sys

import psutil


def is_out_of_memory(error: RuntimeError) -> bool:
    """True for the ways in which torch says that memory is exhausted."""
    text = str(error).lower()
    return type(error).__name__ == "OutOfMemoryError" or "out of memory" in text or "can't allocate memory" in text


def peak_memory() -> int:
    """Most bytes this process held at a time."""
    try:
        import resource
    except ImportError:  # Windows
        return int(psutil.Process().memory_info().rss)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
