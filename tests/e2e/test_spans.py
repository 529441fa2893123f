"""Named entities: from a column file to a report in a real browser, and marking a span by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.server import Server, settled

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
    page.goto(f"{server.url}/?as=ann&lang=en")
    page.get_by_role("button", name="New project").click()
    page.get_by_label("Name", exact=True).fill("Travel")
    page.get_by_role("combobox", name="What is predicted").click()
    page.get_by_role("option", name="Spans of a text").click()
    page.get_by_role("button", name="Create", exact=True).click()
    page.wait_for_url(re.compile(r"/data.*view=import"))
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(str(tmp_path / "travel.conll"))
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_test_id("stMetric").filter(has_text="Came with a label")).to_contain_text(str(count))
    page.goto(f"{server.url}/data?view=versions&as=ann&lang=en")
    page.get_by_role("button", name="Freeze", exact=True).click()
    expect(page.get_by_role("button", name="Train on it")).to_be_visible()
    page.goto(f"{server.url}/train?method=lora&as=ann&lang=en")
    page.get_by_role("button", name="Start training").click()
    run = page.locator("[class*=st-key-run_]").filter(has_text="LoRA").first
    expect(run.get_by_text("finished")).to_be_visible(timeout=300_000)
    run.get_by_role("button", name="Open the report").click()
    expect(page.get_by_text(re.compile(r"Finds spans with an F1 of"))).to_be_visible()
    page.goto(f"{server.url}/models?as=ann&lang=en")
    page.get_by_label("A sentence, or one a line").fill("Carla took the night train to Oslo")
    page.get_by_role("button", name="Ask the model").click()
    expect(page.get_by_role("heading").filter(has_text=re.compile("Carla|Oslo|none")).first).to_be_visible()
    settled(page)
    assert page.get_by_test_id("stAlertContentError").count() == 0
    assert "Traceback" not in server.log()
