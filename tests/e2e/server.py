"""The really started app and a browser in front of it, for the journeys and the screenshots."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 60


class Server:
    """``streamlit run studio/app.py`` on a port of its own."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.settings = {f"WHETSTONE_{name.upper()}": value for name, value in settings.items()}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of the home page."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until the first page can be asked for."""
        self.home.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "WHETSTONE_HOME": str(self.home / "workspace"), **self.settings}
        command = [sys.executable, "-m", "streamlit", "run", "studio/app.py", "--server.port", str(self.port)]
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2):
                    return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.2)
        raise RuntimeError(f"The app did not start:\n{self.log()}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait for the end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)

    def stop_workers(self) -> None:
        """End training that outlives the server on purpose: only processes on this workspace's folder."""
        for process in psutil.process_iter(["cmdline"]):
            if any(str(self.home) in word for word in process.info["cmdline"] or []):
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def log(self) -> str:
        """What the server wrote."""
        return (self.home / "server.log").read_text(errors="replace")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def settled(page: Page, seconds: float = 30) -> None:
    """Wait until the script run behind the page is over and what it drew is on screen."""
    expect(page.get_by_test_id("stApp")).to_have_attribute(
        "data-test-script-state", "notRunning", timeout=seconds * 1000
    )
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=seconds * 1000)


def press_key_of(page: Page, label: str) -> None:
    """Label the text on the card by the key of a label, and wait until the buttons of that text are gone.

    A key pressed before the buttons of the new text are there is dropped on purpose.
    """
    button = page.locator("[class*=st-key-label_]").filter(has_text=label)
    expect(button).to_have_count(1)
    settled(page)
    of_this_text = re.search(r"st-key-(label_\d+_\d+)", button.get_attribute("class") or "")
    key = button.inner_text().split()[-1].lower()
    assert of_this_text and len(key) == 1
    page.keyboard.press(key)
    expect(page.locator(f".st-key-{of_this_text.group(1)}")).to_have_count(0)
