"""Pages and API calls on a project of pairs: both texts on the card, its own figures, two texts to try."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient as Client
from streamlit.testing.v1 import AppTest

from core.project import Project
from core.records import Suggestion
from core.workspace import Workspace
from studio import services
from studio.api import create_api
from studio.widgets.grade_desk import as_grade
from tests.ui.conftest import open_on, project_of, trained_on

Open = Callable[..., AppTest]
WORDS = ["money", "parcel", "screen", "password", "voucher", "invoice"]


@pytest.fixture(scope="module")
def pairs_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace folder with one project of pairs and its baseline; the last item is not labelled."""
    rows = [
        {"text": f"my {word} {i}", "text_b": f"about the {other} {i}", "label": "match" if same else "no match"}
        for i in range(8)
        for word, next_word in zip(WORDS, [*WORDS[1:], WORDS[0]], strict=True)
        for same, other in ((True, word), (False, next_word))
    ]
    rows.append({"text": "*left* side", "text_b": "<b>right</b> side"})
    return trained_on(tmp_path_factory.mktemp("pairs"), "Pairs", "pair", rows, test=0.3, dev=0.2)


@pytest.fixture
def pairs(pairs_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    yield from project_of(pairs_home, monkeypatch)


@pytest.fixture
def open_pairs(pairs: Project) -> Open:
    return open_on


def test_the_card_shows_both_texts_as_they_are(open_pairs: Open) -> None:
    app = open_pairs("annotate")
    shown = " ".join(element.value for element in app.markdown)
    assert "left" in shown and "right" in shown and "*left*" not in shown.replace("\\*", "")
    assert any("no match" in button.label for button in app.button)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_the_report_has_the_figures_of_ranked_lists(open_pairs: Open, pairs: Project, language: str) -> None:
    app = open_pairs("evaluate", lang=language)
    assert not app.error and len(app.metric) == 8
    found = pairs.models()[0].evaluate(beside=False).retrieval
    assert found is not None
    values = [metric.value.replace("\u00a0", " ") for metric in app.metric]
    assert f"{100 * found.figures['mrr@10']:.1f} %" in values or language != "en"


def test_two_texts_are_tried_together(open_pairs: Open) -> None:
    app = open_pairs("models")
    app.text_area[0].input("my parcel\nmy money")
    app.text_area[1].input("about the parcel")
    next(button for button in app.button if button.label == "Ask the model").click().run()
    assert "as many second texts" in app.warning[0].value
    app.text_area[1].input("about the parcel\nthe screen")
    next(button for button in app.button if button.label == "Ask the model").click().run()
    table = next(frame.value for frame in app.dataframe if "next" in frame.value)
    assert table["text"].tolist() == ["my parcel ↔ about the parcel", "my money ↔ the screen"]


def test_api_calls(pairs: Project) -> None:
    workspace = services.get_workspace()
    caller = Client(create_api(lambda: workspace), headers={"Authorization": f"Bearer {workspace.create_token('t')}"})
    model = f"/v1/models/{pairs.models()[0].id}"
    body = {"texts": ["my parcel", "my parcel"], "texts_b": ["about the parcel", "good day"]}
    near, far = caller.post(f"{model}/predict", json=body).json()["predictions"]
    assert near["scores"]["match"] > far["scores"]["match"]
    assert caller.post(f"{model}/predict", json={"texts": ["my parcel"]}).status_code == 422
    refused = caller.post(f"{model}/embed", json={"texts": ["my parcel"]})
    assert refused.status_code == 409 and "makes no vectors" in refused.json()["detail"]
    item = pairs.item_ids()[0]
    answer = caller.put(f"/v1/projects/{pairs.id}/items/{item}/label", json={"label": 0.35, "user": "bot"})
    assert answer.status_code == 200 and answer.json()["label"] == 0.35
    assert caller.put(f"/v1/projects/{pairs.id}/items/{item}/label", json={"label": 1.5}).status_code == 422


def test_graded_pairs_are_graded_at_the_desk(workspace: Workspace, open_page: Open) -> None:
    project = workspace.create_project("Graded", task="pair")
    project.add_items(
        [{"text": "a", "text_b": "b", "label": 0.4}, {"text": "c", "text_b": "d"}, {"text": "e", "text_b": "f"}]
    )
    first, second, third = project.item_ids()
    app = open_page("annotate")

    def press(key: str) -> None:
        next(button for button in app.button if button.key == key).click().run()

    assert [b.key for b in app.button if (b.key or "").startswith(f"grade_{second}_")] == [
        f"grade_{second}_{step}" for step in range(6)
    ]
    assert not [b for b in app.button if (b.key or "").startswith(f"label_{second}_")]
    press(f"grade_{second}_4")
    assert project.item(second).label == 0.8 and project.progress().labelled == 2
    press(f"kind_{third}")
    press(f"label_{third}_{project.label_named('no match').id}")
    assert project.item(third).label == "no match" and project.item(first).label == 0.4 and not app.exception


def test_pairs_are_matches_until_someone_grades(workspace: Workspace, open_page: Open) -> None:
    project = workspace.create_project("Plain", task="pair")
    project.add_items([{"text": "a", "text_b": "b"}])
    (item,) = project.item_ids()
    app = open_page("annotate")
    assert any((b.key or "").startswith(f"label_{item}_") for b in app.button)
    next(button for button in app.button if button.key == f"kind_{item}").click().run()
    next(button for button in app.button if button.key == f"grade_{item}_0").click().run()
    assert project.item(item).label == 0.0


@pytest.mark.parametrize(
    ("label", "score", "grade"), [("match", 0.83, 0.8), ("no match", 0.93, 0.0), (0.35, 0.6, 0.35)]
)
def test_a_suggestion_is_a_step_where_grades_are_given(label: str | float, score: float, grade: float) -> None:
    found = as_grade(Suggestion(label=label, score=score, model="m"))
    assert (found.label, found.score, found.model) == (grade, score, "m")
