"""When two texts count as the same, and the 64-bit hash that says so."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import xxhash

from core.errors import InputError

NORMALISATION = "nfc-strip"
"""Name of the rule behind ``text_hash``: Unicode NFC, then white space removed at both ends. Case and inner spaces
count. Change the name when the rule changes: hashes made by different rules must never be compared."""


def check_text(text: str, what: str) -> str:
    """The text itself. Raises InputError for half a character (a lone surrogate), which cannot be stored anywhere.

    ``what`` begins the message: "The note".
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{what} holds half a character (a lone surrogate) at character {error.start + 1}.",
                "Remove it: it stands for nothing, and files cannot hold it.",
            ) from None
    return text


def has_visible(text: str) -> bool:
    """Whether there is anything to read: a character that is neither white space nor a sign that nobody sees."""
    return any(not character.isspace() and unicodedata.category(character)[0] != "C" for character in text)


def normalise(text: str) -> str:
    """The text in Unicode NFC without white space at its ends."""
    return unicodedata.normalize("NFC", text).strip()


def hash_normalised(texts: Iterable[str]) -> list[int]:
    """Hash texts that ``normalise`` made: unsigned 64-bit integers (XXH3)."""
    hash_bytes = xxhash.xxh3_64_intdigest
    return [hash_bytes(text.encode()) for text in texts]


def text_hash(text: str, text_b: str | None = None) -> int:
    """Unsigned 64-bit hash of a text, or of a pair of texts, that is equal for texts that count as the same."""
    return hash_normalised([join_pair(normalise(text), None if text_b is None else normalise(text_b))])[0]


def join_pair(text: str, text_b: str | None) -> str:
    """One string for hashing; the separator is a character that imported texts cannot hold."""
    return text if text_b is None else f"{text}\0{text_b}"
