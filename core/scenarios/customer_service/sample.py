"""The sample shop: its FAQ, its templates, its resolved conversations and the replay, as files of this project."""

from __future__ import annotations

import csv
import json
from functools import lru_cache
from typing import Any

from core.data.samples import FOLDER
from core.errors import InputError
from core.scenarios.customer_service.config import Template
from core.scenarios.customer_service.conversations import PastConversation, past_conversation
from core.scenarios.customer_service.knowledge import Draft
from core.scenarios.customer_service.replay import Case, make_case

PLACE = FOLDER / "customer_service"


def sample_entries() -> list[Draft]:
    """The FAQ."""
    return [
        Draft(title=row["title"], questions=[row["question"]], answer=row["answer"], intent=row["intent"])
        for row in _table("faq.csv")
    ]


def sample_templates() -> list[Template]:
    """The standard answers."""
    return [make_template(row, number) for number, row in enumerate(_table("templates.csv"), start=1)]


def sample_conversations() -> list[PastConversation]:
    """Conversations that were resolved."""
    return [past_conversation(row, number) for number, row in enumerate(_rows("conversations.jsonl"), start=1)]


def sample_cases() -> list[Case]:
    """What customers wrote later, and what should have happened."""
    return [make_case(number, row["messages"], row) for number, row in enumerate(_rows("replay.jsonl"), start=1)]


def make_template(row: dict[str, Any], number: int) -> Template:
    """A row of a templates table (intent, name, needs separated by |, ask, text). Raises InputError."""
    needs = tuple(filter(None, (part.strip() for part in str(row.get("needs") or "").split("|"))))
    try:
        return Template.model_validate(
            {
                "intent": row.get("intent"),
                "name": row.get("name"),
                "needs": needs,
                "ask": row.get("ask") or "",
                "text": row.get("text"),
            }
        )
    except ValueError as error:
        raise InputError(
            f"Template {number} cannot be used: intent, name and text are needed, and needs are order_number, date, "
            "amount or email.",
            "Correct the row.",
        ) from error


@lru_cache(maxsize=4)
def _text(name: str) -> str:
    return (PLACE / name).read_text(encoding="utf-8")


def _table(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(_text(name).splitlines()))


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _text(name).splitlines()]
