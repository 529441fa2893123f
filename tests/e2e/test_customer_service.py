"""The five-minute demo of customer service (docs/scenarios/customer_service.md), walked in a real browser."""

from __future__ import annotations

import csv
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from core.data.samples import FOLDER, PROJECT
from core.scenarios.customer_service.knowledge import Draft
from core.scenarios.customer_service.scenario import CustomerService
from core.settings import Settings
from core.workspace import Workspace
from tests.e2e.screenshots import OUT, shoot
from tests.e2e.server import Server, press_key_of, settled
from tests.e2e.steps import freeze, start_training

PAGE = "customer_service"
HOSTILE = "<script>document.title='x'</script> :red[zebra] **bold** [a](http://evil.example)"
WATCH = """n => new Promise(done => {
  const began = performance.now();
  const look = () => {
    const bubbles = document.querySelectorAll('[data-testid=stChatMessage]');
    const last = bubbles[bubbles.length - 1];
    if (bubbles.length >= n + 2 && last.innerText.trim().length > 20) requestAnimationFrame(
      () => done(performance.now() - window.pressed));
    else if (performance.now() - began > 150000) done(-1);
    else setTimeout(look, 4);
  };
  look();
})"""


@pytest.fixture(scope="module")
def desk_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the sample intents, their model, and the sample desk with one hostile entry."""
    home = tmp_path_factory.mktemp("desk")
    with Workspace.open(home / "workspace", Settings(home=home / "workspace", offline=True)) as workspace:
        project = workspace.create_project("Customer service intents", labels=["order_status", "return_item"])
        project.import_file(FOLDER / "customer_service_intents.csv", text="text", label="label")
        workspace.set_preference(PROJECT.format("customer_service_intents"), project.id)
        run = project.train(project.freeze(test=0.2, dev=0.1, seed=0), method="features").wait(timeout=300)
        assert run.model is not None, run.error
        sample = CustomerService.install_sample(workspace)
        sample.knowledge.add(Draft(title="Zebra", questions=["do you sell a zebra"], answer=HOSTILE))
        talk = sample.conversations.start()  # its texts are encoded here, so that the page need not wait for them
        for text in ("has it shipped yet", "kettle went beep beep and shows E 3, what does it want from me"):
            list(sample.send(talk.id, text))
        (home / "talk").write_text(str(talk.id))
    return home


@pytest.fixture(scope="module")
def desk(desk_home: Path) -> Iterator[Server]:
    """The app on it."""
    server = Server(desk_home, demo="false", offline="true")
    server.start()
    yield server
    server.stop()
    server.stop_workers()


NEW_WISH = "discount_code"
"""A wish that the model of the loop has never seen; these are how customers word it."""
WISHES = [
    "my voucher SPRING-4 is refused at the checkout",
    "is there a discount for teachers",
    "can two promo codes go on one basket",
    "the newsletter code for 10% off never came",
    "loyalty points: how do I spend them on this order",
    "coupon from the parcel, where do I type it in",
    "the gift voucher says already used, I never used it",
    "price dropped 20% a day after I bought it, can I get the offer",
]


@pytest.fixture
def unlearned(tmp_path: Path) -> Iterator[Server]:
    """The app on the sample, whose intent model has never seen a ``NEW_WISH``."""
    with (FOLDER / "customer_service_intents.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] not in ("", NEW_WISH)]
    home = tmp_path / "workspace"
    with Workspace.open(home, Settings(home=home, offline=True)) as workspace:
        project = workspace.create_project("Intents", labels=[*sorted({row["label"] for row in rows}), NEW_WISH])
        project.add_items([{"text": row["text"], "label": row["label"]} for row in rows])
        workspace.set_preference(PROJECT.format("customer_service_intents"), project.id)
        run = project.train(project.freeze(test=0.2, dev=0.1, seed=0), method="features").wait(timeout=300)
        assert run.model is not None, run.error
        CustomerService.install_sample(workspace)
    server = Server(tmp_path, demo="false", offline="true")
    server.start()
    yield server
    server.stop()
    server.stop_workers()


def open_page(page: Page, server: Server, query: str = "") -> None:
    page.goto(f"{server.url}/{PAGE}?as=ann&lang=en{query}")
    expect(page.get_by_role("heading", name="Customer service")).to_be_visible()


def open_chat(page: Page, server: Server, query: str = "") -> None:
    open_page(page, server, query)
    settled(page, 60)


def bubbles(page: Page) -> Locator:
    return page.get_by_test_id("stChatMessage")


def say(page: Page, text: str) -> float:
    """Write a message and wait for its answer; returns milliseconds from Enter to the first words on screen."""
    before = bubbles(page).count()
    field = page.get_by_placeholder("Write as a customer")
    field.fill(text)
    page.evaluate(
        "() => document.addEventListener('keydown', () => { window.pressed = performance.now() }, {once: true})"
    )
    field.press("Enter")
    waited = float(page.evaluate(WATCH, before))
    settled(page)
    return waited


@pytest.mark.timeout(400)
def test_the_demo(desk: Server, page: Page) -> None:
    # 1. A wish that needs a number: the template answers and asks; what is given is filled in.
    open_chat(page, desk)
    say(page, "tracking pls")
    expect(bubbles(page).last).to_contain_text("Which order is it?")
    say(page, "43377")
    expect(bubbles(page).last).to_contain_text("The latest scan of order 43377")
    expect(page.get_by_text("The customer gave what the last answer asked for.")).to_be_visible()
    # 2. A question that no template knows: a past conversation answers, and says so.
    say(page, "kettle went beep beep and shows E 3, what does it want from me")
    expect(bubbles(page).last).to_contain_text("descale with citric acid")
    expect(bubbles(page).last).to_contain_text("resolved conversation conv")
    # 3. It was a good answer; it was the wrong intent; the way back is one click.
    bubbles(page).last.get_by_role("button", name="Wrong intent").click()
    expect(page.get_by_text(re.compile("First in the labeling queue"))).to_be_visible()
    # 4. Nothing for us: a person takes over, with a summary.
    say(page, "how many sheep are there in wales")
    expect(page.get_by_text("A person has this conversation now.")).to_be_visible()
    expect(page.get_by_text("For the person who takes over")).to_be_visible()
    page.get_by_role("textbox", name="Answer as a colleague").fill("About nine million.")
    page.get_by_role("textbox", name="What solved it").fill("There are about nine million sheep in Wales.")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("Resolved. Later questions can find how.")).to_be_visible()
    # 5. What one colleague solved the next customer gets at once.
    page.get_by_role("button", name="New conversation").click()
    expect(bubbles(page)).to_have_count(0)
    say(page, "how many sheep live in wales?")
    expect(bubbles(page).last).to_contain_text("nine million sheep")
    # 6. The message that went back is the first to label.
    open_page(page, desk, "&talk=new")
    page.goto(f"{desk.url}/annotate?as=bob&lang=en")
    expect(page.get_by_test_id("stMain").locator("h5").first).to_contain_text("kettle went beep")
    settled(page)
    assert page.get_by_test_id("stAlertContentError").count() == 0
    assert "Traceback" not in desk.log()


def test_an_entry_is_found_by_the_next_message(desk: Server, page: Page) -> None:
    open_page(page, desk, "&tab=knowledge")
    page.get_by_label("Title").fill("Unicorns")
    page.get_by_label("Ways to ask, one a line").fill("do you have unicorns in stock")
    page.get_by_label("Answer", exact=True).fill("Only on Tuesdays.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. The next message finds it.")).to_be_visible()
    open_chat(page, desk, "&tab=chat&talk=new")
    say(page, "do you have a unicorn in stock?")
    expect(bubbles(page).last).to_contain_text("Only on Tuesdays.")
    say(page, f"do you sell a zebra {HOSTILE}")
    shown = page.get_by_test_id("stMain").inner_text().replace("\u2060", "")
    assert shown.count("<script>document.title='x'</script>") >= 2 and page.title() != "x"
    for tag in ("script", "strong", "a[href*=evil]"):
        assert bubbles(page).locator(tag).count() == 0, tag


def test_a_replay_says_how_good_it_is(desk: Server, page: Page) -> None:
    open_page(page, desk, "&tab=numbers")
    page.get_by_role("button", name="Run the sample conversations").click()
    expect(page.get_by_text(re.compile(r"of the conversations went right")).first).to_be_visible(timeout=180_000)
    expect(page.get_by_test_id("stMetric").filter(has_text="Handed over").first).to_be_visible()
    settled(page)
    assert page.get_by_test_id("stAlertContentError").count() == 0


def replay(page: Page, server: Server, button: str) -> None:
    """Run the sample conversations and wait for their figures."""
    open_page(page, server, "&tab=numbers")
    settled(page, 60)
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_text(re.compile("Replaying conversations"))).to_be_visible()
    expect(page.get_by_text(re.compile("Replaying conversations"))).to_have_count(0, timeout=180_000)
    settled(page, 60)
    expect(page.get_by_text(re.compile(r"of the conversations went right")).first).to_be_visible(timeout=180_000)


@pytest.mark.timeout(600)
def test_what_it_got_wrong_is_labelled_and_learned(unlearned: Server, page: Page) -> None:
    """Feedback, labeling queue, frozen version, new model, and the numbers say so: the loop, by hand."""
    replay(page, unlearned, "Run the sample conversations")
    for wish in WISHES:
        open_chat(page, unlearned, "&tab=chat&talk=new")
        say(page, wish)
        bubbles(page).last.get_by_role("button", name="Wrong intent").click()
        expect(page.get_by_text(re.compile("First in the labeling queue"))).to_be_visible()
    page.goto(f"{unlearned.url}/annotate?as=ann&lang=en")
    card = page.get_by_test_id("stMain").locator("h5").first
    for wish in WISHES:
        expect(card).to_have_text(re.compile(re.escape(wish[:12])))
        press_key_of(page, NEW_WISH)
        expect(card.filter(has_text=wish[:12])).to_have_count(0)
    freeze(page, unlearned)
    page.get_by_role("button", name="Train on it").click()
    start_training(page, unlearned, "features")
    cards = page.locator("[class*=st-key-run_]").filter(has_text="Frozen encoder")
    run = cards.filter(has_text="version 2").first  # not the fixture's, which finished on version 1
    expect(run.get_by_text("finished")).to_be_visible(timeout=180_000)
    replay(page, unlearned, "Run the sample conversations again")
    said = page.get_by_text(re.compile("Since the replay before, [1-9][0-9]* conversations became right")).first
    expect(said).to_be_visible()
    assert page.get_by_test_id("stAlertContentError").count() == 0
    assert "Traceback" not in unlearned.log()


def test_a_setup_of_ones_own_in_a_few_clicks(desk: Server, page: Page, tmp_path: Path) -> None:
    faq = tmp_path / "faq.csv"
    faq.write_text("text,label\nmy card has not arrived yet,card_arrival\nhow do I top up,top_up\n", encoding="utf-8")
    open_page(page, desk, "&tab=data")
    page.get_by_role("button", name="New setup").click()
    page.get_by_label("Name", exact=True).fill("Bank")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("combobox", name="Setup")).to_have_value("Bank")
    page.get_by_test_id("stButtonGroup").get_by_text("Knowledge").click()
    page.get_by_text("Import a file").click()
    expect(page.locator("[data-testid=stFileUploader]")).to_have_count(1)  # those of the part before are gone
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(str(faq))
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_test_id("stMetric").filter(has_text="Added")).to_contain_text("2")
    settled(page)
    assert page.get_by_test_id("stAlertContentError").count() == 0


def test_an_answer_is_soon_on_screen(desk: Server, page: Page) -> None:
    open_chat(page, desk, "&talk=new")
    texts = ["tracking pls", "43377", "has it shipped yet", "when does order 42817 arrive", "tracking of 41174 please"]
    say(page, "hello, is anybody there")  # what is loaded for the first message is not counted
    open_chat(page, desk, "&talk=new")
    waits = [say(page, text) for text in texts]
    print(f"Enter to answer: median {statistics.median(waits):.0f} ms, slowest {max(waits):.0f} ms")
    assert min(waits) > 0  # how soon is for the benchmark to judge


@pytest.mark.parametrize(("width", "scheme", "language"), [(1280, "light", "en"), (400, "dark", "zh_CN")])
def test_pictures(desk: Server, page: Page, width: int, scheme: str, language: str) -> None:
    """For people who look: every part, wide and narrow, light and dark, English and Chinese."""
    OUT.mkdir(exist_ok=True)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    talk = "&talk=" + (desk.home / "talk").read_text()
    views = {"chat": talk, "present": f"{talk}&present=1"}
    views |= {part: f"&tab={part}&present=0" for part in ("numbers", "knowledge", "data")}
    for name, query in views.items():
        target = OUT / f"customer-service-{name}-{scheme}-{language}-{'wide' if width > 400 else 'narrow'}.png"
        shoot(page, f"{desk.url}/{PAGE}?lang={language}&as=ann{query}", target)
        assert page.get_by_test_id("stAlertContentError").count() == 0
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width
