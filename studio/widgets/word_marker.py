"""A text whose words are marked where they stand, by keyboard or mouse. Moving the cursor never leaves the browser.

What a person does to the marks comes as numbered *strokes*: mark these words, take that back, undo, relate what is
marked. The browser sends all those that it has no answer to yet, because two quick presses may arrive as one, and of
one value only the newest would be left. ``done`` tells it how far the strokes have been heard.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import streamlit as st
from pydantic import BaseModel, Field, ValidationError

from core.tasks.spans import Span, words
from studio import session

KEY = "words"
"""One for all texts, so that the next one takes the place of the one before at once; what is said names its text."""
ASSETS = Path(__file__).parents[1] / "assets"


class Stroke(BaseModel):
    """One thing that a person did to the marks of a text."""

    n: int
    do: Literal["mark", "back", "undo", "relate"]
    first: int = Field(alias="from", ge=0)
    """Place of its first word, from 0."""
    last: int = Field(alias="to", ge=0)
    label: int
    """Id of the label, or of the relation; 0 where none is meant."""


class Said(BaseModel):
    """What the browser holds about a text: the strokes that were not answered yet, and the words chosen now."""

    item: int
    visit: int = 0
    """``Marking.visit`` when it was said."""
    strokes: list[Stroke] = []
    chosen: tuple[int, int] | None = None
    """Places of the first and last chosen word."""


@dataclass(frozen=True)
class Kind:
    """What words can be marked as."""

    id: int
    name: str
    colour: str = ""
    key: str | None = None


@dataclass(frozen=True)
class Relation:
    """What a stroke of the key of a relation asks for."""

    project_id: int
    item_id: int
    label: str


@dataclass(frozen=True)
class Marking:
    """How far the marks of one text have come in this session."""

    done: int = 0
    """Number of the last stroke that was heard."""
    before: list[list[Span]] = field(default_factory=list)
    """The marks before each change, the newest last."""
    asked: list[tuple[Relation, list[Span]]] = field(default_factory=list)
    """Relations that were asked for and are not made yet, with the marks at that moment. Held with ``done``: whatever
    ends a script run, a stroke is either not heard or waits here."""
    visit: int = 0
    """How often a text has come on screen: words that were chosen on an earlier visit are not chosen any more."""


@cache
def _component() -> Callable[..., Any]:
    html, css, js = ((ASSETS / f"words.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    return st.components.v2.component("whetstone_words", html=html, css=css, js=js)


def word_marker(
    item_id: int,
    text: str,
    spans: Sequence[Span],
    kinds: Sequence[Kind],
    *,
    hint: str,
    on_stroke: Callable[[], None],
    width: int,
    height: int,
    large: bool,
    relations: Sequence[Kind] = (),
    lone: bool = False,
    once: bool = False,
) -> None:
    """Draw the text with its marks; ``on_stroke`` is called before the next run when a stroke came.

    ``relations``: keys that take one mark of each kind away, see ``heard``. ``lone``: there is one mark at most, it
    follows what is chosen, and no key is needed. ``once``: one mark a kind.
    """
    pieces = words(text)
    edges = [0, *(end for _start, end in pieces)]
    colours = {kind.name: kind.colour for kind in kinds}
    held = marking(item_id)
    _component()(
        key=KEY,
        data={
            "item": item_id,
            "parts": [[text[edges[i] : start], text[start:end]] for i, (start, end) in enumerate(pieces)],
            "tail": text[edges[-1] :],
            "spans": [
                {"from": first, "to": last, "name": name, "colour": colours.get(name, "")}
                for (first, last), name in ((_places(pieces, span), span[2]) for span in spans)
                if first <= last
            ],
            "labels": [
                {"id": kind.id, "name": kind.name, "colour": kind.colour, "key": kind.key or ""} for kind in kinds
            ],
            "relations": [{"id": kind.id, "key": kind.key or ""} for kind in relations],
            "done": held.done,
            "visit": held.visit,
            "undo": bool(held.before),
            "hint": hint,
            "height": height,
            "large": large,
            "lone": lone,
            "once": once,
        },
        width=width,
        on_said_change=on_stroke,
    )


def heard(
    item_id: int,
    text: str,
    spans: list[Span],
    kinds: Sequence[Kind],
    *,
    relations: Mapping[int, Relation] | None = None,
    lone: bool = False,
    once: bool = False,
) -> list[Span]:
    """The marks after the strokes that came since the last time.

    A stroke with the id of one of the ``relations`` is kept in ``Marking.asked`` with the marks of that moment, and
    takes them away where every kind has one.
    """
    said, held, pieces = _said(item_id), marking(item_id), words(text)
    done, before, asked = held.done, list(held.before), list(held.asked)
    for stroke in sorted(said.strokes if said else [], key=lambda stroke: stroke.n):
        if stroke.n <= done:
            continue
        done = stroke.n
        if stroke.do == "undo":
            spans = before.pop() if before else spans
            continue
        if stroke.do == "relate":
            if stroke.label not in (relations or {}):
                continue
            asked.append(((relations or {})[stroke.label], spans))
            after = [] if {name for _start, _end, name in spans} >= {kind.name for kind in kinds} else spans
        else:
            after = apply(stroke, spans, pieces, _kind(stroke.label, kinds, spans), lone=lone, once=once)
        if after != spans:
            before.append(spans)
            spans = after
    _keep(item_id, replace(held, done=done, before=before, asked=asked))
    return spans


def unheard(item_id: int) -> bool:
    """True where the browser sent strokes on this text that ``heard`` has not seen."""
    said, done = _said(item_id), marking(item_id).done
    return said is not None and any(stroke.n > done for stroke in said.strokes)


def apply(
    stroke: Stroke,
    spans: list[Span],
    pieces: Sequence[tuple[int, int]],
    name: str | None,
    *,
    lone: bool = False,
    once: bool = False,
) -> list[Span]:
    """The marks after one stroke as ``name``; as they are where there are no such words, or there is no such label."""
    if not stroke.first <= stroke.last < len(pieces):
        return spans
    start, end = pieces[stroke.first][0], pieces[stroke.last][1]
    if stroke.do == "back":
        return [span for span in spans if not (span[0] < end and start < span[1])]
    if name is None:
        return spans
    return with_span(spans, (start, end, name), lone=lone, once=once)


def _kind(label: int, kinds: Sequence[Kind], spans: Sequence[Span]) -> str | None:
    """What a stroke marks words as: of several kinds with one key the first that nothing is marked as, else the last.

    Decided here, as the marks before may be others by now than those the browser showed.
    """
    meant = next((kind for kind in kinds if kind.id == label), None)
    if meant is None:
        return None
    names = [kind.name for kind in kinds if kind is meant or (meant.key is not None and kind.key == meant.key)]
    used = {name for _start, _end, name in spans}
    return next((name for name in names if name not in used), names[-1])


def with_span(spans: Sequence[Span], new: Span, *, lone: bool = False, once: bool = False) -> list[Span]:
    """The spans with a new one, which takes the place of those that it overlaps."""
    stays = [
        span
        for span in spans
        if not lone and not (span[0] < new[1] and new[0] < span[1]) and not (once and span[2] == new[2])
    ]
    return sorted([*stays, new])


def chosen_words(item_id: int, text: str) -> tuple[int, int] | None:
    """(start, end) of the words that are chosen now, as far as the browser has said."""
    said, pieces = _said(item_id), words(text)
    if said is None or said.chosen is None or said.visit != marking(item_id).visit:
        return None
    if not 0 <= said.chosen[0] <= said.chosen[1] < len(pieces):
        return None
    return pieces[said.chosen[0]][0], pieces[said.chosen[1]][1]


def ask(relation: Relation, spans: list[Span]) -> None:
    """Ask for a relation between the marks by something that is no stroke."""
    held = marking(relation.item_id)
    _keep(relation.item_id, replace(held, asked=[*held.asked, (relation, spans)]))


def begin(item_id: int) -> None:
    """A text comes on screen: there is nothing to undo yet, and nothing is chosen. Strokes are numbered on."""
    held: dict[int, Marking] = st.session_state.get(session.MARKED) or {}
    done = max((one.done for one in held.values()), default=0)
    visit = 1 + max((one.visit for one in held.values()), default=0)
    _keep(item_id, Marking(done, asked=marking(item_id).asked, visit=visit))


def remember(item_id: int, spans: list[Span]) -> None:
    """Keep the marks as they are, before a change that is no stroke."""
    held = marking(item_id)
    _keep(item_id, replace(held, before=[*held.before, spans]))


def _keep(item_id: int, marks: Marking) -> None:
    """Hold the marks of one text, and relations of others that still wait: for room on the disk, say."""
    held: dict[int, Marking] = st.session_state.get(session.MARKED) or {}
    st.session_state[session.MARKED] = {one: other for one, other in held.items() if other.asked} | {item_id: marks}


def marking(item_id: int) -> Marking:
    """What this session knows of the marks of one text."""
    held: dict[int, Marking] = st.session_state.get(session.MARKED) or {}
    return held.get(item_id, Marking())


def _said(item_id: int) -> Said | None:
    """What the browser said about this text; None for nothing, or for what is no such thing."""
    state = st.session_state.get(KEY) or {}
    try:
        said = Said.model_validate(state.get("said"))
    except ValidationError:
        return None
    return said if said.item == item_id else None


def _places(pieces: Sequence[tuple[int, int]], span: Span) -> tuple[int, int]:
    """Places of the first and last word that a span touches."""
    first = bisect_right([end for _, end in pieces], span[0])
    return first, bisect_left([start for start, _ in pieces], span[1]) - 1
