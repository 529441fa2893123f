"""A started app and a page of a real browser for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.server import Server, chromium

# Two shared cores: what takes a moment at a desk takes many here.
expect.set_options(timeout=30_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for the whole run."""
    with chromium() as started:
        yield started


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """The app on an empty workspace."""
    started = Server(tmp_path, demo="false", offline="true", stop_grace_seconds="5")
    started.start()
    yield started
    started.stop()
    started.stop_workers()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh window whose uncaught errors fail the test."""
    errors: list[str] = []
    window = browser.new_page(viewport={"width": 1280, "height": 900}, locale="en-GB")
    window.set_default_timeout(30_000)
    window.on("pageerror", lambda error: errors.append(str(error)))
    yield window
    window.close()
    assert not errors
