"""Dates as feeds write them. What can be read in two ways is not guessed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from core.errors import InputError

EARLIEST = datetime(1970, 1, 2)
_EPOCH = re.compile(r"\d{10}(\d{3})?(\.\d+)?")
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(.*)")
_YEAR_FIRST = re.compile(r"(\d{4})[/年.](\d{1,2})[/月.](\d{1,2})日?(.*)")


def read_date(cell: str, latest: datetime | None = None) -> datetime:
    """The moment that a cell names, UTC without its zone; a day without a time is its first moment.

    Reads ISO 8601, e-mail dates (RSS), 31.12.2026, 2026/12/31 and seconds since 1970. Raises InputError for anything
    else and for a moment after ``latest``.
    """
    text = cell.strip()
    moment = _parse(text)
    if moment is None:
        raise InputError(f"'{text[:40]}' is not a date that can be read", "Write it as 2026-12-31 or 2026-12-31T09:30.")
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:
            moment = moment.replace(tzinfo=None)
    if moment < EARLIEST:
        raise InputError(f"the date {moment:%Y-%m-%d} is too long ago")
    if latest is not None and moment > latest:
        raise InputError(f"the date {moment:%Y-%m-%d} lies in the future")
    return moment


def tomorrow() -> datetime:
    """Latest moment of an honest feed: a day ahead of UTC, for time zones and clocks that differ."""
    return datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)


def _parse(text: str) -> datetime | None:
    if _EPOCH.fullmatch(text):
        seconds = float(text)
        return datetime.fromtimestamp(seconds / 1000 if len(text.split(".")[0]) == 13 else seconds, UTC)
    if found := _DAY_FIRST.fullmatch(text):
        day, month, year, rest = found.groups()
        text = f"{year}-{month:0>2}-{day:0>2}{rest}"
    elif found := _YEAR_FIRST.fullmatch(text):
        year, month, day, rest = found.groups()
        text = f"{year}-{month:0>2}-{day:0>2}{rest}"
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return read(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None
