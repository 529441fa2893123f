"""What the person who takes over reads first: who wants what, what is known, what was tried."""

from __future__ import annotations

from pydantic import Field

from core.records import Record
from core.scenarios.customer_service.agent import Reason, Trace
from core.scenarios.customer_service.conversations import Conversation

MOST_QUOTED = 5
LONGEST_QUOTE = 300


class Summary(Record):
    """One conversation in a few lines."""

    intent: str = Field(description="The most probable wish over the conversation; empty when nobody knows.")
    intent_score: float = 0.0
    known: dict[str, str] = Field(default_factory=dict, description="Order number and so on, by kind.")
    said: list[str] = Field(default_factory=list, description="What the customer wrote last, oldest first.")
    answered: list[str] = Field(default_factory=list, description="Titles of what the customer was told already.")
    nearest: list[str] = Field(default_factory=list, description="Titles that came near in the last search.")
    reason: Reason | None = Field(default=None, description="Why the agent gave up; None when it did not.")
    language: str | None = None


def summarise(conversation: Conversation, out_of_scope: str = "") -> Summary:
    """The summary of a conversation as it stands, without any model: every word is the customer's or a title."""
    traces = [
        Trace.model_validate(message.trace)
        for message in conversation.messages
        if message.role == "agent" and message.trace is not None
    ]
    said = [message.text[:LONGEST_QUOTE] for message in conversation.messages if message.role == "customer"]
    if not traces:
        return Summary(intent=conversation.intent, said=said[-MOST_QUOTED:])
    wishes = [trace for trace in traces if trace.intent and trace.intent != out_of_scope]
    surest = max(wishes, key=lambda trace: trace.intent_score, default=None)
    last = traces[-1]
    answered: list[str] = []
    for trace in traces:
        if trace.template and trace.decision in ("template", "ask"):
            answered.append(trace.template)
        answered += [hit.title for hit in trace.passages if hit.key in trace.used]
    return Summary(
        intent=surest.intent if surest else "",
        intent_score=surest.intent_score if surest else 0.0,
        known=last.known,
        said=said[-MOST_QUOTED:],
        answered=list(dict.fromkeys(answered)),
        nearest=[hit.title for hit in last.passages[:3]],
        reason=last.reason if last.decision == "handover" else None,
        language=last.language,
    )
