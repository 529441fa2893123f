"""Spans of a text, and the words they are made of. A span is (start, end, name) in characters, end excluded.

A word is a run of letters and digits, a single other sign, or a single character of a script that puts no spaces
between words. Words are what models tag and what token-level figures count; a span begins and ends with one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from core.errors import InputError

Span = tuple[int, int, str]
_SOLO = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003134f"
)
_UNSEEN = "\u200b-\u200f\u2060\ufeff"
_HIDDEN = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_WORD = re.compile(rf"[{_SOLO}]|(?:(?![{_SOLO}])\w)+|[^\w\s{_UNSEEN}]")
_TAG = re.compile(r"([BIESLUM])[-_](.+)")
_BEGIN, _END = frozenset("BSU"), frozenset("ESLU")
_STOP = re.compile(r"[.!?。！？；\n]")
OUTSIDE = "O"
SCHEMES = {"iob2": "BI", "bioes": "BIES"}
"""Prefixes of the tags of a label, in their order; B- begins a span, E- ends one of several words, S- is one of one."""


def words(text: str) -> list[tuple[int, int]]:
    """(start, end) of every word, in order."""
    return [match.span() for match in _WORD.finditer(text)]


def sentences(text: str, pieces: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """(first word, word after the last) of each sentence; a full stop inside a word or a number ends none."""
    found, first = [], 0
    for place, (start, end) in enumerate(pieces):
        ahead = pieces[place + 1][0] if place + 1 < len(pieces) else len(text)
        gap = text[end:ahead]
        ends = bool(_STOP.search(text[start:end])) and (bool(gap) or ord(text[start]) > 127)
        if ends or "\n" in gap or place + 1 == len(pieces):
            found.append((first, place + 1))
            first = place + 1
    return found


def checked_spans(spans: Iterable[Any], text: str) -> list[Span]:
    """Spans in order, each named, within the text, on the edges of words and apart. Raises InputError for others."""
    found = sorted({_trimmed(_span(one), text) for one in spans})
    pieces = words(text)
    starts, ends = {start for start, _ in pieces}, {end for _, end in pieces}
    for start, end, name in found:
        where = f"'{name}' from {start} to {end}"
        if not 0 <= start < end <= len(text):
            raise InputError(f"the span {where} is outside of the text, which has {len(text)} characters")
        if start not in starts or end not in ends:
            raise InputError(f"the span {where} cuts a word: it reads '{text[start:end][:40]}'")
    for (_, end, name), (start, _, other) in pairwise(found):
        if start < end:
            raise InputError(f"the spans '{name}' and '{other}' overlap at character {start}")
    return found


def _span(one: Any) -> Span:
    """A span as files have it: a list of three, or an object with start, end and label."""
    if isinstance(one, dict):
        name = next((one[key] for key in ("label", "name", "type", "tag", "entity_group") if one.get(key)), None)
        one = (one.get("start", one.get("start_offset")), one.get("end", one.get("end_offset")), name)
    try:
        start, end, name = one
        return int(start), int(end), str(name).strip() or _fail()
    except (TypeError, ValueError):
        raise InputError(f"a span is (start, end, label), not {str(one)[:60]}") from None


def _trimmed(span: Span, text: str) -> Span:
    """The span without signs at its edges that nobody sees; files carry them along."""
    start, end, name = span
    if 0 <= start < end <= len(text):
        end -= len(text[start:end]) - len(text[start:end].rstrip(_HIDDEN))
        start += len(text[start:end]) - len(text[start:end].lstrip(_HIDDEN))
    return start, end, name


def _fail() -> str:
    raise ValueError


def joined(tokens: Sequence[str], spaces: Sequence[str] | None = None) -> tuple[str, list[tuple[int, int]]]:
    """The text of tokens, and where each stands in it.

    ``spaces`` is what stands before the first token and after each, one more than there are tokens. Where it is not
    known: a space between two tokens unless both are of a script without.
    """
    text, places = spaces[0] if spaces else "", []
    solo = re.compile(rf"[{_SOLO}]")
    for place, token in enumerate(tokens):
        if spaces is None and text and not (solo.match(text[-1]) and solo.match(token[:1])):
            text += " "
        places.append((len(text), len(text) + len(token)))
        text += token + (spaces[place + 1] if spaces else "")
    return text, places


def split_up(text: str) -> tuple[list[str], list[str]]:
    """(tokens, spaces) of a text: its words, and what stands before the first and after each. ``joined`` undoes it."""
    pieces = words(text)
    edges = [0, *(edge for piece in pieces for edge in piece), len(text)]
    return [text[start:end] for start, end in pieces], [text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]


def from_tags(places: Sequence[tuple[int, int]], tags: Sequence[str]) -> list[Span]:
    """Spans of tagged tokens; IOB1, IOB2, BIOES, BILOU and BMES are read alike. Raises InputError for other tags."""
    if len(places) != len(tags):
        raise InputError(f"there are {len(places)} tokens and {len(tags)} tags")
    spans: list[Span] = []
    name, inside = "", False
    for (start, end), tag in zip(places, tags, strict=True):
        if tag in (OUTSIDE, "", "_"):
            inside = False
            continue
        match = _TAG.fullmatch(tag)
        if match is None:
            raise InputError(f"'{tag[:40]}' is no tag: tags are O, or like B-place, I-place")
        prefix, kind = match.groups()
        if inside and prefix not in _BEGIN and kind == name:
            spans[-1] = (spans[-1][0], end, kind)
        else:
            spans.append((start, end, kind))
        name, inside = kind, prefix not in _END
    return spans


def to_tags(pieces: Sequence[tuple[int, int]], spans: Iterable[Span]) -> list[str]:
    """The IOB2 tag of each piece of a text: B- where a span begins, I- further inside, O elsewhere."""
    tags = [OUTSIDE] * len(pieces)
    for start, end, name in spans:
        within = [i for i, (left, right) in enumerate(pieces) if left < end and right > start]
        for place, i in enumerate(within):
            tags[i] = f"{'I' if place else 'B'}-{name}"
    return tags


def tag_names(labels: Iterable[str], scheme: str = "iob2") -> list[str]:
    """The tags there are for these labels: O, then those of each, B- and I-, in ``bioes`` E- and S- as well."""
    return [OUTSIDE, *(f"{prefix}-{label}" for label in labels for prefix in SCHEMES[scheme])]


def to_bioes(tags: Sequence[str]) -> list[str]:
    """IOB2 tags as BIOES: E- ends a span of several pieces, S- is a span of one."""
    found = []
    for tag, after in zip(tags, [*tags[1:], OUTSIDE], strict=True):
        goes_on = after == f"I-{tag[2:]}"
        if tag == OUTSIDE or goes_on:
            found.append(tag)
        else:
            found.append(f"{'S' if tag.startswith('B-') else 'E'}-{tag[2:]}")
    return found


def common_pieces(*several: Iterable[Span]) -> list[tuple[int, int]]:
    """The stretches between the edges of all these spans: on them each span begins and ends with a piece."""
    edges = sorted({edge for spans in several for start, end, _ in spans for edge in (start, end)})
    return list(pairwise(edges))
