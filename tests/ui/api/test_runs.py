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
