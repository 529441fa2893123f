"""Files that survive a kill and a full disk: whole or not at all. Knows nothing of what is written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from core.errors import ModelError, StorageError

MANIFEST = "manifest.json"
PICKLE_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".joblib", ".ckpt", ".npy", ".h5"})
"""Files that can carry code or that none of our formats uses."""
FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def clear_disk_errors(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk into a StorageError that says so."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK:
            raise StorageError(
                f"The disk is full while writing {path.name}; the last saved state is untouched.",
                "Free some space (old runs can be deleted on the train page), then resume the run.",
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES):
            raise StorageError(
                f"{path.name} cannot be written: {error.strerror}.", "Make the workspace folder writable."
            ) from error
        raise


def write_atomic(path: Path, content: bytes, sync: bool = True) -> None:
    """Replace ``path`` by ``content``: readers see the old file or the new one. ``sync`` also survives a power cut."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    with clear_disk_errors(path):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        if sync:
            _sync_folder(path.parent)


def write_json(path: Path, value: Any, sync: bool = True) -> None:
    """Write ``value`` as JSON, atomically."""
    write_atomic(path, json.dumps(value, ensure_ascii=False, allow_nan=False).encode(), sync)


def read_json(path: Path) -> Any:
    """The value in a JSON file; None when the file is missing or damaged."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside ``target`` that takes its place when the block ends without an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    with clear_disk_errors(target):
        try:
            temporary.mkdir()
            yield temporary
            _sync_folder(temporary)
            if target.exists():
                shutil.rmtree(target)
            temporary.replace(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _sync_folder(target.parent)


def clear_leftovers(*folders: Path) -> None:
    """Remove what killed processes left half-written in these folders. Call it only where nobody else writes."""
    for folder in folders:
        for path in [*folder.glob(".*.tmp"), *folder.glob(".*.deleted")]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(folder: Path, facts: dict[str, Any]) -> None:
    """Write the manifest: ``facts`` plus the sha256 of every file. A folder without it does not count."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        files[path.relative_to(folder).as_posix()] = sha256(path)
    write_json(folder / MANIFEST, {**facts, "files": files})


def verify(folder: Path) -> dict[str, Any]:
    """The facts of a sealed folder whose files are all as they were written.

    Raises ModelError when the manifest is missing, a file is missing or altered, or a pickle file has been added.
    """
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise ModelError(f"{folder.name} has no manifest, so it was not saved completely.", "Resume or repeat the run.")
    refuse_pickle(folder)
    for name, digest in manifest["files"].items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise ModelError(f"{name} is missing from {folder.name}.", "Repeat the run, or restore the folder.")
        if sha256(path) != digest:
            raise ModelError(
                f"{name} in {folder.name} is not the file that was saved.", "Repeat the run, or restore the folder."
            )
    return manifest


def refuse_pickle(folder: Path) -> None:
    """Raise ModelError when a folder holds a file format that can run code when it is loaded."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICKLE_SUFFIXES:
            raise ModelError(
                f"{folder.name} contains {path.name}, a format that can run code when it is loaded.",
                "Use a model saved as safetensors and remove the other weight files.",
            )


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not every system lets a folder be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
