"""Column files of tagged tokens (CoNLL-2003 and its like): a token and its tag a line, an empty one between texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.data.encoding import Encoding, bad_bytes, detect_encoding, open_text
from core.data.table import BATCH_ROWS, PREVIEW_BYTES, Batch
from core.records import RejectedRow

_LINE = re.compile(r"\S+([ \t]+\S+)*[ \t]+(O|[BIESLUM][-_]\S+)")
_DOCUMENT = "-DOCSTART-"
MOST_TOKENS = 100_000
"""Of one text; a file without empty lines is no column file."""
_LOOKED_AT = 50


def looks_like_conll(start: str) -> bool:
    """True when the lines at the start of a file all end with a tag."""
    lines = [line.strip() for line in start.splitlines()[:-1] if _holds_token(line)][:_LOOKED_AT]
    return len(lines) > 1 and all(map(_LINE.fullmatch, lines))


def _holds_token(line: str) -> bool:
    """False for empty lines, document marks and comments; '# O' is the token '#'."""
    comment = line.startswith("# ") and len(line.split()) > 2
    return bool(line.strip()) and not comment and not line.startswith(_DOCUMENT)


@dataclass
class ConllTable:
    """A column file with the columns ``tokens`` and ``tags``, JSON lists; a row's number is that of its first line."""

    path: Path
    encoding: Encoding
    total: int
    format: str = "conll"
    done: int = 0
    open_ended: bool = False
    columns: list[str] = field(default_factory=lambda: ["tokens", "tags"])
    warnings: list[str] = field(default_factory=list)

    @property
    def encoding_name(self) -> str | None:
        """Name of the encoding."""
        return self.encoding.name

    def batches(self, size: int = BATCH_ROWS) -> Iterator[Batch]:
        """Yield texts; one with a line that is no token and tag is rejected. Raises InputError for bad bytes."""
        batch, rejected = _Rows(), []
        try:
            with open_text(self.path, self.encoding) as file:
                text = _Text()
                for number, line in enumerate(file, 1):
                    if _holds_token(line):
                        text.add(number, line.split())
                        continue
                    rejected += batch.take(text)
                    text = _Text()
                    if len(batch.rows) + len(rejected) >= size:
                        self.done = file.buffer.tell()
                        yield batch.finish(rejected)
                        batch, rejected = _Rows(), []
                rejected += batch.take(text)
        except UnicodeDecodeError as error:
            raise bad_bytes(self.path, self.encoding) from error
        if batch.rows or rejected:
            yield batch.finish(rejected)


class _Text:
    """One text that is being read."""

    def __init__(self) -> None:
        self.first = 0
        self.tokens: list[str] = []
        self.tags: list[str] = []
        self.wrong = ""

    def add(self, number: int, cells: list[str]) -> None:
        self.first = self.first or number
        if len(self.tokens) == MOST_TOKENS:
            self.wrong = f"more than {MOST_TOKENS:,} lines without an empty one between"
            return
        self.tokens.append(cells[0])
        self.tags.append(cells[-1])
        if len(cells) == 1 and not self.wrong:
            self.wrong = f"line {number} has a token without a tag"


class _Rows:
    """Texts that become one batch."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.tokens: list[str] = []
        self.tags: list[str] = []

    def take(self, text: _Text) -> list[RejectedRow]:
        """Keep a text, or say why not."""
        if text.wrong:
            return [RejectedRow(row=text.first, reason=text.wrong, excerpt=" ".join(text.tokens)[:80])]
        if text.tokens:
            self.rows.append(text.first)
            self.tokens.append(json.dumps(text.tokens, ensure_ascii=False))
            self.tags.append(json.dumps(text.tags, ensure_ascii=False))
        return []

    def finish(self, rejected: list[RejectedRow]) -> Batch:
        return Batch(self.rows, {"tokens": self.tokens, "tags": self.tags}, rejected)


def open_conll(path: Path, preview: bool = False) -> ConllTable:
    """Detect the encoding. Raises InputError."""
    encoding = detect_encoding(path, PREVIEW_BYTES if preview else None)
    table = ConllTable(path, encoding, path.stat().st_size)
    if encoding.guessed:
        table.warnings.append(f"Read as {encoding.name.upper()}: look whether the texts below are readable.")
    return table
