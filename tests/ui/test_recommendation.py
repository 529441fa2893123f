"""The recommendation page: live list, numbers, own data, both languages, presenter view."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.scenarios.recommendation import shop as shops
from core.scenarios.recommendation.config import MATCHING, RecommendationConfig, Rule
from core.scenarios.recommendation.imports import EventMapping, ItemMapping
from core.scenarios.recommendation.scenario import Recommendation
from core.scenarios.setups import create_setup, get_setup
from core.workspace import Workspace
from studio.services import get_jobs
from tests.ui.test_pages import field

Open = Callable[..., AppTest]
HOSTILE = ":red[x] <b> $a$ [l](http://e.vil)"
THINGS = ["tea", "book", "tent", "lamp", "kite", "drum"]


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are read by a counting of letters instead of a model."""

    def read(workspace: Workspace, model: object, texts: list[str], report: object = None) -> np.ndarray:
        table = np.array([[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts], np.float32)
        return table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-6)

    monkeypatch.setattr(shops, "read", read)
    monkeypatch.setattr(
        "core.scenarios.recommendation.cold.read_sentence",
        lambda workspace, model, text: read(workspace, None, [text])[0],
    )


@pytest.fixture
def scenario(workspace: Workspace) -> Iterator[Recommendation]:
    """Twelve items, twelve people; the first item and the first person have hostile names."""
    config = RecommendationConfig(rules=[Rule(value="secret")], currency="€")
    made = Recommendation(workspace, create_setup(workspace, "recommendation", "Toys", config))
    made.add_items(
        [
            {"id": f"i{n}", "title": HOSTILE if n == 0 else f"{THINGS[n % 6]} {n}", "category": "a|b" if n % 2 else "a",
             "price": str(5 + n)}
            for n in range(12)
        ],
        ItemMapping(category="category", price="price"),
    )  # fmt: skip
    made.add_events(
        [
            {"user": HOSTILE if p == 0 else f"p{p}", "item": f"i{(p + k * (1 + p % 2)) % 12}", "kind": "click",
             "at": f"2026-11-{1 + k:02d}T10:00:00"}
            for p in range(12) for k in range(5)
        ],
        EventMapping(kind="kind", at="at"),
    )  # fmt: skip
    yield made


def settled(app: AppTest) -> AppTest:
    """Wait for the texts to be read."""
    for key in list(get_jobs()._jobs):
        job = get_jobs().get(key)
        if job is not None:
            job._future.exception(timeout=30)
    return app.run()


def titles(app: AppTest) -> list[str]:
    """Titles of the cards in their order."""
    return [m.value for m in app.markdown if m.value.startswith("**") and m.value[2].isdigit()]


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("part", ["live", "numbers", "data"])
def test_every_part_renders(open_page: Open, scenario: Recommendation, part: str, language: str) -> None:
    app = settled(open_page("recommendation", see=part, lang=language))
    assert not app.error and not app.exception


def test_an_empty_workspace_offers_the_sample(open_page: Open, workspace: Workspace) -> None:
    assert any(b.key == "shop_install" for b in open_page("recommendation").button)


def test_an_empty_setup_says_what_to_do(open_page: Open, workspace: Workspace) -> None:
    create_setup(workspace, "recommendation", "Empty", RecommendationConfig())
    for part in ("live", "numbers", "data"):
        app = open_page("recommendation", see=part)
        assert not app.error and not app.exception
    assert any("Use my data" in info.value for info in open_page("recommendation").info)


def test_a_slider_changes_the_list(open_page: Open, scenario: Recommendation) -> None:
    app = settled(open_page("recommendation", who="p3"))
    before = titles(app)
    assert before
    key = f"shop_{scenario.setup.id}_{scenario.setup.revision}"
    for name in ("text", "behaviour", "category", "price"):
        app.slider(key=f"{key}_{name}").set_value(0.0)
    app.slider(key=f"{key}_popularity").set_value(2.0)
    assert titles(app.run()) != before and not app.exception


def test_hostile_names_are_shown_as_they_are(open_page: Open, scenario: Recommendation) -> None:
    app = settled(open_page("recommendation", who=HOSTILE))
    words = " ".join(m.value for m in [*app.markdown, *app.caption, *app.success])
    assert "<b>" not in words.replace("\\<b\\>", "") and ":red[x]" not in words


def test_a_new_person_by_sentence_and_by_clicks(open_page: Open, scenario: Recommendation) -> None:
    app = settled(open_page("recommendation", who=""))
    number = scenario.setup.id
    field(app, "What are you looking for?").set_value("kite kite kite")
    first = titles(settled(app.run()))[0]
    assert "kite" in first
    app.multiselect(key=f"shop_more_{number}").set_value(["i2"]).run()
    assert not any("tent 2" in title for title in titles(app)), "what was clicked is not offered again"


def test_feedback_hides_the_item_and_is_kept(open_page: Open, scenario: Recommendation) -> None:
    app = settled(open_page("recommendation", who="p3"))
    button = next(b for b in app.button if (b.key or "").startswith(f"shop_{scenario.setup.id}_bad_"))
    item = (button.key or "").rsplit("_", 1)[1]
    button.click().run()
    assert not any((b.key or "").endswith(f"_bad_{item}") for b in app.button)
    assert any("Kept as an event" in s.value for s in app.success)


def test_feedback_of_a_tuned_setup_goes_to_the_queue(open_page: Open, scenario: Recommendation) -> None:
    workspace = scenario.workspace
    project = workspace.create_project("Next", task="pair")
    from core.scenarios.setups import save_setup

    config = scenario.config.model_copy(update={"roles": {MATCHING.name: project.id}})
    save_setup(workspace, scenario.setup, config)
    app = settled(open_page("recommendation", who="p3"))
    next(b for b in app.button if (b.key or "").startswith(f"shop_{scenario.setup.id}_good_")).click().run()
    item = project.next_item(user="ann")
    assert item is not None and item.source == "feedback: recommendation" and item.text_b
    assert any((b.key or "").startswith("shop_annotate_") for b in app.button)


def test_the_presenter_view_has_no_settings(open_page: Open, scenario: Recommendation) -> None:
    app = settled(open_page("recommendation", present="1", who="p3"))
    assert not any("_bad_" in (b.key or "") for b in app.button)
    assert len(app.subheader) == 6


def test_figures_appear_after_measuring(open_page: Open, scenario: Recommendation) -> None:
    app = settled(open_page("recommendation", see="numbers"))
    app.button(key=f"shop_measure_{scenario.setup.id}_go").click().run()
    app = settled(app)
    assert not app.error and not app.exception
    names = app.dataframe[0].value["way"].tolist()
    assert {"Popularity", "Item-kNN", "Text and behaviour"} <= set(names)
    app.button(key="shop_use_weights").click().run()
    kept = scenario.report()
    assert kept is not None
    assert get_setup(scenario.workspace, scenario.setup.id).config["weights"] == kept.result.weights.model_dump()


def test_files_are_mapped_and_imported(open_page: Open, scenario: Recommendation) -> None:
    app = settled(open_page("recommendation", see="data"))
    number = scenario.setup.id
    items = b"item_id,title,genres,price\nx1,New thing,c,1\nx2,Bad price,c,cheap\nx1,Again,c,2\n"
    app.file_uploader(key=f"shop_items_{number}_upload").upload("items.csv", items).run()
    assert app.selectbox(key=f"shop_items_{number}_category_item_id|title|genres|price").value == "genres"
    app.button(key=f"shop_items_{number}_go").click().run()
    app = settled(app)
    assert any("1 row added" in s.value for s in app.success)
    assert any("cheap" in str(frame.value) for frame in app.dataframe)
    assert scenario.item("x1").categories == ["c"]


def test_settings_are_saved(open_page: Open, scenario: Recommendation) -> None:
    app = settled(open_page("recommendation", see="data"))
    key = f"setup_{scenario.setup.id}_{scenario.setup.revision}"
    app.number_input(key=f"{key}_liked_from").set_value(3.0)
    next(b for b in app.button if b.label == "Save").click().run()
    assert not app.error and not app.exception
    config = get_setup(scenario.workspace, scenario.setup.id).config
    assert config["liked_from"] == 3.0 and config["rules"][0]["value"] == "secret"
    assert config["kinds"]["purchase"] == 3.0


@pytest.mark.parametrize("chosen", [99, "gone"])
def test_a_role_that_is_gone_is_said_and_the_list_goes_on(
    open_page: Open, scenario: Recommendation, chosen: int | str
) -> None:
    from core.scenarios.setups import save_setup

    save_setup(scenario.workspace, scenario.setup, scenario.config.model_copy(update={"roles": {"matching": chosen}}))
    app = settled(open_page("recommendation", who="p3"))
    assert app.warning and titles(app) and not app.exception
