"""Pages on a project whose answers are spans: marking them, reading the report, asking the model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient as Client
from streamlit.testing.v1 import AppTest

from core.errors import StorageError
from core.project import Project
from core.records import ItemFilter
from core.workspace import Workspace
from studio import services
from studio.api import create_api
from studio.widgets import labeling_actions
from tests.ui.conftest import button, open_on, plain, project_of, trained_on
from tests.ui.marking import drawn, say, words_of

Open = Callable[..., AppTest]
NAMES = ["Anna", "Ben", "Carla", "David", "Eva", "Felix"]
PLACES = ["Turin", "Lyon", "Oslo", "Kiel", "Bern"]


@pytest.fixture(scope="module")
def travel_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace folder with one project of spans and its baseline."""
    rows = [
        {"text": [name, "goes", "to", place], "label": ["B-who", "O", "O", "B-where"], "split": split}
        for i, name in enumerate(NAMES)
        for j, place in enumerate(PLACES)
        for split in [("train", "train", "test")[(i + j) % 3]]
    ]
    rows.append({"text": "Nobody stays"})
    return trained_on(tmp_path_factory.mktemp("travel"), "Travel", "tagging", rows, split="imported", dev=0.2)


@pytest.fixture
def travel(travel_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    yield from project_of(travel_home, monkeypatch)


@pytest.fixture
def waiting(workspace: Workspace) -> Project:
    project = workspace.create_project("Mails", task="tagging", labels=["who", "where"])
    project.add_items([{"text": "Ada Lovelace left London, then Paris"}, {"text": "nothing here"}])
    return project


def mark(app: AppTest, project: Project, first: int, last: int, name: str) -> AppTest:
    """Mark words by their place, as a label's key does it."""
    return say(app, ("mark", first, last, project.label_named(name).id))


def test_enter_saves_nothing_without_a_stroke_that_was_not_heard(
    open_page: Open, waiting: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _second = waiting.item_ids()
    app = open_page("annotate")
    mark(app, waiting, 0, 1, "who")
    with monkeypatch.context() as full:
        full.setattr(labeling_actions, "marked", fails)
        mark(app, waiting, 6, 6, "where")
        button(app, f"accept_{first}").click().run()
        assert app.error and not waiting.count(ItemFilter(labelled=True))
    button(app, f"accept_{first}").click().run()
    assert [name for _start, _end, name in waiting.item(first).label] == ["who", "where"]


def fails(*_args: object) -> None:
    raise StorageError("The disk is full.", "Free some space.")


def test_words_side_by_side_become_one_span_and_enter_saves(open_page: Open, waiting: Project) -> None:
    first, second = waiting.item_ids()
    app = open_page("annotate")
    assert words_of(app) == ["Ada", "Lovelace", "left", "London", ",", "then", "Paris"]
    mark(app, waiting, 0, 1, "who")
    where = waiting.label_named("where").id
    say(app, ("mark", 3, 3, where), ("mark", 6, 6, where))
    assert waiting.item(first).label is None, "nothing is saved before Enter"
    assert plain(button(app, f"accept_{first}").label) == "Save: who: Ada Lovelace · where: London · where: Paris"
    assert [(span["from"], span["to"], span["name"]) for span in drawn(app)["spans"]] == [
        (0, 1, "who"), (3, 3, "where"), (6, 6, "where")]  # fmt: skip
    button(app, f"span_{first}_31_36").click().run()
    button(app, f"accept_{first}").click().run()
    assert waiting.item(first).label == [(0, 12, "who"), (18, 24, "where")]
    button(app, f"nothing_{second}").click().run()
    assert waiting.item(second).label == []
    assert waiting.progress().labelled == 2


def test_a_new_span_takes_the_place_of_one_it_overlaps(open_page: Open, waiting: Project) -> None:
    first, _ = waiting.item_ids()
    app = open_page("annotate")
    mark(app, waiting, 0, 0, "where")
    mark(app, waiting, 0, 1, "who")
    button(app, f"accept_{first}").click().run()
    assert waiting.item(first).label == [(0, 12, "who")]


def test_marks_are_taken_back_and_changes_undone(open_page: Open, waiting: Project) -> None:
    first, _ = waiting.item_ids()
    app = open_page("annotate")
    mark(app, waiting, 0, 1, "who")
    say(app, ("back", 1, 1, 0))
    assert not drawn(app)["spans"]
    say(app, ("undo", 0, 0, 0))
    assert [span["name"] for span in drawn(app)["spans"]] == ["who"] and drawn(app)["undo"]
    button(app, f"span_{first}_0_12").click().run()
    say(app, ("undo", 0, 0, 0))
    button(app, f"accept_{first}").click().run()
    assert waiting.item(first).label == [(0, 12, "who")]


def test_strokes_that_come_twice_late_or_broken_mark_nothing(open_page: Open, waiting: Project) -> None:
    first, second = waiting.item_ids()
    who = waiting.label_named("who").id
    app = open_page("annotate")
    say(app, ("mark", 0, 40, who), ("mark", 2, 1, who), ("mark", 0, 0, 999), ("mark", 1, 1, who))
    assert [(span["from"], span["to"]) for span in drawn(app)["spans"]] == [(1, 1)]
    marker, said = app.get("bidi_component")[0].proto.id, {"item": first, "strokes": [], "chosen": None}
    again = {"n": 4, "do": "mark", "from": 5, "to": 5, "label": who}
    for strokes in ([again], [{"n": "x"}], "nonsense"):
        states = app._tree.get_widget_states()
        state = states.widgets.add()
        state.id, state.json_value = marker, json.dumps({"said": {**said, "strokes": strokes}})
        app._run(states)
        assert not app.exception and len(drawn(app)["spans"]) == 1
    waiting.label(first, [], user="ann")
    app.run()
    assert drawn(app)["item"] == second and not drawn(app)["spans"]


def test_a_label_by_mouse_search_or_late_key_takes_the_chosen_words(open_page: Open, waiting: Project) -> None:
    first, _ = waiting.item_ids()
    app = open_page("annotate")
    key = f"label_{first}_{waiting.label_named('who').id}"
    button(app, key).click().run()
    assert any("Choose words of the text first, then who" in one.value for one in app.caption)
    say(app, chosen=(0, 1))
    button(app, key).click().run()
    button(app, f"accept_{first}").click().run()
    assert waiting.item(first).label == [(0, 12, "who")] and not app.exception


def test_words_chosen_before_are_not_chosen_any_more(open_page: Open, waiting: Project) -> None:
    first, second = waiting.item_ids()
    app = open_page("annotate")
    say(app, ("mark", 0, 1, waiting.label_named("who").id), chosen=(0, 1))
    say(app, chosen=None)
    key = f"label_{first}_{waiting.label_named('where').id}"
    button(app, key).click().run()
    assert [span["name"] for span in drawn(app)["spans"]] == ["who"], "Escape, then the key of another label"
    say(app, chosen=(0, 1))
    button(app, f"accept_{first}").click().run()
    done = drawn(app)["done"]
    assert drawn(app)["item"] == second and done, "strokes are numbered on from text to text"
    button(app, f"undo_{second}").click().run()
    button(app, key).click().run()
    assert drawn(app)["item"] == first and drawn(app)["done"] == done and not drawn(app)["spans"]
    assert any("Choose words of the text first" in one.value for one in app.caption)


def test_a_chinese_text_is_marked_by_its_characters(open_page: Open, workspace: Workspace) -> None:
    project = workspace.create_project("中文", task="tagging", labels=["地点"])
    project.add_items([{"text": "他从𠮷林到😀北京。"}])
    (item,) = project.item_ids()
    app = open_page("annotate", lang="zh_CN")
    assert words_of(app) == ["他", "从", "𠮷", "林", "到", "😀", "北", "京", "。"]
    mark(app, project, 6, 7, "地点")
    button(app, f"accept_{item}").click().run()
    assert project.item(item).label == [(6, 8, "地点")]


def ask(app: AppTest, texts: str) -> None:
    next(one for one in app.text_area if one.label.startswith("A sentence")).set_value(texts)
    next(b for b in app.button if b.label == "Ask the model").click().run(timeout=60)


@pytest.mark.parametrize("part", ["beside", "classes", "confusion", "mistakes", "confidence"])
def test_every_part_of_the_report_is_there(travel: Project, part: str) -> None:
    app = open_on("evaluate", part=part, lang="zh_CN" if part == "classes" else "en")
    assert not app.exception and not app.error
    if part == "beside":
        assert app.subheader[0].value.startswith("Finds spans with an F1 of")
        assert "Word accuracy" in [metric.label for metric in app.metric]
        assert [metric.label for metric in app.metric][:3] == ["Span F1", "Span precision", "Span recall"]


def test_the_playground_reads_the_spans_out(travel: Project) -> None:
    app = open_on("models", lang="en")
    ask(app, "Carla goes to Oslo")
    assert any(plain(heading.value).startswith("who: Carla · where: Oslo") for heading in app.subheader)
    ask(app, "Carla goes to Oslo\nBen stays")
    assert "who: Carla · where: Oslo" in app.dataframe[0].value["label"].tolist()[0]


def test_the_list_reads_the_spans_out_and_offers_no_bulk_label(travel: Project) -> None:
    app = open_on("data", lang="en")
    assert "who: Anna · where: Turin" in app.dataframe[0].value["label"].tolist()
    assert not [b for b in app.button if b.label.startswith("Label all")]


def test_the_classes_of_the_report_count_words_too(travel: Project) -> None:
    spans, names, tags = (frame.value for frame in open_on("evaluate", part="classes", lang="en").dataframe)
    result = travel.models()[0].evaluate(beside=False)
    assert spans["label"].tolist() == ["who", "where"]
    assert names["label"].tolist() == ["O", "who", "where"] and names["support"].sum() == 4 * result.rows
    assert tags["label"].tolist() == ["O", "B-who", "I-who", "B-where", "I-where"]
    assert tags["f1"].tolist() == [100 * score.f1 for score in result.per_tag.values()]


def test_a_column_file_is_offered_with_a_choice_of_tags(travel: Project) -> None:
    app = open_on("data", lang="en")
    format = next(box for box in app.selectbox if box.label == "Format")
    assert "CoNLL-U Plus" in format.options
    format.set_value("conll").run()
    assert any(group.options == ["IOB2", "BIOES"] or "BIOES" in str(group.options) for group in app.button_group)


def test_api_calls(travel: Project) -> None:
    workspace = services.get_workspace()
    caller = Client(create_api(lambda: workspace), headers={"Authorization": f"Bearer {workspace.create_token('t')}"})
    model = f"/v1/models/{travel.models()[0].id}"
    found = caller.post(f"{model}/predict", json={"texts": ["Carla goes to Oslo", "\u200b"]}).json()["predictions"]
    assert [one["label"] for one in found] == [[[0, 5, "who"], [14, 18, "where"]], []]
    report = caller.get(f"{model}/evaluation", params={"split": "test"}).json()
    assert report["per_tag"]["B-who"]["support"] == report["per_class"]["who"]["support"] == report["rows"]
    assert caller.get(f"{model}/evaluation", params={"split": "train"}).status_code == 422
    address = f"/v1/projects/{travel.id}/export"
    file = caller.get(address, params={"format": "conll", "scheme": "bioes", "text": "Anna goes to Turin"})
    assert file.text.splitlines()[1:5] == ["Anna\t_\tS-who", "goes\t_\tO", "to\t_\tO", "Turin\tSpaceAfter=No\tS-where"]
    assert caller.get(address, params={"format": "conll", "scheme": "x"}).status_code == 422
    assert len(caller.get(address, params={"format": "jsonl"}).text.splitlines()) == travel.count()
    other = workspace.create_project("Kinds", labels=["a", "b"])
    refused = caller.get(f"/v1/projects/{other.id}/export", params={"format": "conll"})
    assert refused.status_code == 409 and "no spans" in refused.json()["detail"]
