"""Which template answers, and what it asks for."""

from __future__ import annotations

import pytest

from core.scenarios.customer_service.templates import choose, fill
from tests.unit.scenarios.customer_service.conftest import TEMPLATES

NUMBER, DAY = {"order_number": "42817"}, {"date": "4 May"}


@pytest.mark.parametrize(
    ("intent", "known", "name", "text", "missing"),
    [
        ("order_status", {}, "General", "Parcels take 2 days. Which order?", ("order_number",)),
        ("order_status", NUMBER, "With number", "Order 42817 is on its way.", ()),
        ("order_status", NUMBER | DAY, "With both", "Order 42817 was due 4 May.", ()),
        ("order_status", DAY, "With both", "Which order and day?", ("order_number",)),
        ("refund_status", {}, "Amount", "Which amount, which order?", ("amount", "order_number")),
        ("refund_status", NUMBER, "Amount", "Which amount, which order?", ("amount",)),
    ],
)
def test_the_most_specific_template_that_is_complete(intent, known, name, text, missing) -> None:
    filled = choose(TEMPLATES, intent, known)
    assert filled is not None
    assert (filled.name, filled.text, filled.missing) == (name, text, missing)


def test_an_intent_without_a_template_has_no_answer() -> None:
    assert choose(TEMPLATES, "unheard_of", NUMBER) is None


def test_only_known_places_are_filled() -> None:
    assert fill("{order_number} {0} {x!r} {date}", {"order_number": "{date}"}) == "{date} {0} {x!r} {date}"
