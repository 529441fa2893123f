"""What a label may be called."""

from __future__ import annotations

import unicodedata

from core.errors import InputError

LONGEST_LABEL = 100
"""Characters."""
_JOINERS = {"\u200c", "\u200d"}
"""Zero-width joiners: part of Persian words and of many emoji, so allowed inside a name."""


def check_label_name(name: str) -> str:
    """The name in Unicode NFC without white space at its ends; any script and direction is welcome.

    Raises InputError for a name that is empty, longer than 100 characters, or holds characters nobody can see
    (control, zero-width and direction-changing ones), because two such labels would look alike.
    """
    clean = unicodedata.normalize("NFC", name).strip()
    if len(clean) > LONGEST_LABEL:
        raise InputError(
            f"The label '{clean[:40]}...' has {len(clean)} characters; at most {LONGEST_LABEL} are allowed.",
            "Is this the text column? Choose another column as label, or shorten the label.",
        )
    for character in clean:
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in _JOINERS:
            raise InputError(
                f"The label '{visible(clean)}' holds the invisible character U+{ord(character):04X}.",
                "Remove it: labels must differ in characters that people can see.",
            )
    if not any(unicodedata.category(c)[0] in "LNPS" for c in clean):
        raise InputError("The label has no visible character.", "Give it a name.")
    return clean


def visible(text: str, limit: int = 80) -> str:
    """The first characters of a text on one line, every control or invisible character replaced by a space."""
    start = text[: limit + 1]
    clean = "".join(c if c.isprintable() else " " for c in start[:limit])
    return clean + ("..." if len(start) > limit else "")
