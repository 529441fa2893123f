"""Pages on a project of prompts and responses: the writing desk, its report, a prompt to try."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient as Client
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

from core.errors import InputError
from core.evaluation import Evaluation
from core.evaluation.records import Exchange
from core.methods.heads.writing import Wrote
from core.model import Model
from core.project import Project
from core.records import Prediction, Writing
from studio import services
from studio.api import create_api
from studio.text import escape
from tests.ui.conftest import open_on, project_of, trained_on

THINGS = ["cup", "lamp", "book", "chair", "bag"]


@pytest.fixture(scope="module")
def turns_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace folder with one project and its baseline; the last two prompts have no response."""
    rows = [{"text": f"order the {t} {i}", "label": f"Sure, one *{t}*.\nBye"} for i in range(4) for t in THINGS]
    rows += [{"text": "order the <b>cup</b> again"}, {"text": "order a lamp"}]
    return trained_on(tmp_path_factory.mktemp("turns"), "Replies", "generation", rows, test=0.3, dev=0.2)


@pytest.fixture
def turns(turns_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    yield from project_of(turns_home, monkeypatch)


def test_the_desk_takes_a_written_response(turns: Project) -> None:
    app = open_on("annotate")
    open_items = [item for item in turns.items() if item.label is None]
    shown = open_items[0]
    assert [area.label for area in app.text_area] == ["Response"]
    assert not any(button.label == "Sure" for button in app.button)
    app.text_area[0].set_value("  ").run()
    next(button for button in app.button if button.label == "Save and next").click().run()
    assert turns.item(shown.id).label is None
    app.text_area[0].set_value("Certainly.\nBye").run()
    next(button for button in app.button if button.label == "Save and next").click().run()
    assert not app.exception and turns.item(shown.id).label == "Certainly.\nBye"
    assert app.text_area[0].key == f"response_{open_items[1].id}" and app.text_area[0].value != "Certainly.\nBye"
    turns.undo(user="ann")


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_the_report_is_made_to_read(turns: Project, language: str) -> None:
    app = open_on("evaluate", lang=language)
    assert not app.error and len(app.metric) >= 6
    app = open_on("evaluate", lang=language, part="exchanges")
    assert not app.exception and not app.error
    texts = [text.value for text in app.text]
    assert any("Sure, one *" in text for text in texts)


@pytest.mark.parametrize("page", ["home", "data", "train", "models"])
def test_pages_open_on_a_project_without_labels(turns: Project, page: str) -> None:
    app = open_on(page)
    assert not app.exception and not app.error


def test_the_desk_of_data_has_no_labels_to_define(turns: Project) -> None:
    for view in ("labels", "versions", "browse"):
        app = open_on("data", view=view)
        assert not app.exception and not app.error
        assert not any(button.label == "Label all" for button in app.button)


def test_a_prompt_is_tried(turns: Project) -> None:
    app = open_on("models")
    area = next(area for area in app.text_area if area.label == "A prompt")
    area.input("order the cup\nand a second line")
    next(button for button in app.button if button.label == "Write").click().run()
    assert not app.exception
    assert any("Sure, one *cup*." in text.value for text in app.text)


def ask_to_write(app: AppTest, prompt: str) -> AppTest:
    next(area for area in app.text_area if area.label == "A prompt").input(prompt)
    return next(button for button in app.button if button.label == "Write").click().run()


def test_a_response_stands_beside_the_one_before_tuning(turns: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(self: Model, prompt: str, wrote: Wrote, writing: Writing, untuned: bool) -> Prediction:
        assert wrote("Su") and wrote("Sure")
        return Prediction(label=f"{'untuned' if untuned else 'tuned'}: *{prompt}*", score=0.5, scores={})

    monkeypatch.setattr(Model, "has_untuned", property(lambda model: True))
    monkeypatch.setattr(Model, "write", write)
    app = open_on("models")
    next(box for box in app.checkbox if "before tuning" in box.label).check()
    ask_to_write(app, "a cup")
    for _ in range(2):  # as written, and as kept
        assert [text.value for text in app.text] == ["tuned: *a cup*", "untuned: *a cup*"] and not app.exception
        assert not any(button.label == "Stop" for button in app.button)
        app.run()


def test_what_was_written_stays_when_it_is_stopped(turns: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(self: Model, prompt: str, wrote: Wrote, writing: Writing, untuned: bool) -> Prediction:
        wrote("half a sent")
        raise StopException  # as Streamlit does where the run draws something that nobody waits for

    monkeypatch.setattr(Model, "write", write)
    app = ask_to_write(open_on("models"), "a cup")
    assert any(button.label == "Stop" for button in app.button)
    app.run()
    assert [text.value for text in app.text] == ["half a sent"] and not app.exception
    assert not any(button.label == "Stop" for button in app.button)


def test_a_response_that_failed_is_no_empty_one(turns: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(self: Model, prompt: str, wrote: Wrote, writing: Writing, untuned: bool) -> Prediction:
        raise InputError("The prompt is too long.", "Shorten it.")

    monkeypatch.setattr(Model, "write", write)
    app = ask_to_write(open_on("models"), "a cup")
    for _ in range(2):
        assert not [text.value for text in app.text] and not app.exception
        assert not any(button.label == "Stop" for button in app.button)
        app.run()


def test_a_program_asks_for_a_text(turns: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = services.get_workspace()
    client = Client(create_api(lambda: workspace))
    client.headers["Authorization"] = f"Bearer {workspace.create_token('test')}"
    model = turns.models()[0]
    body = {"texts": ["order the book"], "writing": {"max_tokens": 20, "temperature": 0.5}}
    answer = client.post(f"/v1/models/{model.id}/predict", json=body)
    assert answer.status_code == 200 and answer.json()["predictions"][0]["label"] == "Sure, one *book*.\nBye"
    assert (
        client.post(f"/v1/models/{model.id}/predict", json={**body, "writing": {"temperature": 9}}).status_code == 422
    )


def test_any_other_model_is_read_beside_it(turns: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    first = turns.models()[0]
    version = next(version for version in turns.versions() if version.id == first.info.version_id)
    asked = {row.item_id for row in _exchanges(first.evaluate(beside=False))}
    for item in turns.items():
        if item.label is not None and item.id not in asked:
            turns.label(item.id, f"Gladly, it was: {item.text}", user="ann")
    again = turns.train(turns.freeze(test=0.3, dev=0.2), method="baseline").wait(timeout=120)
    second = again.model
    assert second is not None and second.info.version_id != version.id, again.error
    answers = {row.item_id: row.answer for row in _exchanges(second.evaluate(beside=False))}
    both = asked & answers.keys()
    assert both and all("Gladly" in answers[item] for item in both)
    app = open_on("evaluate", model=first.id, part="exchanges", beside="")
    assert not any("Gladly" in text.value for text in app.text)
    app = open_on("evaluate", model=first.id, part="exchanges", beside=second.id)
    assert not app.exception and app.multiselect[0].value == [second.id]
    shown = [text.value for text in app.text]
    assert [text for text in shown if "Gladly" in text] == [
        answers[row.item_id] for row in _exchanges(first.evaluate(beside=False)) if row.item_id in both
    ]
    assert sum("version 2" in caption.value for caption in app.caption) == len(both)
    monkeypatch.setattr("studio.widgets.model_picker.model_name", lambda info, _: f"*{info.id}*")
    app = open_on("evaluate", model=first.id, part="exchanges", beside=second.id)
    assert sum(caption.value == escape(f"*{second.id}*") for caption in app.caption) == len(both)


def _exchanges(result: Evaluation) -> list[Exchange]:
    assert result.wording is not None
    return list(result.wording.exchanges)
