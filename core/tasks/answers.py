"""Answers that stand in a text: where they are, how files write them, and how alike two of them are.

An answer is ``{"start": 13, "end": 18, "text": "Turin"}``: characters of the context, end excluded. How alike a given
answer is to an expected one is measured as SQuAD does (Rajpurkar et al. 2016, 2018; the official evaluation script of
v2.0); words of scripts without spaces are single characters, as in CMRC (Cui et al. 2019).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from core.errors import InputError
from core.tasks.spans import words

Answer = dict[str, Any]
"""``start``, ``end`` and ``text``."""
NOTHING_WORDS = frozenset({"no answer", "no_answer", "unanswerable", "impossible", "无答案", "没有答案"})
"""Cells that say that the context holds no answer."""
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no", ""})
_SHOWN = 40
_AROUND = " .。\"'“”"
"""Signs around an answer that a model writes."""


def answer_at(context: str, start: int, end: int) -> Answer:
    """The answer at these characters, without white space at its ends."""
    piece = context[start:end]
    start += len(piece) - len(piece.lstrip())
    text = piece.strip()
    return {"start": start, "end": start + len(text), "text": text}


def read_cell(context: str, cell: str | None, starts: str | None, impossible: str | None) -> list[Answer] | None:
    """The answers of a row of a file; None where it is not labelled. Raises InputError for one that does not fit.

    ``cell`` is a text that occurs in the context, or JSON: a list of answers, or texts with their starts as on the
    Hub. ``starts`` is the character at which a plain text begins, ``impossible`` says that there is no answer.
    """
    said = (impossible or "").strip().lower()
    if said in _TRUE:
        return []
    if said not in _FALSE:
        raise InputError(f"is_impossible '{said[:_SHOWN]}' is not true or false")
    text = (cell or "").strip()
    if not text:
        return None
    if text.lower() in NOTHING_WORDS and text not in context:
        return []
    given = _json(text)
    if given is None:
        given = [{"text": text, "answer_start": starts} if (starts or "").strip() else text]
    return checked_answers(given, context)


def checked_answers(given: Any, context: str) -> list[Answer]:
    """Answers in the order given, each once. Raises InputError for one that is not where it is said to be.

    Takes what files and programs write: a text, an answer, (start, end), (start, end, text), a list of these, or
    ``{"text": [...], "answer_start": [...]}``.
    """
    found: list[Answer] = []
    for one in _several(given):
        answer = _read(one, context)
        if answer not in found:
            found.append(answer)
    return found


def _several(given: Any) -> list[Any]:
    if isinstance(given, dict) and isinstance(given.get("text"), list):
        starts = given.get("answer_start", given.get("start", [None] * len(given["text"])))
        if not isinstance(starts, list) or len(starts) != len(given["text"]):
            raise InputError(f"there are {len(given['text'])} answers and other numbers of starts")
        return [{"text": text, "answer_start": start} for text, start in zip(given["text"], starts, strict=True)]
    if isinstance(given, dict | str):
        return [given]
    if not isinstance(given, list | tuple):
        raise InputError(f"an answer is a text or a place in the context, not {str(given)[:_SHOWN]}")
    return [given] if given and isinstance(given[0], int) else list(given)


def _read(one: Any, context: str) -> Answer:
    """One answer in its place. Raises InputError."""
    if isinstance(one, str):
        return _found(one.strip(), context)
    if isinstance(one, list | tuple):
        one = dict(zip(("start", "end", "text"), one, strict=False))
    if not isinstance(one, dict):
        raise InputError(f"an answer is a text or a place in the context, not {str(one)[:_SHOWN]}")
    text, start, end = one.get("text"), _whole(one.get("answer_start", one.get("start"))), _whole(one.get("end"))
    if start is None:
        return _found(str(text or "").strip(), context)
    if text is None:
        if end is None:
            raise InputError(f"the answer at {start} has neither a text nor an end")
        return _on_words(context, start, end)
    if not str(text).strip():
        raise InputError(f"the answer at {start} is empty")
    there = context[start : start + len(str(text))] if start >= 0 else ""
    if there != text or (end is not None and end != start + len(str(text))):
        known, shown = context.find(str(text)), _short(str(text))
        if known >= 0:
            raise InputError(f"the answer '{shown}' is not at character {start} of the context but at {known}")
        raise InputError(
            f"the answer '{shown}' is not at character {start} of the context, "
            f"which has {len(context)} and reads '{_short(there)}' there"
        )
    return answer_at(context, start, start + len(str(text)))


def _found(text: str, context: str) -> Answer:
    """Where a text first occurs."""
    if not text:
        raise InputError("an answer is empty")
    start = context.find(text)
    if start < 0:
        raise InputError(f"the answer '{_short(text)}' is not in the context")
    return answer_at(context, start, start + len(text))


def _on_words(context: str, start: int, end: int) -> Answer:
    """A place without its text: nothing but the edges of words tells that it is not one character off."""
    if not 0 <= start < end <= len(context):
        raise InputError(
            f"the answer from {start} to {end} is outside of the context, which has {len(context)} characters"
        )
    answer = answer_at(context, start, end)
    pieces = words(context)
    if answer["start"] not in {s for s, _ in pieces} or answer["end"] not in {e for _, e in pieces}:
        raise InputError(f"the answer from {start} to {end} cuts a word: it reads '{_short(context[start:end])}'")
    return answer


def _whole(number: Any) -> int | None:
    """A whole number; None where there is none. Raises InputError for anything else."""
    if number is None or (isinstance(number, str) and not number.strip()):
        return None
    try:
        exact_number = float(number)  # tables with empty cells write 13 as 13.0
        if exact_number.is_integer():
            return int(exact_number)
    except (TypeError, ValueError):
        pass
    raise InputError(f"the place '{str(number)[:_SHOWN]}' of an answer is not a whole number")


def _json(text: str) -> Any:
    """Answers that a cell writes as JSON; None for a plain text, be it one in brackets."""
    if text[0] not in "[{":
        return None
    try:
        given = json.loads(text)
    except ValueError:
        return None
    if isinstance(given, list) and not all(isinstance(one, str | dict | list) for one in given):
        return None
    return given


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else flat[: _SHOWN - 1] + "…"


def read_back(said: str, context: str, first: Sequence[tuple[int, int]] = ()) -> Answer | None:
    """Where words that a model wrote stand in the context; None where they do not.

    Word by word, as they are, else without case, punctuation and English articles. The parts ``first`` (start, end) are
    looked through before the whole.
    """
    said, pieces = said.strip(_AROUND), words(context)
    for form in (str, normalised):
        wanted = [word for word in (form(said[start:end]) for start, end in words(said)) if word]
        known = [(form(context[start:end]), start, end) for start, end in pieces]
        for begin, stop in [*first, (0, len(context))] if wanted else []:
            part = [one for one in known if one[0] and begin <= one[1] and one[2] <= stop]
            for place in range(len(part) - len(wanted) + 1):
                run = part[place : place + len(wanted)]
                if [word for word, _, _ in run] == wanted:
                    return answer_at(context, run[0][1], run[-1][2])
    return None


# ---------------------------------------------------------------------------------------------- how alike


def normalised(text: str) -> str:
    """Lower case, without punctuation, English articles and superfluous white space."""
    kept = "".join(sign for sign in text.lower() if not unicodedata.category(sign).startswith("P"))
    return " ".join(_ARTICLES.sub(" ", kept).split())


def f1_of(expected: Sequence[Answer], given: Sequence[Answer]) -> float:
    """F1 of the words in common with the expected answer that is nearest; 1 where both say that there is none."""
    return max((_shared(one, other) for one, other in _pairs(expected, given)), default=1.0)


def exact(expected: Sequence[Answer], given: Sequence[Answer]) -> float:
    """1 where the given answer is one of the expected ones, but for case, articles and punctuation; else 0."""
    return max((float(normalised(one) == normalised(other)) for one, other in _pairs(expected, given)), default=1.0)


def _pairs(expected: Sequence[Answer], given: Sequence[Answer]) -> list[tuple[str, str]]:
    """Each expected text beside the first given one; no pair where there is nothing to expect and nothing given."""
    said = given[0]["text"] if given else ""
    if not expected:
        return [("", said)] if said else []
    return [(one["text"], said) for one in expected]


def _shared(one: str, other: str) -> float:
    a, b = ([text[start:end] for start, end in words(text)] for text in (normalised(one), normalised(other)))
    if not a or not b:
        return float(a == b)
    return 2 * (Counter(a) & Counter(b)).total() / (len(a) + len(b))
