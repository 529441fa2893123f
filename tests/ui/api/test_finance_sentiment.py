"""Finance sentiment through the API: a feed from nothing to its report, without a model."""

from __future__ import annotations

import json

import pytest
from fastapi.testclient import TestClient as Client

ROOT = "/v1/scenarios/finance-sentiment/setups"


@pytest.fixture(scope="module")
def feed(caller: Client) -> str:
    """Address of a setup with 40 dull days and one busy one."""
    made = caller.post(ROOT, json={"name": "News", "config": {"companies": {"Acme": ["$ACM"]}}})
    assert made.status_code == 201, made.text
    days = [{"text": f"$ACM item {n}", "date": f"2026-0{8 + n // 28}-{n % 28 + 1:02d}"} for n in range(40)]
    busy = [{"text": f"$ACM again {n}", "date": "2026-09-14", "topic": "legal"} for n in range(20)]
    address = f"{ROOT}/{made.json()['id']}"
    report = caller.post(f"{address}/items", json={"items": [*days, *busy, {"text": "x", "date": "soon"}]}).json()
    assert (report["added"], len(report["rejected"])) == (60, 1)
    return address


def test_an_update_is_streamed_and_raises_alerts(caller: Client, feed: str) -> None:
    lines = [json.loads(line) for line in caller.post(f"{feed}/update").text.splitlines()]
    assert lines[-1] == {"state": "done", "scored": []}
    state = caller.get(f"{feed}/state").json()
    assert state["items"] == 60 and "sentiment" in state["problems"]
    (alert,) = caller.get(f"{feed}/alerts").json()
    assert (alert["company"], alert["kinds"]) == ("Acme", ["volume"])
    noted = caller.post(f"{feed}/alerts/{alert['id']}/notes", json={"kind": "note", "note": "<b>"}).json()
    assert noted[0]["notes"][0]["note"] == "<b>"
    assert caller.post(f"{feed}/alerts/999/notes", json={"kind": "acknowledged"}).status_code == 404


def test_charts_and_lists_follow_the_filter(caller: Client, feed: str) -> None:
    assert len(caller.get(f"{feed}/items", params={"topic": "legal"}).json()) == 20
    trend = caller.get(f"{feed}/trend", params={"since": "2026-09-14", "company": "Acme"}).json()
    assert trend["items"] == [20]
    assert caller.get(f"{feed}/heat-map").json()["rows"] == []
    assert caller.get(f"{feed}/drivers", params={"since": "2026-09-14"}).json()[0]["items"] == 20
    assert caller.get(f"{feed}/false-alarms").json()["copies"] == 100
    page = caller.get(f"{feed}/report", params={"week": "2026-09-14"})
    assert page.headers["content-type"].startswith("text/html") and "Acme" in page.text


def test_a_replay_is_streamed_day_by_day(caller: Client, feed: str) -> None:
    lines = caller.get(f"{feed}/replay", params={"days_per_second": 1000}).text.splitlines()
    days = [json.loads(line) for line in lines]
    assert len(days) == 45 and [day["day"] for day in days if day["alerts"]] == ["2026-09-14"]
    assert caller.get(f"{feed}/replay", params={"days_per_second": 0}).status_code == 422


@pytest.mark.parametrize(
    ("method", "address", "body", "status"),
    [
        ("GET", "/items/1/explanation", None, 409),
        ("POST", "/items/1/feedback", {"note": "x"}, 409),
        ("GET", "/quality", None, 409),
        ("POST", "/poll", None, 409),
        ("PUT", "", {"revision": 0, "config": {}}, 409),
        ("PUT", "", {"revision": 0, "config": {"false_alarms": -1}}, 422),
        ("GET", "/report?week=never", None, 422),
    ],
)
def test_what_is_not_possible_is_a_problem(
    caller: Client, feed: str, method: str, address: str, body: object, status: int
) -> None:
    answer = caller.request(method, feed + address, json=body)
    assert answer.status_code == status and answer.headers["content-type"] == "application/problem+json"


def test_setups_of_others_and_strangers(caller: Client, stranger: Client, feed: str) -> None:
    assert caller.get(f"{ROOT}/999/state").status_code == 404
    assert stranger.get(f"{feed}/state").status_code == 401
    made = caller.post(ROOT, json={"name": "Short"}).json()
    assert caller.delete(f"{ROOT}/{made['id']}").status_code == 204
    assert all(setup["id"] != made["id"] for setup in caller.get(ROOT).json())
