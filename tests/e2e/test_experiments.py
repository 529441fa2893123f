"""All methods on the demo project with one button: who wins, at what cost, in words; stopped and gone on with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.server import Server, settled

ADDRESS = "train?how=several&as=ann&lang=en"


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, demo="true", offline="true")
    server.start()
    yield server
    server.stop()
    server.stop_workers()


@pytest.mark.timeout(900)
def test_all_methods_on_the_demo_project(demo: Server, page: Page) -> None:
    page.goto(f"{demo.url}/{ADDRESS}")
    settled(page, 60)
    page.get_by_role("spinbutton", name="Minutes at most").fill("2")
    page.keyboard.press("Tab")
    settled(page)
    page.get_by_role("button", name="Start all").click()
    experiment = page.locator("[class*=st-key-experiment_2]").first
    expect(experiment.get_by_text("running", exact=True)).to_be_visible()
    page.get_by_role("button", name="Stop and save", exact=True).first.click()
    expect(experiment.get_by_text("stopped", exact=True)).to_be_visible()

    demo.stop()
    demo.start()
    page.goto(f"{demo.url}/{ADDRESS}")
    page.get_by_role("button", name="Go on").click()
    expect(experiment.get_by_text("running", exact=True)).to_be_visible()
    expect(experiment.get_by_text("finished", exact=True)).to_be_visible(timeout=600_000)
    settled(page)
    expect(page.get_by_text(re.compile(r"^Take .+ on the dev split, the highest"))).to_be_visible()
    expect(page.get_by_text(re.compile("on the line stands what is best for its cost")).first).to_be_visible()
    page.get_by_text("Run by run").click()
    expect(page.get_by_text(re.compile("Baseline · seed 0"))).to_be_visible()
    expect(page.get_by_text(re.compile("Left out")).first).to_be_visible()
    page.locator("[class*=st-key-experiment_advice]").get_by_role("button", name="Open the report").click()
    expect(page.get_by_text(re.compile("Right in"))).to_be_visible()
    assert page.get_by_test_id("stAlertContentError").count() == 0
    assert "Traceback" not in demo.log()
