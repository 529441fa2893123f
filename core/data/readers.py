"""One way to open every kind of source; each kind has its own small module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from core.data.conll import looks_like_conll, open_conll
from core.data.delimited import open_delimited
from core.data.json_rows import open_json
from core.data.lines import open_lines
from core.data.table import Table
from core.errors import InputError

FORMATS = ("csv", "tsv", "json", "jsonl", "parquet", "excel", "lines", "conll")
"""Formats of files; ``datasets`` is the ninth source, by name instead of path."""

WITH_HEADER = ("csv", "tsv", "excel")
"""Formats whose first line names the columns, or does not."""
_ENDINGS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xls": "excel",
    ".ods": "excel",
    ".txt": "lines",
    ".conll": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".bioes": "conll",
}
_NOT_TEXT = {
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"\xcf\xfa\xed\xfe": "a program",
    b"\xca\xfe\xba\xbe": "a program",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x1f\x8b": "a compressed file",
    b"BZh": "a compressed file",
    b"\xfd7zXZ": "a compressed file",
    b"(\xb5/\xfd": "a compressed file",
    b"7z\xbc\xaf": "a compressed archive",
    b"Rar!": "a compressed archive",
    b"SQLite format 3": "a database",
    b"ARROW1": "an Arrow file",
    b"\x80\x04\x95": "a Python pickle",
    b"\x80\x05\x95": "a Python pickle",
}
_ZIP = b"PK\x03\x04"
_UNICODE_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")


def find_format(path: Path, shown: str) -> str:
    """The format of a file by its first bytes, then by the ending of the name it is shown under.

    Raises InputError for programs, pictures, archives and other files without rows.
    """
    start = _begins(path)
    ending = PurePath(shown).suffix.lower()
    if start.startswith(b"PAR1"):
        return "parquet"
    if ending == ".zip":
        raise _no_rows(shown, "an archive without the Parquet files of a dataset")
    if start.startswith((_ZIP, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
        if ending in _ENDINGS and _ENDINGS[ending] != "excel" and start.startswith(b"PK"):
            raise _no_rows(shown, "a compressed archive or a workbook")
        return "excel"
    for mark, kind in _NOT_TEXT.items():
        if start.startswith(mark) and (mark != b"MZ" or b"\0" in start):
            raise _no_rows(shown, kind)
    known = _ENDINGS.get(ending)
    if known in ("parquet", "excel"):
        name = "Parquet" if known == "parquet" else "Excel"
        raise InputError(f"'{shown}' is not {name} inside.", "Was it cut off or renamed? Export it once more.")
    if _looks_binary(start):
        raise _no_rows(shown, "binary data")
    if known in (None, "lines") and looks_like_conll(start.decode("utf-8", "replace")):
        return "conll"
    return known or _by_content(start)


def open_table(path: Path, shown: str, format: str | None = None, preview: bool = False, header: bool = True) -> Table:
    """Open a file as a table of texts. ``shown`` is the name people know it by. Raises InputError."""
    found = "parquet" if path.is_dir() else find_format(path, shown)
    format = format or found
    if format not in FORMATS:
        raise InputError(f"There is no format '{format}'.", f"Known formats: {', '.join(FORMATS)}.")
    if (found in ("parquet", "excel") or format in ("parquet", "excel")) and found != format:
        raise InputError(f"'{shown}' is {found}, not {format}.", f"Import it as {found}.")
    if format in ("csv", "tsv"):
        return open_delimited(path, format, preview, header)
    if format in ("json", "jsonl"):
        return open_json(path, format, preview)
    if format == "lines":
        return open_lines(path, preview)
    if format == "conll":
        return open_conll(path, preview)
    # The rest brings libraries that a CSV import need not wait for.
    if format == "parquet":
        from core.data.columnar import open_parquet

        return open_parquet(path)
    from core.data.workbook import open_workbook

    return open_workbook(path, header)


def open_source(job: Mapping[str, Any], folder: Path) -> Table:
    """Open what the job of an import process names; an archive is unpacked below ``folder``.

    Raises InputError, OfflineError.
    """
    preview = job["kind"] == "preview"
    if "dataset" in job:
        from core.data.hub import open_dataset

        return open_dataset(job["dataset"], job["config"], job["split"], job["offline"], preview)
    path = Path(job["source"])
    if path.is_file() and _begins(path).startswith(_ZIP):
        from core.data.archive import holds_dataset, unpack_dataset

        if holds_dataset(path):
            path = unpack_dataset(path, folder)
    return open_table(path, job["shown"], job["format"], preview, job["header"])


def _begins(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8192)


def _no_rows(shown: str, kind: str) -> InputError:
    return InputError(f"'{shown}' is {kind}, not a table of texts.", "Choose a CSV, JSONL, Parquet or Excel file.")


def _looks_binary(start: bytes) -> bool:
    """True when too many bytes are control characters for any text encoding but UTF-16 and UTF-32."""
    if not start or start.startswith(_UNICODE_MARKS):
        return False
    from core.data.encoding import looks_utf16

    if looks_utf16(start):
        return False
    odd = sum(byte < 9 or (13 < byte < 32 and byte != 27) for byte in start)
    return odd > len(start) * 0.05


def _by_content(start: bytes) -> str:
    """Format of a text file with an unknown ending."""
    first = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if first.startswith(b"["):
        return "json"
    return "jsonl" if first.startswith(b"{") else "csv"
