"""Recommendation through the API: a shop from nothing to its figures, without a model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient as Client

from core.scenarios.recommendation import shop as shops

ROOT = "/v1/scenarios/recommendation/setups"


@pytest.fixture(scope="module", autouse=True)
def letters() -> Iterator[None]:
    """Texts are read by a counting of letters instead of a model."""

    def read(workspace: object, model: object, texts: list[str], report: object = None) -> np.ndarray:
        table = np.array([[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts], np.float32)
        return table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-6)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shops, "read", read)
        patch.setattr("core.scenarios.recommendation.scenario.read", read)
        one = lambda workspace, model, text: read(workspace, model, [text])[0]  # noqa: E731
        patch.setattr("core.scenarios.recommendation.cold.read_sentence", one)
        yield


@pytest.fixture(scope="module")
def shop(caller: Client) -> str:
    """Address of a setup with 15 items and 12 people."""
    made = caller.post(ROOT, json={"name": "Shop", "config": {"length": 5}})
    assert made.status_code == 201, made.text
    address = f"{ROOT}/{made.json()['id']}"
    items: list[dict[str, Any]] = [{"id": f"i{n}", "title": f"{'abc'[n % 3] * 9} {n}", "price": n} for n in range(15)]
    report = caller.post(f"{address}/items", json={"items": [*items, {"id": "bad", "price": "cheap"}]}).json()
    assert (report["added"], report["rejected"][0]["row"]) == (15, 16)
    events = [
        {"user": f"p{p}", "item": f"i{(p % 3 + 3 * k) % 15}", "kind": "click", "at": f"2026-11-{1 + k:02d}"}
        for p in range(12)
        for k in range(4)
    ]
    report = caller.post(f"{address}/events", json={"events": events}).json()
    assert report["added"] == 48
    assert caller.post(f"{address}/events", json={"events": events}).json()["duplicates"] == 48
    return address


def test_a_list_with_reasons(caller: Client, shop: str) -> None:
    lines = caller.post(f"{shop}/read").text.splitlines()
    assert json.loads(lines[-1]) == {"state": "done", "result": {"items": 15}}
    made = caller.post(f"{shop}/recommendations", json={"person": "p0"}).json()
    assert made["reads_texts"] and len(made["recommendations"]) == 5
    first = made["recommendations"][0]
    assert first["item"]["id"] == "i12" and first["reasons"] and first["because"] in {"i0", "i3", "i6", "i9"}
    sentence = caller.post(f"{shop}/recommendations", json={"sentence": "bbb"}).json()
    assert sentence["recommendations"][0]["item"]["title"].startswith("bbb")
    assert caller.post(f"{shop}/place", json={"text": "ccccc"}).json()["similar"][0]["title"].startswith("ccc")


def test_feedback_counts_at_once(caller: Client, shop: str) -> None:
    sent = caller.post(f"{shop}/feedback", json={"item": "i13", "good": False, "wish": {"person": "p1"}})
    assert sent.status_code == 201 and sent.json() == {"stored": True, "project_id": None, "item_id": None}
    shown = caller.post(f"{shop}/recommendations", json={"person": "p1", "length": 20}).json()["recommendations"]
    assert "i13" not in {one["item"]["id"] for one in shown}


def test_figures_are_streamed_and_kept(caller: Client, shop: str) -> None:
    assert caller.get(f"{shop}/report").status_code == 404
    last = json.loads(caller.post(f"{shop}/evaluate").text.splitlines()[-1])
    assert last["state"] == "done" and last["result"]["people"] == 12
    kept = caller.get(f"{shop}/report").json()
    assert kept["current"] and len(kept["result"]["rows"]) >= 4


@pytest.mark.parametrize(
    ("method", "address", "body", "status"),
    [
        ("GET", "/history?person=nobody", None, 404),
        ("POST", "/recommendations", {"person": "nobody"}, 404),
        ("POST", "/recommendations", {"clicks": ["gone"]}, 404),
        ("POST", "/recommendations", {"filters": {"price_from": 9, "price_to": 1}}, 422),
        ("POST", "/recommendations", {"weights": {"text": 9}}, 422),
        ("POST", "/feedback", {"item": "gone", "good": True}, 404),
        ("POST", "/place", {"text": " "}, 422),
        ("POST", "/items", {"items": []}, 422),
        ("POST", "/tune", None, 409),
        ("PUT", "", {"revision": 0, "config": {}}, 409),
    ],
)
def test_what_is_refused(caller: Client, shop: str, method: str, address: str, body: object, status: int) -> None:
    answer = caller.request(method, shop + address, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


def test_without_a_token_nobody_gets_in(stranger: Client, shop: str) -> None:
    assert stranger.post(f"{shop}/recommendations", json={}).status_code == 401


def test_a_setup_is_removed_with_its_data(caller: Client) -> None:
    made = caller.post(ROOT, json={"name": "Gone soon"}).json()
    address = f"{ROOT}/{made['id']}"
    caller.post(f"{address}/items", json={"items": [{"id": "x"}]})
    assert caller.delete(address).status_code == 204
    assert caller.get(f"{address}/state").status_code == 404
