"""The finance page on the sample feed, with and without models, and on news without dates."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.project import Project
from core.scenarios.finance_sentiment.attribution import Attribution, Piece
from core.scenarios.finance_sentiment.config import FinanceConfig
from core.scenarios.finance_sentiment.scenario import NAME, FinanceSentiment
from core.scenarios.setups import create_setup, get_setup, list_setups, save_setup
from core.workspace import Workspace
from studio import services
from studio.widgets.finance_items import highlighted
from tests.ui.conftest import open_on

Open = Callable[..., AppTest]
HOSTILE = ":red[x] <b>"
PAGE = "finance_sentiment"


@pytest.fixture(scope="module")
def sample_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace folder with the sample feed, its alerts by volume, and not a single model."""
    home = tmp_path_factory.mktemp("sample") / "home"
    with Workspace.open(home) as workspace:
        FinanceSentiment.install_sample(workspace).update()
    return home


@pytest.fixture
def sample(sample_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FinanceSentiment]:
    """A copy of it that the pages find as their own."""
    shutil.copytree(sample_home, tmp_path / "copy")
    monkeypatch.setenv("WHETSTONE_HOME", str(tmp_path / "copy"))
    monkeypatch.setenv("WHETSTONE_DEMO", "false")
    monkeypatch.setenv("WHETSTONE_OFFLINE", "true")
    workspace = services.get_workspace()
    yield FinanceSentiment(workspace, list_setups(workspace, NAME)[0])
    services.close_workspace()
    st.cache_resource.clear()


@pytest.fixture
def open_page(sample: FinanceSentiment) -> Open:
    """Opens a page on the workspace of ``sample``."""
    return open_on


def settled(app: AppTest) -> AppTest:
    """Run until the scoring that the page started by itself is over."""
    for _ in range(100):
        if not any((b.key or "").startswith("stop_finance_update") for b in app.button):
            return app
        time.sleep(0.1)
        app.run()
    raise AssertionError("the scoring does not end")


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("look", ["live", "risk", "numbers", "data"])
def test_every_part_renders_without_models(open_page: Open, sample: FinanceSentiment, look: str, language: str) -> None:
    app = open_page(PAGE, look=look, lang=language)
    assert not app.error


def test_without_models_volume_is_shown_and_the_reason_named(open_page: Open, sample: FinanceSentiment) -> None:
    app = open_page(PAGE)
    assert any("has no model yet" in warning.value for warning in app.warning)
    assert sum((button.key or "").startswith("alert_show_") for button in app.button) == 3


def test_a_workspace_of_before_gets_its_sample_on_a_click(workspace: Workspace) -> None:
    app = open_on(PAGE)
    app.button(key="finance_install").click().run(timeout=60)
    assert [setup.name for setup in list_setups(workspace, NAME)] == ["Sample"]


def test_an_alert_leads_to_its_items_and_can_be_acknowledged(open_page: Open, sample: FinanceSentiment) -> None:
    alert = sample.alerts()[0]
    app = open_page(PAGE)
    app.button(key=f"alert_show_{alert.id}").click().run()
    assert app.query_params["company"] == alert.company and app.query_params["from"] == alert.since.isoformat()
    app.text_area(key=f"alert_text_{alert.id}").set_value(":red[fire]").run()
    app.button(key=f"alert_note_{alert.id}").click().run()
    app.button(key=f"alert_acknowledged_{alert.id}").click().run()
    (noted,) = (one for one in sample.alerts() if one.id == alert.id)
    assert noted.acknowledged and noted.notes[0].note == ":red[fire]" and noted.notes[0].user == "ann"
    assert not app.error


@pytest.mark.parametrize(
    "parameters",
    [{"company": "<b>nobody</b>"}, {"from": "never"}, {"from": "2026-11-20", "to": "2026-11-01"}, {"feed": "999"},
     {"company": "Quillon Bank", "topic": "legal", "from": "2026-10-01", "to": "2026-10-31"}, {"present": "7"}],
)  # fmt: skip
def test_any_link_opens(open_page: Open, parameters: dict[str, str]) -> None:
    assert not open_page(PAGE, **parameters).error


def test_the_presenter_view_has_no_settings(open_page: Open, sample: FinanceSentiment) -> None:
    app = open_page(PAGE, present="1")
    assert not app.file_uploader and all(box.key != "finance_search" for box in app.text_input)
    assert all(box.key != "feed" for box in app.selectbox)
    app.button(key="present_switch").click().run()
    assert any(box.key == "feed" for box in app.selectbox) and app.query_params["present"] == "0"


def test_the_feed_can_be_played(open_page: Open, sample: FinanceSentiment) -> None:
    app = open_page(PAGE)
    app.button(key="finance_play").click().run()
    assert not app.error and any(button.key == "finance_stop" for button in app.button)
    app.button(key="finance_stop").click().run()
    assert any(button.key == "finance_play" for button in app.button)


def test_settings_are_saved_and_an_older_state_is_refused(open_page: Open, sample: FinanceSentiment) -> None:
    app = open_page(PAGE, look="data")
    revision = sample.setup.revision
    key = f"setup_{sample.setup.id}_{revision}"
    app.number_input(key=f"{key}_least_items").set_value(5)
    app.text_area(key=f"{key}_companies").set_value("Acme: $ACM, Acme Inc\nBolt")
    next(button for button in app.button if button.label == "Save").click().run()
    saved = FinanceConfig.model_validate(get_setup(sample.workspace, sample.setup.id).config)
    assert saved.least_items == 5 and saved.companies == {"Acme": ["$ACM", "Acme Inc"], "Bolt": []}
    save_setup(sample.workspace, get_setup(sample.workspace, sample.setup.id), FinanceConfig())
    app.run()
    next(button for button in app.button if button.label == "Save").click().run()
    assert any("Somebody else changed" in warning.value for warning in app.warning)


def test_own_news_without_dates_say_what_is_missing(open_trained: Open, trained: Project) -> None:
    workspace = trained.workspace
    config = FinanceConfig(roles={"sentiment": trained.id}, negative_labels=["broken"])
    setup = create_setup(workspace, NAME, "Mine <b>", config)
    app = open_trained(PAGE, feed=str(setup.id), look="data")
    content = f'text,ticker\nscreen cracked,"{HOSTILE}"\nmoney back,Acme\n'
    app.file_uploader(key=f"finance_import_{setup.id}_upload").upload("mine.csv", content.encode()).run(timeout=60)
    assert any("Without dates" in info.value for info in app.info)
    app.button(key=f"finance_import_{setup.id}_go").click().run(timeout=60)
    scenario = FinanceSentiment(workspace, setup)
    for _ in range(200):
        if scenario.facts.items == 2:
            break
        time.sleep(0.1)
    app = settled(open_trained(PAGE, feed=str(setup.id)))
    assert any("no dates" in info.value for info in app.info) and not app.error
    assert scenario.waiting() == {"sentiment": 0}
    row = next(row for row in scenario.items() if row.text == "screen cracked")
    assert row.sentiment == "broken" and row.company == HOSTILE


def test_attribution_shows_the_text_and_runs_nothing() -> None:
    found = Attribution(
        label="x",
        score=0.9,
        pieces=[Piece(text="<b>", weight=0.3), Piece(text=" ", weight=0), Piece(text=":red[x]", weight=-0.1)],
    )
    shown = highlighted(found)
    assert shown.startswith("**:orange-background[\\<b\\>]** :blue-background[")
    assert ":red[" not in shown
