"""What is looked at before a run begins or goes on: its texts, and whether its base model is still the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.base_models import HUB_FILES
from core.data.text import has_visible
from core.durable import read_json, sha256, write_json
from core.errors import ModelError, TrainingError
from core.methods.base import RunContext
from core.methods.embeddings import file_hash

BASE_FILES = "base.json"
"""What the files of the base model were when the run began."""


def check_texts(texts: Sequence[str], context: RunContext) -> None:
    """Say how many training texts have nothing to read. Raises TrainingError when none of them has."""
    blank = sum(not has_visible(text) for text in texts)
    if blank and blank == len(texts):
        raise TrainingError(
            "None of the training texts has a visible character.",
            "Look at the cleaning of the data, then freeze a new version.",
        )
    if blank:
        share = f"{blank / len(texts):.1%}"
        context.report("note", message=f"{share} of the training texts have no visible character; cleaning finds them")


def check_base(run: Path, base: Path, name: str, memo: Path) -> None:
    """Refuse to go on from a checkpoint with another base model than the run began with.

    ``run`` is the run's folder, ``base`` that of the model, ``name`` what people call it; ``memo`` keeps hashes of
    large files. A run without a checkpoint begins anew, with the files as they are now. Raises ModelError naming the
    file.
    """
    files = sorted({path for pattern in HUB_FILES for path in base.glob(pattern) if path.is_file()})
    now = {
        path.relative_to(base).as_posix(): file_hash(path, memo) if path.suffix == ".safetensors" else sha256(path)
        for path in files
    }
    then = read_json(run / BASE_FILES)
    if not isinstance(then, dict) or not any((run / "checkpoints").glob("[0-9]*")):
        write_json(run / BASE_FILES, now)
        return
    if gone := sorted(then.keys() - now.keys()):
        raise ModelError(
            f"The file {gone[0]} of the base model '{name}' is gone since this run began.",
            "Put it back to go on, or start a new run.",
        )
    if changed := sorted(file for file, digest in now.items() if then.get(file) != digest):
        raise ModelError(
            f"The file {changed[0]} of the base model '{name}' is not the one that this run began with.",
            "Put the old file back to go on, or start a new run.",
        )
