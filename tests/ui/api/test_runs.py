"""Runs and predictions with options, bases and texts that cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient as Client

from tests.ui.api.answers import assert_problem, texts


@pytest.mark.parametrize(
    ("options", "word"),
    [({"version": 1}, "version"), ({"self": 1}, "self"), ({"seed": -1}, "seed"), ({"seed": "x"}, "seed")],
    ids=str,
)
def test_unusable_options(caller: Client, project: str, options: dict[str, Any], word: str) -> None:
    answer = caller.post(f"{project}/runs", json={"version_id": 1, "method": "baseline", "options": options})
    assert_problem(answer, 422, word)


def test_a_base_model_is_no_path(caller: Client) -> None:
    address = f"/v1/projects/{caller.post('/v1/projects', json={'name': 'Bases'}).json()['id']}"
    caller.post(f"{address}/items", json={"items": [{"text": t, "label": label} for t, label in texts(20)]})
    version = caller.post(f"{address}/versions", json={}).json()["id"]
    for base in ("../../etc", "/etc/passwd", "local:../x", "a/b/c", "http://host/x"):
        run = {"version_id": version, "method": "features", "base": base}
        assert_problem(caller.post(f"{address}/runs", json=run), 422, "base model")
    assert caller.get(f"{address}/runs").json() == []


def test_prediction_limits(caller: Client) -> None:
    bodies: list[dict[str, Any]] = [
        {"texts": []},
        {"texts": ["x"] * 1001},
        {"texts": ["x" * 100_001]},
        {"texts": ["a"], "texts_b": ["b", "c"]},
        {"texts": "not a list"},
    ]
    for body in bodies:
        assert caller.post("/v1/models/none/predict", json=body).status_code in (404, 422)
        assert_problem(caller.post("/v1/models/none/predict", json={"texts": ["a"]}), 404)


def test_the_queue_and_a_run_like_another(caller: Client) -> None:
    address = f"/v1/projects/{caller.post('/v1/projects', json={'name': 'Queue'}).json()['id']}"
    caller.post(f"{address}/items", json={"items": [{"text": t, "label": label} for t, label in texts(20)]})
    version = caller.post(f"{address}/versions", json={}).json()["id"]
    assert caller.put("/v1/queue", json={"paused": True}).json() == {"paused": True, "waiting": []}
    body = {"version_id": version, "method": "baseline", "options": {"seed": 1}}
    first = caller.post(f"{address}/runs", json=body).json()
    second = caller.post(f"{address}/runs", json={"like": first["id"], "options": {"seed": 2}}).json()
    assert second["options"] == {**first["options"], "seed": 2} and second["version_id"] == version
    assert second["id"] != first["id"] and second["queue_position"] == 2
    assert caller.post(f"/v1/runs/{second['id']}/move", json={"position": 1}).json()["queue_position"] == 1
    assert caller.get("/v1/queue").json() == {"paused": True, "waiting": [second["id"], first["id"]]}
    assert_problem(caller.post(f"/v1/runs/{first['id']}/now"), 409, "queue is paused")
    assert_problem(caller.post(f"{address}/runs", json={"method": "baseline"}), 422, "version_id")
    elsewhere = f"/v1/projects/{caller.post('/v1/projects', json={'name': 'Other'}).json()['id']}"
    assert_problem(caller.post(f"{elsewhere}/runs", json={"like": first["id"]}), 404, "no run")
    for run in (first, second):
        assert caller.post(f"/v1/runs/{run['id']}/stop").json()["state"] == "stopped"
    assert_problem(caller.post(f"/v1/runs/{first['id']}/move"), 409, "does not wait")
    assert caller.put("/v1/queue", json={"paused": False}).json() == {"paused": False, "waiting": []}
