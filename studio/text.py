"""User text on screen is never interpreted: not as Markdown, HTML, LaTeX, emoji or colour directives.

``escape`` is for every place that reads Markdown: ``st.markdown``, headings, captions, alerts, toasts, help texts and
the labels of buttons, tabs, metrics, expanders, pills and radios. ``line`` is for the places that show plain text as
it is: options of ``st.selectbox`` and ``st.multiselect``, cells of ``st.dataframe``, placeholders. ``st.text`` and
``st.code`` need neither.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import TypeVar

Option = TypeVar("Option")
JOINER = "\u2060"
"""Word joiner: no width, no line break. Keeps apart what the browser would join to an emoji, an arrow or a link."""

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# A backslash keeps Markdown's own syntax away, but Streamlit also replaces finished text: ':smile:', ' -> ', ' >= ',
# 'https://', 'www.', 'a@b'.
_REPLACED_LATER = re.compile(r"(:|@|[-<>=~](?=[-<>=~])|[wW]{3}(?=\.))")
_HEADING = re.compile(r"^#{1,3}(?=\s)", re.MULTILINE)
_SPACE = re.compile(r"\s+")
_RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_JOINERS = "\u200c\u200d"
"""Invisible, but part of how emoji, Persian and Indic words are written."""
_BLANK = " \u115f\u1160\u2800\u3164\uffa0"
_INVISIBLE = "(invisible)"


def line(text: object, limit: int | None = None) -> str:
    """User text as one plain line: control and direction characters removed, white space joined, cut at ``limit``.

    A text of nothing visible becomes a visible word, so that no button or option is ever empty.
    """
    spaced = _SPACE.sub(" ", str(text))
    kept = "".join(c for c in spaced if c in _JOINERS or unicodedata.category(c) not in ("Cc", "Cf", "Cs")).strip()
    if not kept.strip(_JOINERS + _BLANK):
        return _INVISIBLE
    if limit is not None and len(kept) > limit:
        kept = kept[: limit - 1].rstrip() + "…"
    return f"\u2068{kept}\u2069" if _RIGHT_TO_LEFT.search(kept) else kept


def escape(text: object, limit: int | None = None) -> str:
    """User text for a place that reads Markdown: one line that shows exactly the characters of ``text``."""
    return _PUNCTUATION.sub(r"\\\1", _REPLACED_LATER.sub(rf"\1{JOINER}", line(text, limit)))


def told_apart(options: Iterable[Option], words: Callable[[Option], str]) -> Callable[[Option], str]:
    """``words`` for a widget with ``options``, numbered where two read the same.

    Streamlit knows an option that was chosen by what it reads: of two that read the same it takes the first.
    """
    names: dict[Option, str] = {}
    taken: set[str] = set()
    for option in options:
        name, again = words(option), 1
        while name in taken:
            again += 1
            name = f"{words(option)} ({again})"
        names[option] = name
        taken.add(name)
    return lambda option: names.get(option) or words(option)


def guidelines(markdown: str) -> str:
    """Guidelines are Markdown on purpose, with headings kept small beside the text.

    They load nothing: an image from elsewhere would tell its server who reads.
    """
    return _HEADING.sub("####", markdown.replace("![", f"!{JOINER}["))
