"""One message in, one answer out, with everything that was seen on the way.

Order of decisions: a person when one is asked for; a passage that is about exactly this; the template of a sure and
in-scope intent; the nearest passage that is near enough (or what the generator writes from the nearest ones); a person.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from core.data.language import detect
from core.errors import StudioError
from core.records import Record
from core.scenarios.customer_service.config import CustomerServiceConfig
from core.scenarios.customer_service.conversations import Message, check_message
from core.scenarios.customer_service.embedder import Embedder, one_thread
from core.scenarios.customer_service.entities import Entity, find_entities, latest, with_spans
from core.scenarios.customer_service.generator import MOST_PASSAGES, Writer, answer_pieces, grounded
from core.scenarios.customer_service.scope import Scope
from core.scenarios.customer_service.search import Hit, Index
from core.scenarios.customer_service.templates import Filled, choose

if TYPE_CHECKING:
    from core.model import Model

TOGETHER = 0.03
"""A second passage that is nearly as close is told as well."""
SHOWN_INTENTS = 5
FOUND = 5
PIECE_WORDS = 4

Decision = Literal["template", "ask", "passage", "generated", "handover"]
Reason = Literal[
    "asked_for_person", "exact_passage", "completed", "sure_intent", "near_passage", "nothing_near", "not_contained",
    "generator_failed",
]  # fmt: skip


class Trace(Record):
    """Everything the agent saw and why it answered as it did."""

    language: str | None = Field(default=None, description="ISO 639-1 code; None when the message is too short.")
    model: str | None = Field(default=None, description="Id of the intent model; None while there is none.")
    intent: str = Field(default="", description="Most probable intent.")
    intent_score: float = Field(default=0.0, description="Its probability, 0 to 1.")
    intent_scores: dict[str, float] = Field(default_factory=dict, description="The most probable intents.")
    scope: float | None = Field(default=None, description="Largest in-scope probability times nearness to known texts.")
    scope_threshold: float | None = Field(default=None, description="Below it a message counts as foreign.")
    in_scope: bool = False
    entities: list[Entity] = Field(default_factory=list, description="Found in this message.")
    known: dict[str, str] = Field(default_factory=dict, description="Known from the whole conversation, by kind.")
    passages: list[Hit] = Field(default_factory=list, description="What the search found, best first.")
    decision: Decision = "handover"
    reason: Reason = "nothing_near"
    template: str = Field(default="", description="Name of the template that answered.")
    missing: list[str] = Field(default_factory=list, description="What the answer asks for.")
    used: list[str] = Field(default_factory=list, description="Keys of the passages in the answer.")
    grounded: float | None = Field(default=None, description="Generated answers: share of words from the passages.")
    problem: str = Field(default="", description="Why the generator could not write, if so.")
    milliseconds: dict[str, float] = Field(default_factory=dict, description="Time by step.")


@dataclass
class Answer:
    """What the agent says and why."""

    text: str
    trace: Trace


@dataclass(frozen=True)
class Agent:
    """An agent on one state of a setup."""

    config: CustomerServiceConfig
    index: Index
    embedder: Embedder
    model: Model | None = None
    """Intent model; without one, only passages answer."""
    scope: Scope | None = None
    writer: Writer | None = None
    tagger: Model | None = None
    """Model of spans: finds what the rules for entities do not know."""

    def answer(self, message: str, history: Sequence[Message] = ()) -> Answer:
        """The whole answer at once. Raises InputError for an empty or endless message."""
        *_, last = self.stream(message, history)
        if not isinstance(last, Answer):
            raise TypeError("the stream ends with an answer")
        return last

    def stream(self, message: str, history: Sequence[Message] = ()) -> Iterator[str | Answer]:
        """Pieces of the answer as they come, and the whole answer with its trace at the end. Raises InputError."""
        seen = self._look(check_message(message), history)
        text, trace = self._decide(seen, history)
        if trace.decision == "generated" and self.writer is not None:
            started = time.perf_counter()
            written, problem = "", ""
            try:
                for piece in answer_pieces(self.writer, seen.message, trace.passages):
                    written += piece
                    yield piece
            except StudioError as error:
                problem = str(error)
            seen.clock["generator"] = _ms(started)
            text, trace, rest = self._written(written, problem, trace)
            yield from _pieces(rest)
        else:
            yield from _pieces(text)
        yield Answer(text, trace.model_copy(update={"milliseconds": {k: round(v, 2) for k, v in seen.clock.items()}}))

    # ------------------------------------------------------------ what it sees

    def _look(self, message: str, history: Sequence[Message]) -> _Seen:
        clock: dict[str, float] = {}
        started = time.perf_counter()
        language = detect(message)
        clock["language"] = _ms(started)
        started = time.perf_counter()
        entities = find_entities(message, self.config.order_pattern)
        if self.tagger is not None:
            with one_thread():
                entities = with_spans(entities, message, self.tagger.predict([message])[0].label)
        known = {**_known(history), **latest(entities)}
        clock["entities"] = _ms(started)
        trace = Trace(language=language, entities=entities, known=known)
        with one_thread():
            started = time.perf_counter()
            found = self.model.predict([message])[0] if self.model is not None else None
            clock["intent"] = _ms(started)
            started = time.perf_counter()
            vector = self.embedder.one(message)
            clock["embedding"] = _ms(started)
        started = time.perf_counter()
        hits = self.index.search(message, vector, FOUND)
        clock["search"] = _ms(started)
        changes: dict[str, object] = {"passages": hits}
        if found is not None and self.model is not None:
            ranked = sorted(found.scores.items(), key=lambda pair: -pair[1])[:SHOWN_INTENTS]
            changes |= {
                "model": self.model.id,
                "intent": str(found.label),
                "intent_score": found.score,
                "intent_scores": dict(ranked),
                **self._in_scope(found.scores, str(found.label), vector),
            }
        return _Seen(message, trace.model_copy(update=changes), clock)

    def _in_scope(self, scores: Mapping[str, float], label: str, vector: np.ndarray) -> dict[str, object]:
        foreign = label == self.config.out_of_scope
        if self.scope is None or self.model is None:
            return {"in_scope": not foreign}
        row = np.array([[scores[name] for name in self.model.info.labels]])
        measured = float(self.scope.measure(row, vector[None])[0])
        threshold = self.scope.threshold(self.config.rejected)
        return {
            "scope": measured,
            "scope_threshold": threshold,
            "in_scope": not foreign and measured >= threshold,
        }

    # ------------------------------------------------------------ what it does

    def _decide(self, seen: _Seen, history: Sequence[Message]) -> tuple[str, Trace]:
        config, trace = self.config, seen.trace
        pending = _pending(history)
        if pending is not None and {entity.kind for entity in trace.entities} & set(pending.missing):
            filled = choose(config.templates, pending.intent, trace.known)
            if filled is not None:
                return _templated(trace.model_copy(update={"intent": pending.intent}), filled, "completed")
        sure = trace.intent_score >= config.confidence and trace.language in (None, *config.languages)
        if sure and trace.intent in config.handover_intents:
            filled = choose(config.templates, trace.intent, trace.known)
            text = config.handover_text if filled is None else filled.text
            return text, _decided(trace, "handover", "asked_for_person", template=filled.name if filled else "")
        nearest = max((hit.similarity for hit in trace.passages[:1]), default=-1.0)
        if config.passage_first <= nearest and config.passage_first < 1:
            return self._from_passages(trace, "exact_passage")
        if sure and trace.in_scope and trace.intent != config.out_of_scope:
            filled = choose(config.templates, trace.intent, trace.known)
            if filled is not None:
                return _templated(trace, filled, "sure_intent")
        if nearest >= config.passage:
            return self._from_passages(trace, "near_passage")
        return config.handover_text, _decided(trace, "handover", "nothing_near")

    def _from_passages(self, trace: Trace, reason: Reason) -> tuple[str, Trace]:
        first = trace.passages[0]
        if self.writer is not None:
            used = [hit.key for hit in trace.passages[:MOST_PASSAGES]]
            return "", _decided(trace, "generated", reason, used=used)
        told = [first]
        for hit in trace.passages[1:2]:
            if hit.closeness >= first.closeness - TOGETHER and hit.similarity >= self.config.passage:
                told.append(hit)
        text = "\n\n".join(hit.text for hit in told)
        return text, _decided(trace, "passage", reason, used=[hit.key for hit in told])

    def _written(self, written: str, problem: str, trace: Trace) -> tuple[str, Trace, str]:
        """(whole text, trace, what is still to be said) after the generator is done."""
        text = written.strip()
        if text and not problem:
            return text, trace.model_copy(update={"grounded": grounded(text, trace.passages)}), ""
        rest = ("\n\n" if text else "") + self.config.handover_text
        reason: Reason = "generator_failed" if problem else "not_contained"
        return text + rest, _decided(trace, "handover", reason, problem=problem, used=[]), rest


@dataclass
class _Seen:
    message: str
    trace: Trace
    clock: dict[str, float] = field(default_factory=dict)


def used_passages(trace: Trace) -> list[Hit]:
    """The passages in the answer."""
    return [hit for hit in trace.passages if hit.key in trace.used]


def _templated(trace: Trace, filled: Filled, reason: Reason) -> tuple[str, Trace]:
    decision: Decision = "ask" if filled.missing else "template"
    return filled.text, _decided(trace, decision, reason, template=filled.name, missing=list(filled.missing))


def _decided(trace: Trace, decision: Decision, reason: Reason, **more: object) -> Trace:
    return trace.model_copy(update={"decision": decision, "reason": reason, **more})


def _known(history: Sequence[Message]) -> dict[str, str]:
    """What earlier messages of the conversation named."""
    last = _last_trace(history)
    return {} if last is None else dict(last.known)


def _pending(history: Sequence[Message]) -> Trace | None:
    """The last answer, when it asked for something."""
    last = _last_trace(history)
    return last if last is not None and last.missing else None


def _last_trace(history: Sequence[Message]) -> Trace | None:
    for message in reversed(history):
        if message.role == "agent" and message.trace is not None:
            return Trace.model_validate(message.trace)
    return None


def _pieces(text: str) -> Iterator[str]:
    """A finished text in pieces of a few words, white space kept."""
    words = text.split(" ")
    for start in range(0, len(words), PIECE_WORDS):
        yield " ".join(words[start : start + PIECE_WORDS]) + (" " if start + PIECE_WORDS < len(words) else "")


def _ms(started: float) -> float:
    return (time.perf_counter() - started) * 1000
