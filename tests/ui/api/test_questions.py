"""Questions about texts through the API: items with answers, a label, a model that answers."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient as Client

from core.workspace import Workspace
from tests.ui.api.answers import assert_problem


def test_answers_go_in_and_come_out_with_their_places(caller: Client, workspace: Workspace) -> None:
    made = caller.post("/v1/projects", json={"name": "Reading", "task": "question_answering"}).json()
    address = f"/v1/projects/{made['id']}"
    rows: list[dict[str, Any]] = []
    for place in range(16):
        context = f"Ada{place} Lark was born in {1800 + place}. The family lived in Turin for years."
        rows.append({"text": context, "text_b": f"When was Ada{place} born?", "label": str(1800 + place)})
        rows.append({"text": context, "text_b": f"Which prize did Ada{place} win in chemistry?", "label": []})
    wrong: dict[str, Any] = {"text": "Eva left.", "text_b": "Who?", "label": [{"start": 1, "end": 4, "text": "Eva"}]}
    report = caller.post(f"{address}/items", json={"items": [*rows, wrong, {**wrong, "label": None}]}).json()
    assert (report["added"], report["labelled"]) == (33, 32)
    assert report["rejected"][0]["reason"] == "the answer 'Eva' is not at character 1 of the context but at 0"
    item = caller.get(f"{address}/items", params={"labelled": False}).json()["items"][0]["id"]
    labelled = caller.put(f"{address}/items/{item}/label", json={"label": [[0, 3]]}).json()
    assert labelled["label"] == [{"start": 0, "end": 3, "text": "Eva"}]
    assert_problem(caller.put(f"{address}/items/{item}/label", json={"label": "Ada"}), 422, "Mark words")
    assert caller.get(f"{address}/progress").json()["per_label"] == {"answer": 17, "no answer": 16}

    project = workspace.project(made["id"])
    model = project.train(project.freeze(test=0.25, dev=0.2), method="baseline").wait(timeout=120).model
    assert model is not None
    asked = {"texts": ["Kim Lark was born in 1911. They lived in Oslo."], "texts_b": ["When was Kim born?"]}
    (said,) = caller.post(f"/v1/models/{model.id}/predict", json=asked).json()["predictions"]
    assert said["label"] == [{"start": 21, "end": 25, "text": "1911"}] and said["scores"]["answer"] > 0.5
    assert_problem(caller.post(f"/v1/models/{model.id}/predict", json={"texts": ["x"]}), 422, "second texts")
