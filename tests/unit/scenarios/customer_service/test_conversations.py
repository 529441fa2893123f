"""Conversations are kept, handed over, and found again."""

from __future__ import annotations

import pytest

from core.errors import InputError, RefusedError
from core.scenarios.customer_service.conversations import check_message, past_conversation
from core.scenarios.customer_service.scenario import CustomerService

PAST = {"id": "c1", "intent": "x", "turns": [{"role": "customer", "text": "lamp dead"}], "resolution": "Charger."}


def test_messages_are_kept_in_order_with_their_trace(desk: CustomerService) -> None:
    talks = desk.conversations
    talk = talks.start(user="ann")
    talks.say(talk, "customer", " hi\0 ")
    talks.say(talk, "agent", "hello", {"decision": "handover"})
    (found,) = talks.recent()
    assert [(message.role, message.text) for message in found.messages] == [("customer", "hi"), ("agent", "hello")]
    assert found.messages[1].trace == {"decision": "handover"}
    assert talks.titles() == {talk.id: "hi"}


def test_a_resolved_conversation_is_closed(desk: CustomerService) -> None:
    talks = desk.conversations
    talk = talks.hand_over(talks.start(), "refund")
    assert (talk.state, talk.intent) == ("handed_over", "refund")
    done = talks.resolve(talks.hand_back(talk), "Told them.")
    assert [found.id for found in talks.resolved()] == [done.id]
    for late in (
        lambda: talks.say(done, "customer", "x"),
        lambda: talks.hand_over(talk),
        lambda: talks.resolve(talk, "y"),
    ):
        with pytest.raises(RefusedError, match="resolved"):
            late()


@pytest.mark.parametrize("text", ["", "  \n", "\0", "x" * 20_001])
def test_empty_and_endless_messages_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        check_message(text)


def test_the_longest_message_is_taken() -> None:
    assert len(check_message("x" * 20_000)) == 20_000


def test_past_conversations_come_once(desk: CustomerService) -> None:
    past = [past_conversation(PAST, 1), past_conversation(PAST | {"id": "c2"}, 2)]
    assert desk.conversations.import_resolved(past, "f.jsonl") == 2
    assert desk.conversations.import_resolved(past, "f.jsonl") == 0
    assert desk.conversations.recent() == [], "they did not happen here"
    assert {found.external_id for found in desk.conversations.resolved()} == {"c1", "c2"}


@pytest.mark.parametrize(
    "changes", [{"turns": "x"}, {"turns": [1]}, {"turns": []}, {"resolution": " "}, {"turns": '["a"]'}]
)
def test_unusable_rows_are_named(changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match="Row 7"):
        past_conversation(PAST | changes, 7)
