"""Pictures of every page, light and dark, English and Chinese, wide and narrow: ``python -m tests.e2e.screenshots``.

Starts the app on a fresh demo workspace, waits for its first models, and writes into ``screenshots/``. For people who
look at pages; not a test.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.e2e.server import ROOT, Server, chromium, settled

OUT = ROOT / "screenshots"
SIZES = {"wide": (1280, 800), "narrow": (400, 800)}
VIEWS: dict[str, str] = {
    "home": "/",
    "annotate": "/annotate",
    "data-browse": "/data",
    "data-import": "/data?view=import",
    "data-clean": "/data?view=clean",
    "data-versions": "/data?view=versions",
    "data-labels": "/data?view=labels",
    "train": "/train",
    "evaluate": "/evaluate",
    "evaluate-classes": "/evaluate?part=classes",
    "evaluate-confusion": "/evaluate?part=confusion",
    "evaluate-mistakes": "/evaluate?part=mistakes",
    "models": "/models",
    "models-api": "/models?show=api",
    "settings": "/settings",
    "settings-storage": "/settings?setup=storage",
    "settings-tokens": "/settings?setup=tokens",
    "settings-about": "/settings?setup=about",
}
WAIT_SECONDS = 240


def wait_for_models(url: str, browser: Browser) -> None:
    """Until the home page shows nothing in training any more."""
    page = browser.new_page()
    page.goto(url)
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        settled(page)
        if not page.get_by_text("In training", exact=True).count():
            break
        page.wait_for_timeout(3000)
    page.close()


def shoot(page: Page, url: str, path: Path) -> None:
    """One picture of the whole page. Streamlit scrolls inside itself, so the window is made as high as the content."""
    page.goto(url)
    page.wait_for_selector("[data-testid=stMain] [data-testid=stVerticalBlock]")
    settled(page)
    page.wait_for_timeout(1200)
    size = page.viewport_size or {"width": 1280, "height": 800}
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": min(max(int(height), 800), 4000)})
    page.wait_for_timeout(700)
    page.screenshot(path=path)
    page.set_viewport_size({"width": size["width"], "height": size["height"]})


def tour(url: str, browser: Browser, wanted: Callable[[str], bool]) -> None:
    """Every view in every look."""
    OUT.mkdir(exist_ok=True)
    for size, (width, height) in SIZES.items():
        for scheme in ("light", "dark"):
            for language in ("en", "zh_CN"):
                look = f"{scheme}-{language}-{size}"
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                for name, path in VIEWS.items():
                    if not wanted(f"{name}-{look}"):
                        continue
                    joint = "&" if "?" in path else "?"
                    shoot(page, f"{url}{path}{joint}lang={language}&as=ann", OUT / f"{name}-{look}.png")
                page.close()


def main(words: list[str]) -> None:
    """``words`` narrow the tour to the pictures whose name holds all of them; a word that begins with http is the
    address of an app that runs already."""
    running = next((word for word in words if word.startswith("http")), None)
    words = [word for word in words if word != running]

    def wanted(name: str) -> bool:
        return all(word in name for word in words)

    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        if running:
            tour(running, browser, wanted)
            return
        server = Server(Path(folder))
        server.start()
        try:
            wait_for_models(server.url, browser)
            tour(server.url, browser, wanted)
        finally:
            server.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
