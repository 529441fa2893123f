"""Questions about texts in a real browser: from a SQuAD file over an answer marked by hand to a model that answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.server import Server, settled
from tests.e2e.steps import freeze, import_file, new_project, open_report, run_card, start_training

NAMES = ["Brook", "Lumen", "Sorrel", "Tern", "Alder", "Fen", "Wren", "Cinder", "Tide", "Swift", "Hazel", "Ember"]
PLACES = ["Turin", "Oslo", "Bern", "Riga"]


def write_squad(path: Path) -> int:
    """A text a product with two questions, one of them without an answer; the very first is open. Returns how many."""
    paragraphs = []
    for row, name in enumerate(NAMES):
        context = f"The {name} was built in {1950 + row}. It is sold in {PLACES[row % 4]} and nowhere else."
        year = str(1950 + row)
        known: dict[str, Any] = {"answers": [{"text": year, "answer_start": context.index(year)}]}
        questions = [
            {"question": f"When was the {name} built?", **(known if row else {})},
            {"question": f"Which prize did the {name} win?", "answers": [], "is_impossible": True},
        ]
        paragraphs.append({"context": context, "qas": questions})
    path.write_text(json.dumps({"version": "v2.0", "data": [{"title": "Products", "paragraphs": paragraphs}]}))
    return 2 * len(NAMES)


def mark_by_hand(page: Page, server: Server) -> None:
    """A word of the text, then the button that saves it."""
    page.goto(f"{server.url}/annotate?as=ann&lang=en")
    expect(page.get_by_role("heading", name="When was the Brook built?")).to_be_visible()
    settled(page)
    page.get_by_test_id("stMain").get_by_text("1950", exact=True).first.click()
    page.get_by_role("button", name="Save: 1950").click()
    expect(page.get_by_text("Every text has an answer")).to_be_visible()


@pytest.mark.timeout(300)
def test_from_a_squad_file_to_a_model_that_answers(server: Server, page: Page, tmp_path: Path) -> None:
    count = write_squad(tmp_path / "products.json")
    new_project(page, server, "Products", "Answers in a text")
    expect(page.get_by_role("button", name="No file at hand?")).to_be_visible()
    import_file(page, tmp_path / "products.json")
    labelled = page.get_by_test_id("stMetric").filter(has_text="Came with a label")
    expect(labelled).to_contain_text(str(count - 1), timeout=120_000)
    mark_by_hand(page, server)
    freeze(page, server)
    start_training(page, server, "baseline")
    open_report(run_card(page, "Baseline"), 120)
    expect(page.get_by_text(re.compile(r"Answers share .* of their words"))).to_be_visible()
    page.goto(f"{server.url}/models?as=ann&lang=en")
    page.get_by_label("A text", exact=True).fill("The Quill was built in 1975. It is sold in Oslo and nowhere else.")
    page.get_by_label("A question about it").fill("When was the Quill built?")
    page.get_by_role("button", name="Ask the model").click()
    expect(page.get_by_role("heading", name=re.compile(r"^1975 ·"))).to_be_visible()
    settled(page)
    assert page.get_by_test_id("stAlertContentError").count() == 0
    assert "Traceback" not in server.log()
