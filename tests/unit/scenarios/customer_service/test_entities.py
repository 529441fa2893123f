"""What the rules find, and what they leave alone."""

from __future__ import annotations

import time
from datetime import date

import pytest

from core.errors import InputError
from core.scenarios.customer_service.entities import find_entities, latest, order_rule, with_spans

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Where is 42817?", {"order_number": "42817"}),
        ("order #42817 due 4 November", {"order_number": "42817", "date": "4 November"}),
        ("on Nov 4th, 2026 I paid €64.90", {"date": "Nov 4th, 2026", "amount": "€64.90"}),
        ("2026-11-04 and 04/11/2026", {"date": "04/11/2026"}),
        ("it left nine days ago", {"date": "13 November"}),
        ("since yesterday", {"date": "21 November"}),
        ("119.00 was taken", {"amount": "119.00"}),
        ("30 euro voucher", {"amount": "30 euro"}),
        ("USD 1,250.50 please", {"amount": "USD 1,250.50"}),
        ("write to a.b+c@shop.example please", {"email": "a.b+c@shop.example"}),
        ("订单42817，11月4日，付了64.9元，邮箱a@b.example", {
            "order_number": "42817", "date": "11月4日", "amount": "64.9元", "email": "a@b.example"}),
        ("昨天买的", {"date": "11月21日"}),
        ("call 0113 496 0188 at 10.30 am, room 123456", {}),
        ("card 4111 1111 1111 1111", {}),
        ("12345678 is too long and 1234 too short", {}),
        ("may I ask?", {}),
    ],
)  # fmt: skip
def test_rules(text: str, expected: dict[str, str]) -> None:
    assert latest(find_entities(text, today=TODAY)) == expected


def test_what_one_rule_has_taken_the_next_does_not_see() -> None:
    found = find_entities("mail 42817@shop.example about EUR 42817.00 and 42817", today=TODAY)
    assert [entity.kind for entity in found] == ["email", "amount", "order_number"]
    assert found[2].start == len("mail 42817@shop.example about EUR 42817.00 and ")


@pytest.mark.parametrize(("pattern", "text", "found"), [("AB-###", "my ab-123!", False), ("AA-####", "ZX-1234", True)])
def test_patterns_are_no_regular_expressions(pattern: str, text: str, found: bool) -> None:
    assert bool(order_rule(pattern).search(text)) == found


@pytest.mark.parametrize("pattern", ["", "##", "(a+)+$", "# # #", "#" * 50])
def test_unusable_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(InputError, match="pattern of order numbers"):
        order_rule(pattern)


@pytest.mark.parametrize("piece", ["1", "1.", "a@", "€1", "12 ", "@", "monday ", "2026-1-", "a.b-c+"])
def test_a_hostile_message_takes_no_time(piece: str) -> None:
    started = time.perf_counter()
    find_entities(piece * (20_000 // len(piece)))
    assert time.perf_counter() - started < 60  # a pattern that explodes takes hours


def test_spans_of_a_model_stand_beside_the_rules_and_rules_win() -> None:
    text = "The Blue Kettle from order 42817 leaks, says Ann"
    rules = find_entities(text)
    spans = [(4, 15, "product"), (21, 32, "product"), (45, 48, "person"), (45, 48, "date")]
    found = with_spans(rules, text, spans)
    assert [(entity.kind, entity.text) for entity in found] == [
        ("product", "Blue Kettle"), ("order_number", "42817"), ("person", "Ann")
    ]  # fmt: skip
    assert latest(found) == {"product": "Blue Kettle", "order_number": "42817", "person": "Ann"}
