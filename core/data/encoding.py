"""Which character encoding a file is in. Bytes that do not fit are an error with line and byte, never replaced."""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from core.errors import InputError

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 256 * 1024
_CHUNK = 1024 * 1024
_UTF8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_PAIR = re.compile(rb"[\xa1-\xfe][\xa1-\xfe]")
_GUESSED = ["gb18030", "big5", "cp1252", "latin_1", "cp1251", "shift_jis"]
"""Encodings that charset-normalizer chooses from when a file is not Unicode; see ``_candidates`` for two more."""


@dataclass(frozen=True)
class Encoding:
    """An encoding and how many bytes of byte order mark to skip."""

    name: str
    skip: int = 0
    guessed: bool = False
    """True when statistics decided: people should look at the preview."""


def detect_encoding(path: Path, limit: int | None = None) -> Encoding:
    """Find the encoding of a text file, reading at most ``limit`` bytes (None: all of it).

    Raises InputError for UTF-8 with damaged bytes, naming line and byte of the first.
    """
    with path.open("rb") as file:
        start = file.read(_SAMPLE)
        for mark, name in _BOMS:
            if start.startswith(mark):
                return Encoding(name, len(mark))
        if wide := looks_utf16(start):
            return Encoding(wide)
        file.seek(0)
        sample = _first_not_utf8(file, limit)
    if sample is None:
        return Encoding("utf-8")
    broken = codecs.decode(sample, "utf-8", "replace").count("\ufffd")
    if len(_UTF8_SEQUENCE.findall(sample)) > 3 * broken:
        raise bad_bytes(path, Encoding("utf-8"))
    return Encoding(_guess(sample), guessed=True)


def open_text(path: Path, encoding: Encoding) -> TextIO:
    """Open for strict reading with line ends as they are in the file."""
    file = path.open("rb")
    file.seek(encoding.skip)
    return io.TextIOWrapper(file, encoding=encoding.name, errors="strict", newline="")


def bad_bytes(path: Path, encoding: Encoding) -> InputError:
    """The error for the first byte that does not fit the encoding; reads the file once more to find it."""
    decoder = codecs.getincrementaldecoder(encoding.name)("strict")
    offset, line = encoding.skip, 1
    with path.open("rb") as file:
        file.seek(encoding.skip)
        while True:
            chunk = file.read(_CHUNK)
            held = len(decoder.getstate()[0])
            try:
                line += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeDecodeError as error:
                good = error.object[: error.start].decode(encoding.name, "replace")
                where = offset - held + error.start
                shown = " ".join(f"{byte:02X}" for byte in error.object[error.start : error.end][:4])
                return InputError(
                    f"Line {line + good.count(chr(10))} has bytes that are not {encoding.name.upper()} "
                    f"(byte {where + 1:,} of the file: {shown or 'end of file'}).",
                    "Save the file again as UTF-8, or repair this line.",
                )
            if not chunk:
                return InputError(f"The file is not {encoding.name.upper()}.", "Save it again as UTF-8.")
            offset += len(chunk)


def looks_utf16(start: bytes) -> str | None:
    """Name of the encoding when every second byte is zero, as in UTF-16 of mostly Latin text; else None."""
    sample = start[: len(start) // 2 * 2]
    if len(sample) < 4:
        return None
    half = len(sample) // 2
    even, odd = sample[0::2].count(0) / half, sample[1::2].count(0) / half
    if odd > 0.6 and even < 0.1:
        return "utf-16-le"
    return "utf-16-be" if even > 0.6 and odd < 0.1 else None


def _first_not_utf8(file: BinaryIO, limit: int | None) -> bytes | None:
    """None when the file is UTF-8; otherwise a sample of bytes around the first that are not."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    read = 0
    while True:
        chunk = file.read(_CHUNK)
        read += len(chunk)
        last = not chunk
        try:
            decoder.decode(chunk, final=last)
        except UnicodeDecodeError as error:
            from_here = chunk[max(0, error.start - _SAMPLE // 2) :]
            return (from_here + file.read(_SAMPLE))[:_SAMPLE]
        if last or (limit is not None and read >= limit):
            return None


def _candidates(sample: bytes) -> list[str]:
    """Encodings that the byte pairs allow: short Chinese texts look like Korean, and Japanese like Chinese, otherwise.

    Hangul has lead bytes B0 to C8, while four in ten common Chinese characters lie above; kana lead with A4 and A5.
    """
    pairs = _PAIR.findall(sample)
    above = sum(pair[0] > 0xC8 for pair in pairs)
    kana = sum(pair[0] in (0xA4, 0xA5) for pair in pairs)
    if kana > len(pairs) * 0.4:
        return ["euc_jp", "shift_jis"]
    return [*_GUESSED, "euc_kr"] if above <= len(pairs) * 0.1 else _GUESSED


def _guess(sample: bytes) -> str:
    """The most plausible encoding of bytes that are not Unicode."""
    from charset_normalizer import from_bytes

    lines = b"\n".join(line for line in sample.splitlines() if not line.isascii()) or sample
    best = from_bytes(lines, cp_isolation=_candidates(lines)).best()
    name = best.encoding if best else "latin_1"
    if name in ("gb2312", "gbk", "big5", "gb18030"):
        # Every GBK text is GB18030, and a longer file may need the larger set.
        return name if name == "big5" else "gb18030"
    return "latin-1" if name == "latin_1" else name
