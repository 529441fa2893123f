"""A zipped Hugging Face dataset, as our export writes it: its Parquet files, unpacked with a limit."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

from core.data.columnar import BOMB_BYTES, BOMB_RATIO
from core.data.files import readable_size
from core.errors import InputError

_PART = re.compile(r"(?:(?!\.\.)[^/\\]+/)?data/([\w.-]+\.parquet)")
"""Where the parts of a dataset lie; a folder around it is what many programs add."""
_CHUNK = 1024 * 1024


def holds_dataset(path: Path) -> bool:
    """Whether a file is a zip with Parquet files in its folder ``data``."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(_PART.fullmatch(name) for name in archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return False


def unpack_dataset(path: Path, folder: Path) -> Path:
    """Unpack the Parquet files of a zipped dataset into a new folder below ``folder`` and return it.

    Only names that ``data/`` holds are used, and never as paths. Raises InputError for a damaged archive and for one
    that unpacks to more than it may.
    """
    target = folder / "unpacked"
    target.mkdir()
    size = path.stat().st_size
    left = max(BOMB_BYTES, BOMB_RATIO * size)
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                part = _PART.fullmatch(entry.filename)
                if part is None:
                    continue
                left -= entry.file_size
                if left < 0 or (target / part[1]).exists():
                    raise _refused(size)
                with archive.open(entry) as source, (target / part[1]).open("wb") as file:
                    shutil.copyfileobj(source, file, _CHUNK)  # zipfile stops at the size that was counted above
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError) as error:
        raise InputError(
            f"The archive cannot be read: {str(error)[:160]}.", "It may be cut off or protected by a password."
        ) from error
    return target


def _refused(size: int) -> InputError:
    return InputError(
        f"The archive has {readable_size(size)} but unpacks to more than {BOMB_RATIO} times as much, or names a file "
        "twice.",
        "Nothing was read. Unpack it and import its Parquet files if you trust it.",
    )
