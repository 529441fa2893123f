"""Pages and API calls on a project of relations: the desk, the report, and a playground that shows how to mark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient as Client

from core.project import Project
from core.workspace import Workspace
from studio import services
from studio.api import create_api
from tests.ui.conftest import open_on, project_of

VERBS = {"employs": "works for", "founded": "started"}
ASKED = "[E1] Gina [/E1] started [E2] Foxtrot [/E2]."


@pytest.fixture(scope="module")
def firms_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace folder with one project of relations and its baseline; the last item is not labelled."""
    home = tmp_path_factory.mktemp("firms")
    with Workspace.open(home) as workspace:
        project = workspace.create_project("Firms", task="relation")
        rows = [
            {"text": f"[E1] P{i} [/E1] {verb} [E2] F{i} [/E2].", "label": label}
            for i in range(15)
            for label, verb in VERBS.items()
        ]
        project.add_items([*rows, {"text": ASKED}], user="ann")
        run = project.train(project.freeze(test=0.3, dev=0.2), method="baseline").wait(timeout=120)
        assert run.model is not None, run.error
    return home


@pytest.fixture
def firms(firms_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    yield from project_of(firms_home, monkeypatch)


def test_the_playground_shows_how_a_text_is_marked_and_answers(firms: Project) -> None:
    app = open_on("models", lang="en")
    assert app.text_area[0].placeholder == "[E1] Ann [/E1] works for [E2] Acme [/E2]."
    ask = next(button for button in app.button if button.label == "Ask the model")
    app.text_area[0].input("Gina started Foxtrot.")
    ask.click().run(timeout=60)
    assert "0 markers" in app.error[0].value and not app.exception
    app.text_area[0].input(ASKED)
    next(button for button in app.button if button.label == "Ask the model").click().run(timeout=60)
    assert any(heading.value.startswith("founded") for heading in app.subheader)
    assert app.dataframe[0].value["label"].tolist()[0] == "founded"


@pytest.mark.parametrize("part", ["beside", "classes", "confusion", "mistakes"])
def test_every_part_of_the_report_is_there(firms: Project, part: str) -> None:
    app = open_on("evaluate", part=part, lang="zh_CN" if part == "classes" else "en")
    assert not app.exception and not app.error and len(app.metric) == 4
    if part == "classes":
        assert set(app.dataframe[0].value["label"]) == set(VERBS)


def test_the_desk_shows_the_marks(firms: Project) -> None:
    app = open_on("annotate", lang="en")
    shown = " ".join(element.value.replace("\\", "") for element in app.markdown)
    assert "[E1] Gina [/E1] started" in shown
    assert any(button.label == "founded" for button in app.button)


def test_api_calls(firms: Project) -> None:
    workspace = services.get_workspace()
    caller = Client(create_api(lambda: workspace), headers={"Authorization": f"Bearer {workspace.create_token('t')}"})
    model = f"/v1/models/{firms.models()[0].id}"
    (said,) = caller.post(f"{model}/predict", json={"texts": [ASKED]}).json()["predictions"]
    assert said["label"] == "founded" and set(said["scores"]) == set(VERBS)
    refused = caller.post(f"{model}/predict", json={"texts": ["Gina started Foxtrot."]})
    assert refused.status_code == 422 and "[E1]" in refused.json()["hint"]
    added = caller.post(f"/v1/projects/{firms.id}/items", json={"items": [{"text": "no marks", "label": "founded"}]})
    assert added.json()["rejected"][0]["reason"] == "the text has 0 markers [E1] where a relation needs one"
