"""Order numbers, dates, amounts and e-mail addresses in a message, by rules that anybody can read; English and Chinese.

A rule finds the words and says what they mean; what one rule has taken, the next does not see. Every pattern is linear
in the length of the message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Literal

from pydantic import Field

from core.errors import InputError
from core.records import Record

EntityKind = Literal["order_number", "date", "amount", "email"]
KINDS: tuple[EntityKind, ...] = ("email", "amount", "date", "order_number")
"""In the order in which they are looked for."""
ORDER_PATTERN = "#####"
_MOST_SIGNS = 40
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_MONTH = r"(?:" + "|".join(f"{name[:3]}(?:{name[3:]})?" if name[3:] else name for name in _MONTHS) + r"|sept)\.?"
_DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_CHINESE_DAYS = "一二三四五六日天"
_CURRENCY = r"(?:€|£|\$|¥|￥|eur\b|gbp\b|usd\b|cny\b|rmb\b|chf\b)"
_AFTER = r"(?:€|£|\$|eur(?:os?)?\b|gbp\b|usd\b|cny\b|rmb\b|chf\b|pounds?\b|dollars?\b|quid\b|元|块钱?|欧元|英镑|美元)"
_NUMBER = r"\d{1,9}(?:[.,]\d{3}){0,3}(?:[.,]\d{1,2})?(?!\d)"
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}(?![\w-])", re.ASCII)
_AMOUNT = re.compile(
    rf"{_CURRENCY}\s?{_NUMBER}|(?<![\d.,#]){_NUMBER}\s?{_AFTER}|(?<![\d.,#])\d{{1,6}}\.\d{{2}}(?![\d.]|\s?(?:am|pm)\b)",
    re.IGNORECASE,
)
_DATE = re.compile(
    rf"""(?<!\d)(?:20\d\d-\d\d?-\d\d?|20\d\d[./]\d\d?[./]\d\d?|\d\d?[./-]\d\d?[./-](?:20)?\d\d)(?!\d)
    |(?<!\d)(?:20\d\d年)?\d{{1,2}}月\d{{1,2}}[日号]
    |(?<!\d)\d{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?\b{_MONTH}(?:\s20\d\d)?(?![a-z])
    |\b{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?(?:,?\s20\d\d)?(?!\d)
    |\b(?:{"|".join(_DAYS)})\b|(?:上?周|上?星期|上?礼拜)[{_CHINESE_DAYS}]
    |\byesterday\b|昨天|前天
    |\b(?:\d{{1,2}}|two|three|four|five|six|seven|eight|nine|ten)\sdays\sago\b|\d{{1,2}}天前""",
    re.IGNORECASE | re.VERBOSE,
)
_NUMBERS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


class Entity(Record):
    """Something named in a message."""

    kind: str = Field(description="order_number, date, amount or email by the rules, else a label of the entity model.")
    text: str = Field(description="As the customer wrote it.")
    value: str = Field(description="As an answer says it: a relative day is worked out.")
    start: int = Field(description="Place of its first character in the message, from 0.")


def find_entities(text: str, order_pattern: str = ORDER_PATTERN, today: date | None = None) -> list[Entity]:
    """Entities of a message in reading order. Raises InputError for an unusable order pattern."""
    rules: dict[EntityKind, re.Pattern[str]] = {
        "email": _EMAIL,
        "amount": _AMOUNT,
        "date": _DATE,
        "order_number": order_rule(order_pattern),
    }
    say: dict[EntityKind, Callable[[str], str]] = {"date": lambda found: _day(found, today or date.today())}
    found: list[Entity] = []
    for kind in KINDS:
        for match in rules[kind].finditer(text):
            words = match.group().strip()
            found.append(Entity(kind=kind, text=words, value=say.get(kind, str)(words), start=match.start()))
        # What is taken is blanked out, so that every place stays where it was.
        text = rules[kind].sub(lambda match: "\0" * len(match.group()), text)
    return sorted(found, key=lambda entity: entity.start)


def with_spans(entities: Sequence[Entity], text: str, spans: Sequence[tuple[int, int, str]]) -> list[Entity]:
    """The entities that rules found, and what a model of spans found beside them; rules come first."""
    taken = [(entity.start, entity.start + len(entity.text)) for entity in entities]
    more = [
        Entity(kind=name, text=text[start:end], value=text[start:end], start=start)
        for start, end, name in spans
        if name not in KINDS and not any(start < other_end and other < end for other, other_end in taken)
    ]
    return sorted([*entities, *more], key=lambda entity: entity.start)


def latest(entities: Sequence[Entity]) -> dict[str, str]:
    """What is known by now: the value mentioned last, by kind."""
    return {entity.kind: entity.value for entity in entities}


def order_rule(pattern: str) -> re.Pattern[str]:
    """``#`` stands for a digit and ``A`` for a letter; every other sign for itself. Raises InputError."""
    if not 3 <= len(pattern) <= _MOST_SIGNS or pattern.count("#") < 3 or any(sign.isspace() for sign in pattern):
        raise InputError(
            f"'{pattern[:40]}' is no pattern of order numbers.",
            "Write # for a digit and A for a letter, with three digits or more, such as ##### or AB-######.",
        )
    signs = {"#": r"\d", "A": "[A-Za-z]"}
    body = "".join(signs.get(sign) or re.escape(sign) for sign in pattern)
    return re.compile(rf"(?<![\w.,-]){body}(?![\w-]|[.,]\d)", re.ASCII)


def _day(words: str, today: date) -> str:
    """A relative day as a date; any other day as it was written."""
    folded = words.lower()
    back = {"yesterday": 1, "昨天": 1, "前天": 2}.get(folded)
    if back is None and (folded.endswith("ago") or folded.endswith("天前")):
        count = folded.removesuffix("天前").split()[0]
        back = _NUMBERS.index(count) + 2 if count in _NUMBERS else int(count)
    if back is None:
        return words
    day = today - timedelta(days=back)
    if "天" in folded:
        return f"{day.month}月{day.day}日"
    return f"{day.day} {_MONTHS[day.month - 1].capitalize()}"
