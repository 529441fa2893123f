"""Files that appear whole or not at all, sizes, and names that are safe to write."""

from __future__ import annotations

import errno
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import InputError, StorageError

_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10))}
_FORBIDDEN = set('<>:"/\\|?*')
_LONGEST_NAME = 120


def safe_name(name: str, default: str = "file") -> str:
    """A plain file name made from any text: no folders, no hidden or reserved names, at most 120 characters.

    Use it for names shown on download; paths inside the workspace are made from ids, never from names.
    """
    base = unicodedata.normalize("NFC", name).replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    kept = "".join("_" if c in _FORBIDDEN or unicodedata.category(c)[0] == "C" else c for c in base)
    kept = kept.strip(" .")
    if not kept or kept.split(".")[0].rstrip().upper() in _RESERVED:
        kept = f"{default}_{kept}".rstrip("_.")
    stem, dot, ending = kept.rpartition(".")
    if len(kept) > _LONGEST_NAME and dot and len(ending) <= 10:
        return stem[: _LONGEST_NAME - len(ending) - 1] + dot + ending
    return kept[:_LONGEST_NAME]


def readable_size(size: float) -> str:
    """A number of bytes as people write it: ``readable_size(1_500_000) == '1.5 MB'``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def folder_size(folder: Path) -> int:
    """Bytes of all files below a folder; links are not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


@contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turn a disk that is full, missing or read-only into a StorageError that names ``what`` was being done."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageError(f"The disk is full while {what}.", "Free some space and try again.") from error
        raise StorageError(
            f"The disk refused while {what}: {error.strerror or error}.", "Check the folder and its permissions."
        ) from error


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target`` that takes its place when the block ends well, else disappears."""
    temporary = target.with_name(f".{target.name[:60]}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def require_file(path: Path, shown: str) -> int:
    """Size in bytes of a file (or folder) that must exist and hold something. Raises InputError that names it."""
    if path.is_dir():
        return folder_size(path)
    if not path.is_file():
        raise InputError(f"There is no file '{shown}'.", "Choose the file again.")
    size = path.stat().st_size
    if size == 0:
        raise InputError(f"'{shown}' is empty.", "Choose a file with a header line and at least one row.")
    return size
