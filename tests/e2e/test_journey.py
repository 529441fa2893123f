"""The first full loop, by hand and by keyboard, against the really started app."""

from __future__ import annotations

import csv
import itertools
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.server import Server, press_key_of, settled
from tests.e2e.steps import freeze, import_file, new_project, open_report, run_card, start_training

Disturb = Callable[[Page, Server], None] | None
LABELS = {
    "refund": ["I want my money back for", "please refund", "send back the amount I paid for", "return my payment for"],
    "delivery": [
        "where is the parcel with",
        "when do you deliver",
        "the courier never brought",
        "track my shipment of",
    ],
    "praise": ["thank you so much for", "I really love", "wonderful service with", "great work on"],
}
THINGS = ["the lamp", "my blue shoes", "the kettle", "that book", "two chairs", "the garden hose", "a phone case"]
BY_HAND = 20
TRAINING_SECONDS = 300


def write_csv(path: Path) -> dict[str, str]:
    """84 texts, every fourth without its label; returns the true label of each text."""
    truth = {f"{words} {thing}": label for label, all_ in LABELS.items() for words in all_ for thing in THINGS}
    texts = list(itertools.chain(*zip(*[[t for t in truth if truth[t] == label] for label in LABELS], strict=True)))
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["message", "intent"])
        table.writerows([text, "" if i % 4 == 0 else truth[text]] for i, text in enumerate(texts))
    return truth


def card_text(page: Page) -> Locator:
    """The text on the labeling desk."""
    return page.get_by_test_id("stMain").locator("h5").first


def import_csv(page: Page, path: Path) -> None:
    import_file(page, path)
    expect(page.get_by_test_id("stMetric").filter(has_text="Added")).to_contain_text("84")
    expect(page.get_by_test_id("stMetric").filter(has_text="Came with a label")).to_contain_text("63")


def label_by_keyboard(page: Page, server: Server, truth: dict[str, str]) -> None:
    """Press one digit a text; each press must bring the next text and be confirmed."""
    page.goto(f"{server.url}/annotate?as=ann&lang=en")
    for _ in range(BY_HAND):
        text = card_text(page).inner_text().replace("\u2060", "")
        press_key_of(page, truth[text])
        expect(card_text(page)).not_to_have_text(text)
        expect(page.get_by_text(f"Saved: {truth[text]}")).to_be_visible()
    expect(page.get_by_text("83 of 84 labelled")).to_be_visible()


def training(page: Page) -> None:
    """Wait until the run is at it."""
    at_it = run_card(page, "LoRA").get_by_text(re.compile("epoch|training"))
    expect(at_it).to_be_visible(timeout=TRAINING_SECONDS * 1000)


def kill_in_mid_training(page: Page, server: Server) -> None:
    """kill -9 of the server while the worker trains; the worker goes on and the next server finds it."""
    expect(run_card(page, "LoRA").get_by_text(re.compile("epoch|training"))).to_be_visible(
        timeout=TRAINING_SECONDS * 1000
    )
    server.stop(signal.SIGKILL)
    time.sleep(1)
    server.start()
    page.goto(f"{server.url}/train?as=ann&lang=en")
    expect(run_card(page, "LoRA")).to_be_visible()


def pause_restart_and_resume(page: Page, server: Server) -> None:
    """The run is paused, the server restarted, and the run resumed."""
    expect(run_card(page, "LoRA").get_by_text(re.compile("epoch|training"))).to_be_visible(
        timeout=TRAINING_SECONDS * 1000
    )
    run_card(page, "LoRA").get_by_role("button", name="Pause").click()
    expect(run_card(page, "LoRA").get_by_text("paused")).to_be_visible(timeout=TRAINING_SECONDS * 1000)
    server.stop()
    server.start()
    page.goto(f"{server.url}/train?as=ann&lang=en")
    run_card(page, "LoRA").get_by_role("button", name="Resume").click()


DISTURBANCES = {
    "undisturbed": None,
    "server killed in mid-training": kill_in_mid_training,
    "paused, restarted, resumed": pause_restart_and_resume,
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("disturb", DISTURBANCES.values(), ids=list(DISTURBANCES))
def test_from_a_file_to_a_model_that_answers(server: Server, page: Page, tmp_path: Path, disturb: Disturb) -> None:
    truth = write_csv(tmp_path / "mails.csv")
    new_project(page, server, "Support")
    import_csv(page, tmp_path / "mails.csv")
    label_by_keyboard(page, server, truth)
    freeze(page, server)
    start_training(page, server, "lora")
    expect(run_card(page, "LoRA")).to_be_visible()
    if disturb is not None:
        disturb(page, server)
    open_report(run_card(page, "LoRA"), TRAINING_SECONDS)
    expect(page.get_by_text(re.compile(r"Right in .* texts \(95 % interval"))).to_be_visible()
    page.goto(f"{server.url}/models?as=ann&lang=en")
    page.get_by_label("A sentence, or one a line").fill("Please refund the kettle")
    page.get_by_role("button", name="Ask the model").click()
    expect(page.get_by_test_id("stMain").get_by_text(re.compile("refund|delivery|praise")).first).to_be_visible()
    settled(page)
    assert page.get_by_test_id("stAlertContentError").count() == 0
    assert "Traceback" not in server.log()
