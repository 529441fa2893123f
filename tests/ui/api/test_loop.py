"""The whole loop through the API: project, items, labels, version, run, model, prediction."""

from __future__ import annotations

import time
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest
from fastapi.testclient import TestClient as Client

from core.workspace import Workspace
from tests.ui.api.answers import assert_problem, texts


def test_whole_loop(caller: Client, workspace: Workspace) -> None:
    made = caller.post("/v1/projects", json={"name": "Support", "labels": [{"name": "refund", "colour": "#0F766E"}]})
    address = f"/v1/projects/{made.json()['id']}"
    assert caller.post(f"{address}/labels", json={"labels": [{"name": "delivery"}]}).status_code == 201
    assert [label["name"] for label in caller.get(f"{address}/labels").json()] == ["refund", "delivery"]

    rows: list[dict[str, Any]] = [{"text": text, "label": label, "channel": "mail"} for text, label in texts(40)]
    report = caller.post(f"{address}/items", json={"items": [*rows, {"text": "my parcel", "id": 7}, rows[0]]}).json()
    assert (report["added"], report["duplicates"], report["labelled"]) == (41, 1, 40)
    page = caller.get(f"{address}/items", params={"labelled": False}).json()
    assert page["total"] == 1 and page["items"][0]["external_id"] == "7"
    item = page["items"][0]["id"]
    labelled = caller.put(f"{address}/items/{item}/label", json={"label": "delivery", "user": "bot"}).json()
    assert (labelled["label"], labelled["label_source"], labelled["annotator"]) == ("delivery", "api", "bot")
    assert caller.get(f"{address}/items/{item}").json() == labelled
    assert caller.get(f"{address}/progress").json()["per_label"] == {"delivery": 21, "refund": 20}
    second = caller.get(f"{address}/items", params={"labels": ["refund", "delivery"], "offset": 1, "limit": 2}).json()
    assert second["total"] == 41 and [i["position"] for i in second["items"]] == [1, 2]
    assert second["items"][0]["meta"] == {"channel": "mail"}

    version = caller.post(f"{address}/versions", json={"test": 0.25, "dev": 0.1}).json()
    assert "path" not in version and caller.get(f"{address}/versions").json() == [version]
    assert_problem(caller.post(f"{address}/predict", json={"texts": ["x"]}), 409, "Promote")

    run = caller.post(f"{address}/runs", json={"version_id": version["id"], "method": "baseline"})
    assert run.status_code == 202
    model = wait_for(caller, run.json()["id"])
    assert caller.get(f"/v1/runs/{model}/events").status_code == 200
    assert_problem(caller.post(f"/v1/runs/{model}/resume"), 409)
    packed = caller.get(f"/v1/runs/{model}/curves")
    assert packed.headers["content-type"] == "application/zip"
    assert any(name.startswith(f"{model}/events.out.tfevents") for name in ZipFile(BytesIO(packed.content)).namelist())
    assert_problem(caller.get(f"/v1/runs/{model}/curves", params={"tracker": "abacus"}), 404, "abacus")
    assert [r["id"] for r in caller.get(f"{address}/runs").json()] == [model]

    assert caller.get(f"/v1/models/{model}").json()["metrics"]["accuracy"] > 0.5
    assert "path" not in caller.get(f"{address}/models").json()[0]
    answer = caller.post(f"/v1/models/{model}/predict", json={"texts": ["refund my money", "parcel late"]}).json()
    assert [p["label"] for p in answer["predictions"]] == ["refund", "delivery"]
    assert sum(answer["predictions"][0]["scores"].values()) == pytest.approx(1, abs=1e-4)
    assert caller.post(f"/v1/models/{model}/promote").json()["champion"] is True
    assert caller.post(f"{address}/predict", json={"texts": ["refund my money"]}).json()["model"] == model

    card = caller.get(f"/v1/models/{model}/card")
    assert card.text == workspace.model(model).card() and "baseline" in card.text
    assert card.headers["content-type"] == "text/markdown; charset=utf-8"
    assert card.headers["x-content-type-options"] == "nosniff"


def wait_for(caller: Client, run: str) -> str:
    """Ask until the run has finished and its model is registered; returns the model's id."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state = caller.get(f"/v1/runs/{run}").json()
        if state["state"] == "finished" and caller.get(f"/v1/models/{run}").status_code == 200:
            return run
        assert state["state"] in ("queued", "running", "finished"), state
        time.sleep(0.2)
    raise AssertionError(state)


def test_stop_a_run(caller: Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"/v1/projects/{caller.post('/v1/projects', json={'name': 'Stopped'}).json()['id']}"
    caller.post(f"{address}/items", json={"items": [{"text": t, "label": label} for t, label in texts(20)]})
    version = caller.post(f"{address}/versions", json={}).json()["id"]
    run = caller.post(f"{address}/runs", json={"version_id": version, "method": "baseline"}).json()
    assert "pid" not in run and run["options"]["seed"] == 0
    assert caller.post(f"/v1/runs/{run['id']}/stop").status_code == 202
    state = workspace.run(run["id"]).wait(60).state
    # A baseline takes a second or two: it may have finished before it heard of the stop.
    assert state in ("stopped", "finished")
    if state == "stopped":
        assert caller.post(f"/v1/runs/{run['id']}/resume").status_code == 202
        wait_for(caller, run["id"])


def test_choices(caller: Client) -> None:
    methods = {method["name"]: method for method in caller.get("/v1/methods").json()}
    assert {"baseline", "features", "full", "lora"} <= set(methods)
    assert methods["lora"]["needs_base"] and methods["lora"]["options"]["properties"]["seed"]["description"]
    assert caller.get("/v1/methods", params={"task": "nonsense"}).json() == []
    bases = {base["id"]: base for base in caller.get("/v1/bases").json()}
    assert bases["minilm"]["available"] is True
