"""Several labels a text in a real browser: keys choose, Enter saves, and no press is lost or goes to the next text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.settings import Settings
from core.workspace import Workspace
from tests.e2e.server import Server, settled

TEXTS = 9
ANSWERS: list[list[str]] = [["billing", "quality"], [], ["shipping"]]
"""Given in turn: keys 1 and 3 with Enter, Backspace, key 2 with Enter."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A workspace with some texts and three labels."""
    folder = tmp_path / "workspace"
    with Workspace.open(folder, Settings(home=folder, offline=True)) as workspace:
        project = workspace.create_project("Mails", task="multilabel", labels=["billing", "shipping", "quality"])
        project.add_items([{"text": f"text number {n}"} for n in range(TEXTS)], user="ann")
    return folder


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    made = Server(home.parent, demo="false", offline="true")
    made.start()
    yield made
    made.stop()


def test_keys_pressed_without_a_pause_are_all_saved(server: Server, home: Path, page: Page) -> None:
    page.goto(f"{server.url}/annotate?as=ann&lang=en")
    expect(page.locator("[class*=st-key-label_]").first).to_be_visible()
    settled(page)
    for number in range(TEXTS):
        heading = page.get_by_test_id("stMain").locator("h5").first
        expect(heading).to_have_text(f"text number {number}")
        expect(page.locator("[class*=st-key-nothing_]")).to_have_count(1)
        settled(page)
        for key in (["1", "3", "Enter"], ["Backspace"], ["2", "Enter"])[number % 3]:
            page.keyboard.press(key)
    expect(page.get_by_text("Every text has an answer")).to_be_visible()
    server.stop()
    with Workspace.open(home, Settings(home=home, offline=True)) as workspace:
        found = workspace.projects()[0].items()
    assert [item.label for item in found] == [ANSWERS[number % 3] for number in range(TEXTS)]
    assert {item.label_source for item in found} == {"human"}
