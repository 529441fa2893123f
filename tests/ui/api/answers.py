"""What the API's tests share: texts to learn from, and how a refusal must look."""

from __future__ import annotations

from typing import Any

WORDS = {
    "refund": "money back please refund charge twice bill card pay return",
    "delivery": "parcel late where arrives courier street door box track post",
}


def texts(rows: int) -> list[tuple[str, str]]:
    """(text, label) pairs with words that only their label uses, all different."""
    pairs = []
    for index in range(rows):
        label = ["refund", "delivery"][index % 2]
        words = WORDS[label].split()
        pairs.append((f"{words[index % 10]} {words[(index * 3 + 1) % 10]} number {index}", label))
    return pairs


def assert_problem(answer: Any, status: int, *words: str) -> None:
    """The answer is a problem that people can read, and lets nothing out."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status and body["title"] and body["type"].startswith("urn:whetstone:problem:")
    for word in words:
        assert word in body["detail"] + body["hint"]
    assert "Traceback" not in answer.text and "core/" not in answer.text
