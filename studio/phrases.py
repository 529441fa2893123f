"""Sentences that core makes, in the reader's language.

Core knows no languages: its errors, warnings and progress messages are finished English sentences with values in them.
Their patterns are message ids with numbered places, such as ``'{0}' is empty.``; a finished sentence is matched
against them, and its values are put into the translation.
"""

from __future__ import annotations

import re
from functools import lru_cache

from studio.i18n import _, catalogue_ids, language

PLACE = re.compile(r"\{(\d)\}")


@lru_cache(maxsize=4)
def _patterns(code: str) -> list[tuple[re.Pattern[str], str]]:
    """Patterns and their ids, the one with most words of its own first."""
    ids = [one for one in catalogue_ids(code) if PLACE.search(one)]
    ids.sort(key=lambda one: len(PLACE.sub("", one)), reverse=True)
    found = []
    for one in ids:
        pieces = PLACE.split(one)
        # Between two pieces of text stands the number of the place, so every second piece is a number.
        words = [re.escape(piece) if i % 2 == 0 else f"(?P<p{piece}>.+?)" for i, piece in enumerate(pieces)]
        found.append((re.compile("".join(words), re.DOTALL), one))
    return found


def phrase(text: str) -> str:
    """Translate one finished sentence; unchanged where no pattern fits, which is always readable English."""
    if language() == "en" or not text:
        return text
    if (known := _(text)) != text:
        return known
    for pattern, one in _patterns(language()):
        if match := pattern.fullmatch(text):
            return fill(_(one), {name[1:]: value for name, value in match.groupdict().items()})
    return text


def fill(template: str, values: dict[str, str]) -> str:
    """Put values into numbered places; unlike ``str.format``, braces of the template's own mean nothing."""
    return PLACE.sub(lambda place: values.get(place.group(1), ""), template)
