"""Label schema defaults: colours and keys."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

from core.errors import InputError
from core.records import Label

COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6BB1", "#A6761D", "#66A61E", "#7F7F7F",
)  # fmt: skip
"""Okabe and Ito's colour-blind-safe set without black and yellow, and four that stay apart from it."""

# C and R are Streamlit's own; U, S, F, G and H are undo, skip, flag, guidelines and hide on the annotate page.
KEYS = string.digits[1:] + "0" + "".join(k for k in string.ascii_lowercase if k not in "crusfgh")
"""Keys in the order in which labels get them: digits, then letters that nothing else uses."""


def next_key(used: Sequence[str]) -> str:
    """The first free key; empty when all are taken (the label is then chosen by mouse)."""
    return next((key for key in KEYS if key not in used), "")


def check_key(key: str, labels: Sequence[Label], own_id: int | None = None) -> str:
    """A key as it is stored; InputError when it is reserved or taken."""
    key = key.strip().lower()
    if key and (len(key) > 1 or key not in KEYS):
        raise InputError(f"'{key}' cannot be the key of a label.", f"Choose one of: {' '.join(KEYS)}.")
    for label in labels:
        if key and label.key == key and label.id != own_id:
            raise InputError(f"The key '{key}' belongs to the label '{label.name}'.", "Choose another key.")
    return key


def check_colour(colour: str) -> str:
    """A colour as it is stored, #rrggbb or empty; InputError for anything else."""
    if colour and not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
        raise InputError(f"'{colour[:20]}' is not a colour.", "Write it as #rrggbb.")
    return colour


def next_colour(count: int) -> str:
    """Colour of the label number ``count`` (from 0)."""
    return COLOURS[count % len(COLOURS)]
