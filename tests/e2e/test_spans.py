"""Named entities: from a column file to a report in a real browser, and marking a span by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.settings import Settings
from core.workspace import Workspace
from tests.e2e.server import Server, settled
from tests.e2e.steps import freeze, import_file, new_project, open_report, run_card, start_training

NAMES = ["Anna", "Ben", "Carla", "David", "Eva", "Felix", "Greta", "Hugo"]
PLACES = ["Turin", "Lyon", "Oslo", "Kiel", "Bern", "Riga"]
WAYS = ["took the night train to", "flew over to", "is still on the way to", "will never again drive to"]


def write_conll(path: Path) -> int:
    """One person goes to one place in each text; the last text is not tagged yet. Returns the number of texts."""
    texts = []
    for i, name in enumerate(NAMES):
        for j, place in enumerate(PLACES):
            words = [f"{name} B-who", *(f"{word} O" for word in WAYS[(i + j) % len(WAYS)].split()), f"{place} B-where"]
            texts.append("\n".join(words))
    path.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    return len(texts)


@pytest.mark.timeout(600)
def test_from_a_column_file_to_a_report(server: Server, page: Page, tmp_path: Path) -> None:
    count = write_conll(tmp_path / "travel.conll")
    new_project(page, server, "Travel", "Spans of a text")
    import_file(page, tmp_path / "travel.conll")
    expect(page.get_by_test_id("stMetric").filter(has_text="Came with a label")).to_contain_text(str(count))
    freeze(page, server)
    start_training(page, server, "lora")
    open_report(run_card(page, "LoRA"), 300)
    expect(page.get_by_text(re.compile(r"Finds spans with an F1 of"))).to_be_visible()
    page.goto(f"{server.url}/models?as=ann&lang=en")
    page.get_by_label("A sentence, or one a line").fill("Carla took the night train to Oslo")
    page.get_by_role("button", name="Ask the model").click()
    expect(page.get_by_role("heading").filter(has_text=re.compile("Carla|Oslo|none")).first).to_be_visible()
    settled(page)
    assert page.get_by_test_id("stAlertContentError").count() == 0
    assert "Traceback" not in server.log()


@pytest.fixture
def marking(tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    """The app on a project of spans and one of relations, and its workspace."""
    home = tmp_path / "workspace"
    with Workspace.open(home, Settings(home=home, offline=True)) as workspace:
        project = workspace.create_project("地点", task="tagging", labels=["人物", "地点"])
        project.import_text("小林从😀吉林到北京。\n第二句话，没有地点。")
        project = workspace.create_project("Who works where", task="relation", labels=["job", "boss"])
        project.import_text("Ann works for Acme, Bob leads Eva.")
    made = Server(home.parent, demo="false", offline="true")
    made.start()
    yield made, home
    made.stop()


@pytest.mark.timeout(300)
def test_words_are_marked_without_a_mouse(marking: tuple[Server, Path], page: Page) -> None:
    server, home = marking
    page.goto(f"{server.url}/annotate?project=1&as=ann&lang=en")
    frame, keys = page.locator(".frame"), page.keyboard
    expect(frame).to_contain_text("小林从")
    settled(page)
    person = ["ArrowLeft", "2", "Control+z", "Home", "Shift+ArrowRight", "1"]
    places = [*["ArrowRight"] * 3, "Shift+ArrowRight", "2", "End", "ArrowLeft", "Shift+ArrowLeft", "2"]
    for key in (*person, *places):  # faster than the server answers
        keys.press(key)
    expect(frame.locator(".word[data-tag]")).to_have_count(3)
    save = page.locator("[class*=st-key-accept_]")
    expect(save).to_contain_text(re.compile("人物.*小林.*地点.*吉林.*地点.*北京"))
    keys.press("Backspace")
    expect(save).not_to_contain_text("北京")
    keys.press("Control+z")
    expect(save).to_contain_text("北京")
    for key in ("End", "ArrowLeft", "Escape", "1"):
        keys.press(key)
    expect(page.get_by_text("Choose words of the text first")).to_be_visible()
    expect(save).to_contain_text(re.compile("地点.*北京"))
    keys.press("Enter")
    expect(frame).to_contain_text("第二句话")
    settled(page)
    frame.locator(".word").nth(7).click()
    frame.locator(".word").nth(8).click(modifiers=["Shift"])
    page.get_by_role("button", name=re.compile("^地点")).click()
    expect(save).to_contain_text(re.compile("地点.*地点"))
    for key in ("Home", "1"):
        keys.press(key)
    expect(save).to_contain_text("人物")
    for key in ("ArrowRight", "Backspace"):  # on a word without a mark: the newest mark, not the last of the text
        keys.press(key)
    expect(save).not_to_contain_text("人物")
    keys.press("Enter")
    expect(page.get_by_text("Every text has an answer")).to_be_visible()
    server.stop()
    with Workspace.open(home, Settings(home=home, offline=True)) as workspace:
        spans, _relations = sorted(workspace.projects(), key=lambda project: project.id)
        first, second = spans.items()
        assert first.label == [(0, 2, "人物"), (4, 6, "地点"), (7, 9, "地点")]
        assert second.label == [(7, 9, "地点")]


@pytest.mark.timeout(300)
def test_relations_are_marked_faster_than_the_server_answers(marking: tuple[Server, Path], page: Page) -> None:
    server, home = marking
    page.goto(f"{server.url}/annotate?project=2&as=ann&lang=en")
    frame, keys = page.locator(".frame"), page.keyboard
    expect(frame).to_contain_text("Ann works")
    settled(page)
    job = ["ArrowRight", "Space", *["ArrowRight"] * 3, "Space", "1"]
    boss = [*["ArrowRight"] * 4, "Space", "ArrowLeft", "ArrowLeft", "Space", "2"]  # back from Eva to Bob
    for key in (*job, *boss, "Home", "Space", "Enter"):
        keys.press(key)
    expect(page.get_by_text("Something is marked here")).to_be_visible()
    for key in ("Backspace", *["ArrowRight"] * 3, "Space", "Home", "Space", "2", "Enter"):
        keys.press(key)
    expect(page.get_by_text("Every text has an answer")).to_be_visible()
    settled(page)
    keys.press("u")
    expect(frame).to_contain_text("Ann works")
    settled(page)
    frame.locator(".word").nth(3).click()
    keys.press("Space")
    frame.locator(".word").nth(5).click()
    keys.press("Space")
    page.locator("[class*=st-key-label_] button", has_text="job").click()
    keys.press("Enter")
    expect(page.get_by_text("Every text has an answer")).to_be_visible()
    server.stop()
    with Workspace.open(home, Settings(home=home, offline=True)) as workspace:
        _spans, relations = sorted(workspace.projects(), key=lambda project: project.id)
        assert [(item.text, item.label) for item in relations.items() if item.label] == [
            ("[E1] Ann [/E1] works for [E2] Acme [/E2], Bob leads Eva.", "job"),
            ("Ann works for Acme, [E2] Bob [/E2] leads [E1] Eva [/E1].", "boss"),
            ("[E2] Ann [/E2] works for [E1] Acme [/E1], Bob leads Eva.", "boss"),
            ("Ann works for [E1] Acme [/E1], [E2] Bob [/E2] leads Eva.", "job"),
        ]
