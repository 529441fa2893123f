"""The five-minute demo of finance sentiment (docs/scenarios/finance_sentiment.md), walked in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.data.samples import FOLDER, PROJECT
from core.scenarios.finance_sentiment.scenario import FinanceSentiment
from core.settings import Settings
from core.workspace import Workspace
from tests.e2e.screenshots import OUT, shoot
from tests.e2e.server import Server, settled

PAGE = "finance_sentiment"
HOSTILE = "<script>document.title='x'</script> :red[Acme] recall **now**"


@pytest.fixture(scope="module")
def feed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the sample headlines, their quickest model, and the sample feed; nothing is scored yet."""
    home = tmp_path_factory.mktemp("finance")
    with Workspace.open(home / "workspace", Settings(home=home / "workspace", offline=True)) as workspace:
        project = workspace.create_project("Finance headlines", labels=["negative", "neutral", "positive"])
        project.import_file(FOLDER / "finance_headlines.csv", text="text", label="label")
        workspace.set_preference(PROJECT.format("finance_headlines"), project.id)
        run = project.train(project.freeze(test=0.2, dev=0.1, seed=0), method="baseline").wait(timeout=300)
        assert run.model is not None, run.error
        sample = FinanceSentiment.install_sample(workspace)
        sample.add([{"text": HOSTILE, "date": "2026-11-21", "company": "Quillon Bank", "topic": "legal"}])
    return home


@pytest.fixture(scope="module")
def news(feed_home: Path) -> Iterator[Server]:
    """The app on it."""
    server = Server(feed_home, demo="false", offline="true")
    server.start()
    yield server
    server.stop()


def open_page(page: Page, server: Server, query: str = "") -> None:
    page.goto(f"{server.url}/{PAGE}?as=ann&lang=en{query}")
    expect(page.get_by_role("heading", name="Finance sentiment")).to_be_visible()


def card(page: Page, company: str) -> str:
    """Selector of a company's alert card."""
    place = page.locator("[class*=st-key-alert_]").filter(has_text=f"{company}:").first
    found = re.search(r"st-key-(alert_\d+)(?!_)", place.get_attribute("class") or "")
    assert found
    return f".st-key-{found.group(1)}"


@pytest.mark.timeout(400)
def test_the_demo(news: Server, page: Page, tmp_path: Path) -> None:
    # 1. What is turning bad? The page scores the feed by itself and puts the alerts first.
    open_page(page, news)
    expect(page.get_by_text(re.compile(r"Quillon Bank:.* are negative"))).to_be_visible(timeout=120_000)
    for company in ("Orchard Lane Foods", "Brackwater Energy"):
        expect(page.get_by_text(re.compile(rf"{company}:.* are negative"))).to_be_visible()
    expect(page.locator(".js-plotly-plot")).not_to_have_count(0)
    # 2. Why? What is behind one alert, its days in the address.
    alert = card(page, "Quillon Bank")
    page.locator(alert).get_by_role("button", name="Show what is behind it").click()
    page.wait_for_url(re.compile(r"company=Quillon"))
    expect(page.get_by_text("Words that set these days apart")).to_be_visible()
    # 3. Someone takes note.
    page.locator(alert).get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text(re.compile("1 more alert")).first).to_be_visible()
    settled(page)
    # 4. One text, word by word; hostile text is text. It is wrong: back it goes.
    open_page(page, news, "&company=Quillon+Bank&topic=legal&from=2026-11-21&to=2026-11-21")
    settled(page)
    table = page.get_by_test_id("stDataFrame").first
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    assert box
    page.mouse.click(box["x"] + 18, box["y"] + 54)
    expect(page.get_by_text("Orange words speak for")).to_be_visible()
    assert "<script>" in page.get_by_test_id("stMain").inner_text() and page.title() != "x"
    page.get_by_role("button", name="This is wrong").click()
    page.get_by_role("button", name="Label it").click()
    page.wait_for_url(re.compile("/annotate"))
    expect(page.get_by_test_id("stMain").locator("h5").first).to_contain_text("Acme")
    # 5. The same days as a story: the feed is played.
    open_page(page, news, "&present=1")
    page.get_by_role("button", name="Play the feed").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(page.get_by_text(re.compile(r"2026-\d\d-\d\d")).first).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Play the feed")).to_be_visible()
    settled(page)
    assert page.get_by_test_id("stAlertContentError").count() == 0
    assert "Traceback" not in news.log()


def test_it_is_measured_and_reported(news: Server, page: Page) -> None:
    open_page(page, news, "&look=numbers")
    page.get_by_role("button", name="Measure").click()
    expect(page.get_by_text(re.compile(r"false alarms in 90 days on shuffled dates")).first).to_be_visible(
        timeout=120_000
    )
    open_page(page, news)
    page.get_by_role("button", name="Weekly report").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    assert "<script" not in Path(download.value.path()).read_text(encoding="utf-8")


def test_own_news_without_dates(news: Server, page: Page, tmp_path: Path) -> None:
    (tmp_path / "tweets.jsonl").write_text(
        '{"text": "$BYND cut to sell", "label": "bearish"}\n{"text": "$AAPL beats", "label": "bullish"}\n'
    )
    open_page(page, news, "&look=data")
    page.get_by_role("button", name="New setup").click()
    page.get_by_label("Name", exact=True).fill("My news")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_text("Delete this setup")).to_be_visible()
    settled(page)
    page.locator("[class*=st-key-finance_import_] input[type=file]").set_input_files(str(tmp_path / "tweets.jsonl"))
    expect(page.get_by_text("Without dates there are no curves")).to_be_visible()
    page.get_by_role("button", name="Add to the feed").click()
    expect(page.get_by_test_id("stMetric").filter(has_text="Added")).to_contain_text("2")
    page.get_by_test_id("stMain").get_by_text("Live", exact=True).click()
    expect(page.get_by_text("This feed has no dates")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme", "language"), [(1280, "light", "en"), (400, "dark", "zh_CN")])
def test_pictures(news: Server, page: Page, width: int, scheme: str, language: str) -> None:
    """For people who look: every part, wide and narrow, light and dark, English and Chinese."""
    OUT.mkdir(exist_ok=True)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    for name, query in {"live": "", "present": "&present=1", "risk": "&look=risk", "data": "&look=data"}.items():
        target = OUT / f"finance-{name}-{scheme}-{language}-{'wide' if width > 400 else 'narrow'}.png"
        shoot(page, f"{news.url}/{PAGE}?lang={language}&as=ann{query}", target)
        assert page.get_by_test_id("stAlertContentError").count() == 0
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width
