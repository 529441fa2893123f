"""What several journeys do in the browser: make a project, bring a file, freeze, train, open the report."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.e2e.server import Server


def new_project(page: Page, server: Server, name: str, task: str = "") -> None:
    """Create a project, with the task of that title where it is not the usual one; its import is on screen then."""
    page.goto(f"{server.url}/?as=ann&lang=en")
    page.get_by_role("button", name="New project").click()
    page.get_by_label("Name", exact=True).fill(name)
    if task:
        page.get_by_role("combobox", name="What is predicted").click()
        page.get_by_role("option", name=task).click()
    page.get_by_role("button", name="Create", exact=True).click()
    page.wait_for_url(re.compile(r"/data.*view=import"))


def import_file(page: Page, path: Path) -> None:
    """Drop a file and import it with the columns that are proposed."""
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(str(path))
    page.get_by_role("button", name="Import", exact=True).click()


def freeze(page: Page, server: Server) -> None:
    """Freeze what is labelled."""
    page.goto(f"{server.url}/data?view=versions&as=ann&lang=en")
    page.get_by_role("button", name="Freeze", exact=True).click()
    expect(page.get_by_role("button", name="Train on it")).to_be_visible()


def start_training(page: Page, server: Server, method: str) -> None:
    """Start a run with the options as they come."""
    page.goto(f"{server.url}/train?method={method}&as=ann&lang=en")
    page.get_by_role("button", name="Start training").click()


def run_card(page: Page, title: str) -> Locator:
    """The newest card of a run of the method with this title."""
    return page.locator("[class*=st-key-run_]").filter(has_text=title).first


def open_report(run: Locator, seconds: float) -> None:
    """Wait until a run has finished, then open its report."""
    expect(run.get_by_text("finished")).to_be_visible(timeout=seconds * 1000)
    run.get_by_role("button", name="Open the report").click()
