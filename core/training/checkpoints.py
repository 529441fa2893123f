"""Sealed states of a training loop: a checkpoint counts only when its manifest, written last, fits every file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from core.durable import new_folder, seal, verify
from core.errors import ModelError

KEEP = 2


def save(directory: Path, step: int, write: Callable[[Path], None]) -> Path:
    """Let ``write`` fill a new folder ``directory/<step>``, seal it, and keep the newest two checkpoints.

    Raises StorageError when the disk is full; the older checkpoints are untouched then.
    """
    target = directory / f"{step:08d}"
    with new_folder(target) as folder:
        write(folder)
        seal(folder, {"step": step})
    for old in _folders(directory)[KEEP:]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def latest(directory: Path) -> Path | None:
    """The newest checkpoint whose files are all as they were written; broken ones are passed over."""
    for folder in _folders(directory):
        try:
            verify(folder)
        except ModelError:
            continue
        return folder
    return None


def _folders(directory: Path) -> list[Path]:
    """Checkpoint folders, newest first."""
    if not directory.is_dir():
        return []
    return sorted((path for path in directory.iterdir() if path.name.isdigit()), reverse=True)
