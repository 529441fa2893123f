"""One text against many on the models page and by a program; a model of the workspace as the base of the next."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient as Client
from streamlit.testing.v1 import AppTest

from core.errors import InputError, RefusedError
from core.model import Model
from core.project import Project
from core.training import worker
from core.workspace import Workspace
from studio import services
from studio.api import create_api
from tests.ui.conftest import open_on, project_of
from tests.unit.conftest import save_tiny_bert

THINGS = ["money", "parcel", "late", "day"]


@pytest.fixture(scope="module")
def pairs_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace folder with a cross-encoder, its baseline and a paused queue."""
    home = tmp_path_factory.mktemp("search")
    pick = random.Random(0)
    with Workspace.open(home) as workspace:
        save_tiny_bert(home / "bases" / "tiny")
        workspace.pause_queue()
        project = workspace.create_project("Pairs", task="pair")
        rows = [
            {"text": f"my {one} {i}", "text_b": f"the {one if same else pick.choice(THINGS)} of {i}", "label": label}
            for i in range(10)
            for one in THINGS
            for same, label in ((True, "match"), (False, "no match"))
        ]
        project.add_items(rows, user="ann")
        version = project.freeze(test=0.3, dev=0.2)
        project.train(version, method="cross_encoder", base="local:tiny", epochs=1, max_length=16)
        for run in project.runs():
            if run.method == "features":
                run.delete()
                continue
            folder = workspace.runner.folder(run.id)
            folder.unqueue()
            config = folder.config()
            assert worker._outcome(folder, config, worker.WorkerContext(folder, config, "cpu")) == 0, run.error
            workspace.register(run.id)
    return home


@pytest.fixture
def pairs(pairs_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    yield from project_of(pairs_home, monkeypatch)


def model_by(pairs: Project, method: str) -> Model:
    return next(model for model in pairs.models() if model.info.method == method)


def asked(app: AppTest, model: Model, text: str) -> AppTest:
    app.text_area(key=f"search_text_{model.id}").set_value(text)
    next(button for button in app.button if button.label == "Search").click().run(timeout=60)
    assert not app.exception and not app.error
    return app


def test_one_text_is_searched_for_among_the_second_texts(pairs: Project) -> None:
    model = model_by(pairs, "baseline")
    app = asked(open_on("models", model=model.id, **{"try": "many"}), model, "my parcel 3")
    shown = app.dataframe[0].value
    (wanted,) = model.search(["my parcel 3"])
    assert shown["text"].tolist() == [one.text for one in wanted] and shown["text"][0] == "the parcel of 3"
    assert shown["score"].tolist() == pytest.approx([100 * one.score for one in wanted])
    assert "before" not in shown and shown["rank"].tolist() == list(range(1, 11))
    many = len(set(model.second_texts()))
    assert any(f"{many} texts searched in" in caption.value for caption in app.caption)


def test_pasted_lines_are_read_again_by_a_cross_encoder(pairs: Project) -> None:
    model, reader = model_by(pairs, "baseline"), model_by(pairs, "cross_encoder")
    app = open_on("models", model=model.id, **{"try": "many"})
    app.segmented_control(key=f"search_in_{model.id}").set_value(False).run()
    app.text_area(key=f"search_lines_{model.id}").set_value("good day\n\nthe <b>money</b>\ngood day\nhello")
    again = app.selectbox(key=f"search_again_{model.id}")
    assert len(again.options) == 2 and "Cross-encoder" in again.options[1]
    again.set_value(reader.id)
    shown = asked(app, model, "money").dataframe[0].value
    (wanted,) = model.search(["money"], ["good day", "the <b>money</b>", "hello"], rerank_with=reader)
    assert shown["text"].tolist() == [one.text for one in wanted]
    assert shown["before"].tolist() == [one.rank_before for one in wanted]
    app.text_area(key=f"search_lines_{model.id}").set_value(" \n")
    assert "texts to search in" in asked(app, model, "money").warning[0].value


def test_a_model_that_reads_says_what_it_ranks(pairs: Project) -> None:
    model = model_by(pairs, "cross_encoder")
    app = open_on("models", model=model.id, lang="zh_CN", **{"try": "many"})
    assert not app.exception and len(app.selectbox(key=f"search_again_{model.id}").options) == 1
    assert any("20" in caption.value for caption in app.caption)


def test_what_cannot_be_searched_is_refused(pairs: Project) -> None:
    model = model_by(pairs, "baseline")
    assert model.search([], ["a"]) == []
    with pytest.raises(InputError, match="no text to search in"):
        model.search(["a"], [])
    with pytest.raises(InputError, match="best 0"):
        model.search(["a"], ["b"], top=0)
    with pytest.raises(InputError, match="list of texts"):
        model.search("a", ["b"])
    other = Model(model.workspace, model.info.model_copy(update={"task": "classification"}))
    for one, reader in ((other, None), (model, other)):
        with pytest.raises(RefusedError, match="does not search"):
            one.search(["a"], ["b"], rerank_with=reader)


def test_a_program_searches(pairs: Project) -> None:
    workspace = services.get_workspace()
    caller = Client(create_api(lambda: workspace), headers={"Authorization": f"Bearer {workspace.create_token('t')}"})
    model, reader = model_by(pairs, "baseline"), model_by(pairs, "cross_encoder")
    address = f"/v1/models/{model.id}/search"
    body = {"queries": ["my parcel", "good"], "candidates": ["good day", "the parcel"], "top": 1}
    answer = caller.post(address, json=body).json()
    assert answer["model"] == model.id
    assert [[one["place"] for one in found] for found in answer["found"]] == [[1], [0]]
    answer = caller.post(address, json={"queries": ["my day 4"], "top": 3, "rerank_with": reader.id}).json()
    assert [one["text"] in model.second_texts() for one in answer["found"][0]] == [True] * 3
    scores = [one["score"] for one in answer["found"][0]]
    assert scores == sorted(scores, reverse=True) and answer["found"][0][0]["rank_before"] >= 1
    none: list[str] = []
    wrongs: list[dict[str, Any]] = [{"candidates": none}, {"top": 0}, {"top": 101}, {"queries": none}]
    for wrong in [*wrongs, {"candidates": ["a"] * 10_001}]:
        assert caller.post(address, json={**body, **wrong}).status_code == 422, wrong
    assert caller.post(address, json={**body, "rerank_with": "nobody"}).status_code == 404


def test_a_model_of_the_workspace_is_chosen_as_the_base(pairs: Project) -> None:
    model = model_by(pairs, "cross_encoder")
    topics = pairs.workspace.create_project("Topics", labels=["one", "two"])
    topics.add_items([{"text": f"{label} text {i}", "label": label} for i in range(9) for label in ("one", "two")])
    topics.freeze(test=0.3, dev=0.2)
    app = open_on("train", project=str(topics.id), method="full")
    picker = app.selectbox(key=f"base_{topics.id}")
    (title,) = [title for title in picker.options if title.startswith("This workspace:")]
    assert title.startswith("This workspace: Pairs · cross_encoder · local:tiny")
    picker.set_value(f"model:{model.id}").run()
    assert any("a model of this workspace" in caption.value for caption in app.caption)
    app.button(key="train_start").click().run()
    assert not app.exception and not app.error
    run = next(run for run in topics.runs() if run.method == "full")
    assert (run.base, run.state) == (f"model:{model.id}", "queued")
    for one in topics.runs():
        one.stop()
    topics.delete()
