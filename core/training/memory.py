"""When memory runs out."""

from __future__ import annotations


def is_out_of_memory(error: RuntimeError) -> bool:
    """True for the ways in which torch says that memory is exhausted."""
    text = str(error).lower()
    return type(error).__name__ == "OutOfMemoryError" or "out of memory" in text or "can't allocate memory" in text
