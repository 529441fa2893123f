"""Languages of the pages: gettext catalogues, compiled in memory from the .po files by Babel.

Source strings are English msgids in ``_()`` and ``ngettext()``; ``make messages`` brings the catalogues up to date.
The language belongs to the browser session, never to the process: two people may read two languages at once.
"""

from __future__ import annotations

import gettext as stdlib_gettext
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import streamlit as st
from babel.dates import format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

from studio import session

LOCALES = Path(__file__).parent / "locales"
LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
"""Language code -> its name in itself."""
_MOMENT = {"en": ("d MMM y, HH:mm", "D MMM YYYY, HH:mm"), "zh_CN": ("y年M月d日 HH:mm", "YYYY年M月D日 HH:mm")}
"""Language code -> how a moment is written, as a pattern of Babel and of the tables' date columns: never in figures
only, because 11/12 means two days."""


@lru_cache(maxsize=len(LANGUAGES))
def _catalogue(code: str) -> stdlib_gettext.NullTranslations:
    path = LOCALES / code / "LC_MESSAGES" / "whetstone.po"
    if not path.exists():
        return stdlib_gettext.NullTranslations()
    with path.open("rb") as file:
        catalogue = read_po(file, locale=code)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return stdlib_gettext.GNUTranslations(compiled)


@lru_cache(maxsize=len(LANGUAGES))
def catalogue_ids(code: str) -> list[str]:
    """Every message id of a catalogue."""
    path = LOCALES / code / "LC_MESSAGES" / "whetstone.po"
    with path.open("rb") as file:
        return [message.id for message in read_po(file, locale=code) if isinstance(message.id, str) and message.id]


def language() -> str:
    """Code of this session's language; English outside a browser session."""
    code = st.session_state.get(session.LANGUAGE, "en")
    return code if code in LANGUAGES else "en"


def _(message: str) -> str:
    """Translate one string. Fill placeholders afterwards: ``_("{n} items").format(n=3)``."""
    return _catalogue(language()).gettext(message) if message else ""


def ngettext(singular: str, plural: str, n: int) -> str:
    """Translate a string that depends on a number; fill placeholders afterwards."""
    return _catalogue(language()).ngettext(singular, plural, n)


def translator() -> Callable[[str], str]:
    """``_`` bound to this session's language, for work that goes on in another thread."""
    catalogue = _catalogue(language())
    return lambda message: catalogue.gettext(message) if message else ""


def N_(message: str) -> str:
    """Mark a string for translation where it is defined; translate it with ``_`` where it is shown."""
    return message


def number(value: float, decimals: int = 0) -> str:
    """A number with the language's separators."""
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    return format_decimal(value, format=pattern, locale=language())


def percent(share: float, decimals: int = 1) -> str:
    """A share of 1 as percent."""
    return format_percent(share, format="0" + ("." + "0" * decimals if decimals else "") + "\u00a0%", locale=language())


def date_time(moment: datetime) -> str:
    """A moment in the reader's time zone, such as '22 Nov 2026, 06:20'."""
    return format_datetime(moment.astimezone(), format=_MOMENT[language()][0], locale=language())


def date_time_column() -> str:
    """How ``date_time`` writes, as the ``format`` of a table's date column."""
    return _MOMENT[language()][1]


def duration(seconds: float) -> str:
    """Seconds in plain words, one or two units: '40 s', '3 min', '2 h 5 min'."""
    whole = max(0, round(seconds))
    if whole < 60:
        return _("{n} s").format(n=whole)
    minutes = round(whole / 60)
    if minutes < 60:
        return _("{n} min").format(n=minutes)
    return _("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)


def size(count: int) -> str:
    """Bytes in plain words, by thousands as disks are sold."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{number(value, 0 if unit in ('B', 'kB') or value >= 100 else 1)} {unit}"
