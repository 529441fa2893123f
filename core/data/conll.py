"""Column files of tagged tokens (CoNLL-2003 and its like): a token and its tag a line, an empty one between texts.

What is written here is CoNLL-U Plus: a first line names the columns, tabs part them, and MISC says what stands between
the tokens, as UDPipe does (SpaceAfter=No, SpacesAfter=, SpacesBefore=): the text comes back as it was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.data.encoding import Encoding, bad_bytes, detect_encoding, open_text
from core.data.table import BATCH_ROWS, PREVIEW_BYTES, Batch
from core.errors import InputError
from core.records import RejectedRow
from core.tasks.spans import SCHEMES, Span, split_up, to_bioes, to_tags, words

_LINE = re.compile(r"\S+([ \t]+\S+)*[ \t]+(O|[BIESLUM][-_]\S+)")
_DOCUMENT = "-DOCSTART-"
_COLUMNS = "# global.columns ="
_SIGNS = {" ": "s", "\t": "t", "\n": "n", "\r": "r", "|": "p", "\\": "\\"}
_MEANT = {sign: character for character, sign in _SIGNS.items()}
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
MOST_TOKENS = 100_000
"""Of one text; a file without empty lines is no column file."""
_LOOKED_AT = 50
LONGEST_HEADER = 10_000
"""Characters of the first line that are looked at."""


def looks_like_conll(start: str) -> bool:
    """True when the lines at the start of a file all end with a tag."""
    if start.startswith(_COLUMNS):
        return True
    lines = [line.strip() for line in start.splitlines()[:-1] if _holds_token(line)][:_LOOKED_AT]
    return len(lines) > 1 and all(map(_LINE.fullmatch, lines))


def _holds_token(line: str) -> bool:
    """False for empty lines, document marks and comments; '# O' is the token '#'."""
    comment = line.startswith("# ") and len(line.split()) > 2
    return bool(line.strip()) and not comment and not line.startswith(_DOCUMENT)


@dataclass(frozen=True)
class Layout:
    """Where in a line the token and what stands between tokens are; the tag is last."""

    form: int = 0
    misc: int | None = None
    tabs: bool = False
    """Only tabs part the cells, so that a label may hold a space."""

    @classmethod
    def of(cls, line: str) -> Layout:
        """From the first line of a file; one that names no columns is a token or a comment like any other."""
        if not line.startswith(_COLUMNS):
            return cls()
        names = line[len(_COLUMNS) :].split()
        return cls(
            names.index("FORM") if "FORM" in names else 0, names.index("MISC") if "MISC" in names else None, True
        )

    def cells(self, line: str) -> list[str]:
        """Token, MISC and tag of a line; only one cell where there is no tag."""
        cells = line.rstrip("\r\n").split("\t") if self.tabs and "\t" in line else line.split()
        if len(cells) < max(self.form, self.misc or 0) + 2:
            return cells[:1]
        return [cells[self.form], "_" if self.misc is None else cells[self.misc], cells[-1]]


@dataclass
class ConllTable:
    """A column file with the columns ``tokens`` and ``tags``, JSON lists; a row's number is that of its first line.

    Where the file says what stands between the tokens, there is a column ``spaces`` too.
    """

    path: Path
    encoding: Encoding
    total: int
    layout: Layout = field(default_factory=Layout)
    format: str = "conll"
    done: int = 0
    open_ended: bool = False
    columns: list[str] = field(init=False)
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.columns = ["tokens", "tags"] if self.layout.misc is None else ["tokens", "tags", "spaces"]

    @property
    def encoding_name(self) -> str | None:
        """Name of the encoding."""
        return self.encoding.name

    def batches(self, size: int = BATCH_ROWS) -> Iterator[Batch]:
        """Yield texts; one with a line that is no token and tag is rejected. Raises InputError for bad bytes."""
        batch, rejected = _Rows(self.columns), []
        try:
            with open_text(self.path, self.encoding) as file:
                text = _Text()
                for number, line in enumerate(file, 1):
                    if _holds_token(line):
                        text.add(number, self.layout.cells(line))
                        continue
                    rejected += batch.take(text)
                    text = _Text()
                    if len(batch.rows) + len(rejected) >= size:
                        self.done = file.buffer.tell()
                        yield batch.finish(rejected)
                        batch, rejected = _Rows(self.columns), []
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
        self.spaces: list[str] = []
        self.wrong = ""

    def add(self, number: int, cells: list[str]) -> None:
        self.first = self.first or number
        if len(self.tokens) == MOST_TOKENS:
            self.wrong = f"more than {MOST_TOKENS:,} lines without an empty one between"
            return
        self.tokens.append(cells[0])
        self.tags.append(cells[-1])
        before, after = _between(cells[1]) if len(cells) > 1 else ("", "")
        self.spaces[-1:] = [self.spaces[-1] + before if self.spaces else before, after]
        if len(cells) == 1 and not self.wrong:
            self.wrong = f"line {number} has a token without a tag"


class _Rows:
    """Texts that become one batch."""

    def __init__(self, columns: list[str]) -> None:
        self.rows: list[int] = []
        self.columns: dict[str, list[str | None]] = {name: [] for name in columns}

    def take(self, text: _Text) -> list[RejectedRow]:
        """Keep a text, or say why not."""
        if text.wrong:
            return [RejectedRow(row=text.first, reason=text.wrong, excerpt=" ".join(text.tokens)[:80])]
        if text.tokens:
            self.rows.append(text.first)
            for name, cells in self.columns.items():
                cells.append(json.dumps(getattr(text, name), ensure_ascii=False))
        return []

    def finish(self, rejected: list[RejectedRow]) -> Batch:
        return Batch(self.rows, self.columns, rejected)


def _between(misc: str) -> tuple[str, str]:
    """What stands before and after a token by its MISC cell."""
    said = dict(part.partition("=")[::2] for part in misc.split("|"))
    after = "" if said.get("SpaceAfter") == "No" else _unescaped(said.get("SpacesAfter", "\\s"))
    return _unescaped(said.get("SpacesBefore", "")), after


def _unescaped(cell: str) -> str:
    said = _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else _MEANT.get(found[2], found[0]), cell)
    return said.encode(errors="replace").decode()  # half a surrogate pair is no character, and no space


def _escaped(space: str) -> str:
    return "".join(
        f"\\{_SIGNS[sign]}" if sign in _SIGNS else sign if sign.isprintable() else f"\\u{ord(sign):04x}"
        for sign in space
    )


def write_conll(rows: Iterable[tuple[str, list[Span]]], path: Path, scheme: str = "iob2") -> int:
    """Write texts with their spans as CoNLL-U Plus; returns how many. A text without words has no line: it is left out.

    ``scheme`` is one of ``SCHEMES``. Raises InputError for another one.
    """
    if scheme not in SCHEMES:
        raise InputError(f"There is no scheme of tags '{scheme[:40]}'.", f"Schemes: {', '.join(SCHEMES)}.")
    written = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{_COLUMNS} FORM MISC NER\n")
        for text, spans in rows:
            tokens, spaces = split_up(text)
            if not tokens:
                continue
            tags = to_tags(words(text), spans)
            for place, tag in enumerate(tags if scheme == "iob2" else to_bioes(tags)):
                misc = [f"SpacesBefore={_escaped(spaces[0])}"] if not place and spaces[0] else []
                after = spaces[place + 1]
                if after != " ":
                    misc.append(f"SpacesAfter={_escaped(after)}" if after else "SpaceAfter=No")
                file.write(f"{tokens[place]}\t{'|'.join(misc) or '_'}\t{tag}\n")
            file.write("\n")
            written += 1
    return written


def open_conll(path: Path, preview: bool = False) -> ConllTable:
    """Detect the encoding. Raises InputError."""
    encoding = detect_encoding(path, PREVIEW_BYTES if preview else None)
    try:
        with open_text(path, encoding) as file:
            layout = Layout.of(file.readline(LONGEST_HEADER))
    except UnicodeDecodeError as error:
        raise bad_bytes(path, encoding) from error
    table = ConllTable(path, encoding, path.stat().st_size, layout)
    if encoding.guessed:
        table.warnings.append(f"Read as {encoding.name.upper()}: look whether the texts below are readable.")
    return table
