"""Items from hostile and clumsy callers: text is only text, and what cannot be used is refused whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient as Client

from tests.ui.api.answers import assert_problem

HOSTILE = ["'; DROP TABLE items; --", "../../etc/passwd", "<script>alert(1)</script>", ":red[x] **b** $x$", "\u202ea"]


@pytest.mark.parametrize("text", HOSTILE)
def test_user_text_is_only_text(caller: Client, project: str, text: str) -> None:
    rows = [{"text": text + " row", "label": None, "id": text, text: text}]
    added = caller.post(f"{project}/items", json={"items": rows, "source": text, "user": text})
    assert added.status_code == 201 and added.json()["added"] == 1, added.text
    item = caller.get(f"{project}/items", params={"newest_first": True, "limit": 1}).json()["items"][0]
    assert (item["external_id"], item["source"]) == (text, text)
    assert item["text"] == text + " row" and list(item["meta"].values()) == [text]
    found = caller.get(f"{project}/items", params={"text": text}).json()
    assert found["total"] == 1 and caller.get(f"{project}/items", params={"sources": text}).json()["total"] == 1
    for query in ({"labels": text}, {"splits": text}, {"annotators": text}):
        assert caller.get(f"{project}/items", params=query).status_code in (200, 422)
    assert_problem(caller.put(f"{project}/items/{item['id']}/label", json={"label": text}), 422)
    for address in (f"/v1/runs/{text}", f"/v1/models/{text}/card"):
        assert caller.get(address).status_code == 404
    run = {"version_id": 1, "method": text}
    assert caller.post(f"{project}/runs", json=run).status_code == 404


def test_nul_and_huge_texts(caller: Client, project: str) -> None:
    rows = [{"text": "with\u0000nul"}, {"text": "x" * 3_000_000}, {"text": ""}, {"text": "fine"}]
    answer = caller.post(f"{project}/items", json={"items": rows})
    assert answer.status_code == 201, answer.text
    report = answer.json()
    assert report["added"] + len(report["rejected"]) == 4 and report["added"] >= 1
    assert all(row["reason"] for row in report["rejected"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"", 422),
        (b"[]", 422),
        (b"\xff\xfe", 400),
        (b'{"items": [{"text": "\\ud800"}]}', 400),
        (b'{"items": [{"text": "a", "x": NaN}]}', 400),
        (b'{"items": ' + b"[" * 100_000, 400),
        (b'{"items": []}', 422),
        (b'{"items": [{"text": 7}]}', 422),
        (b'{"items": [{"text": "a"}], "more": 1}', 422),
        (b'{"items": [{"text": "a"}], "user": "  "}', 422),
        (json.dumps({"items": [{"text": "a"}] * 10_001}).encode(), 422),
    ],
    ids=lambda value: str(value)[:30],
)
def test_unusable_bodies(caller: Client, project: str, body: bytes, status: int) -> None:
    before = caller.get(f"{project}/progress").json()["total"]
    answer = caller.post(f"{project}/items", content=body, headers={"content-type": "application/json"})
    assert_problem(answer, status)
    assert caller.get(f"{project}/progress").json()["total"] == before


def test_unusable_input_names_the_field_and_repeats_nothing(caller: Client, project: str) -> None:
    answer = caller.post(f"{project}/items", json={"items": [{"text": "ok"}, {"text": {"secret": 1}}]})
    assert_problem(answer, 422, "body.items.1.text")
    assert answer.json()["errors"][0]["field"] == "body.items.1.text" and "secret" not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 1001},
        {"offset": -1},
        {"offset": 10**30},
        {"ids": 10**30},
        {"labelled": "maybe"},
        {"tect": "typo"},
    ],
    ids=str,
)
def test_unusable_queries(caller: Client, project: str, query: dict[str, Any]) -> None:
    assert_problem(caller.get(f"{project}/items", params=query), 422)
