"""Plain text, one item a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.data.encoding import Encoding, bad_bytes, detect_encoding, open_text
from core.data.table import BATCH_ROWS, PREVIEW_BYTES, Batch


@dataclass
class LinesTable:
    """A text file with the one column ``text``; blank lines are skipped, row numbers are line numbers."""

    path: Path
    encoding: Encoding
    total: int
    format: str = "lines"
    done: int = 0
    open_ended: bool = False
    columns: list[str] = field(default_factory=lambda: ["text"])
    warnings: list[str] = field(default_factory=list)

    @property
    def encoding_name(self) -> str | None:
        """Name of the encoding."""
        return self.encoding.name

    def batches(self, size: int = BATCH_ROWS) -> Iterator[Batch]:
        """Yield lines without their ends. Raises InputError for bad bytes."""
        rows: list[int] = []
        texts: list[str] = []
        try:
            with open_text(self.path, self.encoding) as file:
                for number, line in enumerate(file, 1):
                    text = line.rstrip("\r\n")
                    if text and not text.isspace():
                        rows.append(number)
                        texts.append(text)
                    if len(rows) == size:
                        self.done = file.buffer.tell()
                        yield Batch(rows, {"text": texts})
                        rows, texts = [], []
        except UnicodeDecodeError as error:
            raise bad_bytes(self.path, self.encoding) from error
        if rows:
            yield Batch(rows, {"text": texts})


def open_lines(path: Path, preview: bool = False) -> LinesTable:
    """Detect the encoding. Raises InputError."""
    encoding = detect_encoding(path, PREVIEW_BYTES if preview else None)
    table = LinesTable(path, encoding, path.stat().st_size)
    if encoding.guessed:
        table.warnings.append(f"Read as {encoding.name.upper()}: look whether the texts below are readable.")
    return table
