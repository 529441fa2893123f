"""The five-minute demo of recommendation (docs/scenarios/recommendation.md), walked in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from core.scenarios.recommendation.imports import ItemMapping
from core.scenarios.recommendation.scenario import Recommendation
from core.settings import Settings
from core.workspace import Workspace
from tests.e2e.screenshots import OUT, shoot
from tests.e2e.server import Server, settled

PAGE = "recommendation"
HOSTILE = "<script>document.title='x'</script> :red[Tea] **pot**"


@pytest.fixture(scope="module")
def shop_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the sample shop, one hostile item in it, and its texts already read."""
    home = tmp_path_factory.mktemp("shop")
    with Workspace.open(home / "workspace", Settings(home=home / "workspace", offline=True)) as workspace:
        sample = Recommendation.install_sample(workspace)
        sample.add_items([{"id": "hostile", "title": HOSTILE, "category": "tea"}], ItemMapping(category="category"))
        sample.read_texts()
    return home


@pytest.fixture(scope="module")
def shop(shop_home: Path) -> Iterator[Server]:
    """The app on it."""
    server = Server(shop_home, demo="false", offline="true")
    server.start()
    yield server
    server.stop()
    server.stop_workers()


def open_page(page: Page, server: Server, query: str = "") -> None:
    page.goto(f"{server.url}/{PAGE}?as=ann&lang=en{query}")
    expect(page.get_by_role("heading", name="Recommendation")).to_be_visible()
    settled(page)


def cards(page: Page) -> Locator:
    """The cards of the list."""
    return page.locator("[class*='st-key-shop_'][class*='_card_']")


def first_titles(page: Page) -> list[str]:
    """Titles of the first five cards."""
    expect(cards(page).nth(4)).to_be_visible()
    return [cards(page).nth(n).locator("strong, h3").first.inner_text().split(" ", 1)[1] for n in range(5)]


def move(page: Page, label: str, key: str, times: int) -> None:
    """Move a slider by its keyboard."""
    thumb = page.get_by_role("slider", name=label)
    expect(thumb).to_have_count(1)
    thumb.focus()
    for _ in range(times):
        thumb.press(key)
    settled(page)


@pytest.mark.timeout(400)
def test_the_demo(shop: Server, page: Page) -> None:
    # 1. Would this person want these things? A list with reasons.
    open_page(page, shop)
    expect(page.get_by_text(re.compile("Because you liked")).first).to_be_visible()
    page.wait_for_url(re.compile("who="))
    before = first_titles(page)
    # 2. Move what counts: the list changes at once.
    move(page, "Liked together", "Home", 1)
    expect(page.get_by_text("it reads alike").first).to_be_visible()
    assert first_titles(page) != before
    expect(page.get_by_text(re.compile(r"20 items in \d+ ms"))).to_be_visible()
    # 4. Not for me: gone, and said where it went.
    item = cards(page).first.get_by_role("button", name="Not for me")
    gone = first_titles(page)[0]
    item.click()
    expect(page.get_by_text("not shown any more").first).to_be_visible()
    settled(page)
    assert gone not in first_titles(page)
    # 3. Somebody new: one sentence. Hostile text is text.
    open_page(page, shop, "&who=")
    page.get_by_label("What are you looking for?").fill("a tea pot for a quiet evening")
    page.get_by_label("What are you looking for?").press("Enter")
    expect(page.get_by_text("Matches what you wrote").first).to_be_visible(timeout=90_000)
    assert any("tea" in title.lower() for title in first_titles(page))
    assert page.title() != "x"
    # 5. A new item, from its text alone.
    open_page(page, shop, "&see=data")
    page.get_by_label("Title and description").fill("Cast iron teapot. Small, black, keeps two cups hot.")
    page.get_by_role("button", name="Find its place").click()
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()
    settled(page)
    assert page.get_by_test_id("stAlertContentError").count() == 0
    assert "Traceback" not in shop.log()


@pytest.mark.timeout(400)
def test_it_is_measured(shop: Server, page: Page) -> None:
    open_page(page, shop, "&see=numbers")
    page.get_by_role("button", name="Measure", exact=True).click()
    expect(page.get_by_text(re.compile("On .* people and .* items"))).to_be_visible(timeout=180_000)
    expect(page.locator(".js-plotly-plot")).to_have_count(3)
    page.get_by_role("button", name="Use the weights that did best").click()
    expect(page.get_by_text("The list uses the weights that did best.")).to_be_visible()


@pytest.mark.timeout(400)
def test_an_own_shop_from_two_files(shop: Server, page: Page, tmp_path: Path) -> None:
    items, events = tmp_path / "items.jsonl", tmp_path / "interactions.csv"
    items.write_text(
        "".join(
            json.dumps({"item_id": str(n), "title": f"Film {n} ({1990 + n})", "text": "A film.", "genres": ["Drama"]})
            + "\n"
            for n in range(12)
        )
    )
    rows = [f"{p},{(p + k) % 12},{4.5 if k % 3 else 2.0},{964982703 + 100 * k}" for p in range(12) for k in range(6)]
    events.write_text(
        "user_id,item_id,rating,timestamp\n" + "\n".join([*rows, "1,999,5,964982703", "1,1,high,0"]) + "\n"
    )
    open_page(page, shop, "&see=data")
    page.get_by_role("button", name="New setup").click()
    page.get_by_label("Name", exact=True).fill("Films")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_text("Delete this setup")).to_be_visible()
    settled(page)  # until then the form of the setup before may still be there, too
    for kind, path, added in (("items", items, "12 rows added"), ("events", events, "73 rows added")):
        page.locator(f"[class*=st-key-shop_{kind}_] input[type=file]").set_input_files(str(path))
        page.locator(f"[class*=st-key-shop_{kind}_][class*=_go]").get_by_role("button", name="Import").click()
        expect(page.get_by_text(added)).to_be_visible()
        page.wait_for_timeout(
            1_500
        )  # the page draws itself once more when a job is done, and forgets a file given then
        settled(page)
    expect(page.get_by_text("1 event names an item that is not there")).to_be_visible()
    page.get_by_test_id("stMain").get_by_text("Live", exact=True).click()
    expect(cards(page).first).to_be_visible()
    expect(cards(page).first).to_contain_text("Film")


@pytest.mark.parametrize(("width", "scheme", "language"), [(1280, "light", "en"), (400, "dark", "zh_CN")])
def test_pictures(shop: Server, page: Page, width: int, scheme: str, language: str) -> None:
    """For people who look: every part, wide and narrow, light and dark, English and Chinese."""
    OUT.mkdir(exist_ok=True)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    views = {"live": "", "present": "&present=1", "new": "&who=", "numbers": "&see=numbers", "data": "&see=data"}
    for name, query in views.items():
        target = OUT / f"recommendation-{name}-{scheme}-{language}-{'wide' if width > 400 else 'narrow'}.png"
        shoot(page, f"{shop.url}/{PAGE}?lang={language}&as=ann{query}", target)
        assert page.get_by_test_id("stAlertContentError").count() == 0
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width
