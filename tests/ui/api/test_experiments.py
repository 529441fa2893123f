"""Experiments by the API: start, follow, read what to take, stop, forget."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient as Client

from core.workspace import Workspace


@pytest.fixture(scope="module")
def version_id(caller: Client, project: str) -> int:
    rows = [
        {"text": f"{word} {i} please", "label": label}
        for i in range(20)
        for word, label in (("money", "refund"), ("parcel", "delivery"))
    ]
    assert caller.post(f"{project}/items", json={"items": rows}).status_code < 300
    frozen = caller.post(f"{project}/versions", json={"test": 0.3, "dev": 0.2})
    assert frozen.status_code == 201, frozen.text
    return int(frozen.json()["id"])


def test_a_comparison_from_start_to_advice(caller: Client, workspace: Workspace, project: str, version_id: int) -> None:
    asked = {"version_id": version_id, "methods": ["baseline"], "seeds": 2, "minutes": 5}
    started = caller.post(f"{project}/experiments/compare", json=asked)
    assert started.status_code == 202, started.text
    address = f"/v1/experiments/{started.json()['id']}"
    workspace.experiments.get(started.json()["id"]).wait(120)
    found = caller.get(address).json()
    assert found["state"] == "finished" and [trial["ended"] for trial in found["trials"]] == [True, True]
    ranked = caller.get(f"{address}/standing").json()
    assert len(ranked["contenders"]) == 1 and len(ranked["contenders"][0]["by_seed"]) == 2
    assert ranked["advice"][0]["key"].startswith("Take {method}")
    assert caller.post(f"{address}/resume").status_code == 409
    assert [one["id"] for one in caller.get(f"{project}/experiments").json()] == [found["id"]]
    assert caller.delete(address).status_code == 204
    assert caller.get(address).status_code == 404


def test_bad_questions_say_what_is_wrong(caller: Client, project: str, version_id: int) -> None:
    search = {"version_id": version_id, "method": "baseline", "trials": None}
    assert "without an end" in caller.post(f"{project}/experiments/search", json=search).json()["detail"]
    wrong = {"version_id": version_id, "methods": ["baseline"], "options": {"nonsense": 1}}
    assert "nonsense" in caller.post(f"{project}/experiments/compare", json=wrong).json()["detail"]
    shadow = {"version_id": version_id, "options": {"minutes": -5}}
    refused = caller.post(f"{project}/experiments/compare", json=shadow)
    assert refused.status_code == 422 and "one method" in refused.json()["detail"]
    assert caller.get("/v1/experiments/..%2F..%2Fsecret").status_code == 404
