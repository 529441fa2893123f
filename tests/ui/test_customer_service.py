"""The customer service page on the sample, without a model and with a project that has one."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.project import Project
from core.scenarios.customer_service import agent as agent_module
from core.scenarios.customer_service import scenario as scenario_module
from core.scenarios.customer_service import search as search_module
from core.scenarios.customer_service.config import CustomerServiceConfig
from core.scenarios.customer_service.knowledge import Draft
from core.scenarios.customer_service.scenario import CustomerService
from core.scenarios.setups import create_setup, list_setups, save_setup
from core.workspace import Workspace
from studio import services
from studio.widgets.customer_service_words import message_text
from tests.ui.conftest import open_on
from tests.unit.scenarios.customer_service.conftest import WordEmbedder

Open = Callable[..., AppTest]
PAGE = "customer_service"
HOSTILE = "<script>document.title='x'</script> :red[x] **b** $x$ ![](http://evil.example/x.png)"


@pytest.fixture(scope="module")
def sample_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace folder with the sample and not a single model."""
    home = tmp_path_factory.mktemp("sample") / "home"
    with Workspace.open(home) as workspace:
        CustomerService.install_sample(workspace)
    return home


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanings are words here: no encoder is loaded."""
    embedder = WordEmbedder()
    monkeypatch.setattr(CustomerService, "embedder", lambda self: embedder)
    for module in (agent_module, search_module, scenario_module):
        monkeypatch.setattr(module, "one_thread", nullcontext)


@pytest.fixture
def sample(sample_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CustomerService]:
    """A copy of the sample that the pages find as their own."""
    shutil.copytree(sample_home, tmp_path / "copy")
    monkeypatch.setenv("WHETSTONE_HOME", str(tmp_path / "copy"))
    monkeypatch.setenv("WHETSTONE_DEMO", "false")
    monkeypatch.setenv("WHETSTONE_OFFLINE", "true")
    workspace = services.get_workspace()
    yield CustomerService(workspace, list_setups(workspace, CustomerService.name)[0])
    services.close_workspace()
    st.cache_resource.clear()


def ready(app: AppTest) -> AppTest:
    """Run until nothing is worked on in the background."""
    for _ in range(400):
        jobs = services.get_jobs()
        if all(job.state != "running" for job in jobs._jobs.values()):
            return app.run()
        time.sleep(0.05)
    raise AssertionError("the work does not end")


def say(app: AppTest, text: str) -> AppTest:
    app.chat_input[0].set_value(text).run(timeout=60)
    assert not app.exception
    return app


def spoken(app: AppTest) -> list[str]:
    """What stands in the chat's bubbles."""
    return [" ".join(str(one.value) for one in bubble.markdown) for bubble in app.chat_message]


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("tab", ["chat", "numbers", "knowledge", "data"])
def test_every_part_renders_without_models(sample: CustomerService, tab: str, language: str) -> None:
    sample.agent()  # nothing is left to be worked on: AppTest reruns no page whose options are translated
    app = open_on(PAGE, tab=tab, lang=language)
    assert not app.error and not app.exception


def test_a_fresh_page_says_that_no_model_plays_and_answers_from_the_knowledge_base(sample: CustomerService) -> None:
    app = ready(open_on(PAGE, lang="en"))
    assert any("No model tells" in box.value for box in app.info)
    say(app, "Are parcels brought at weekends or on public holidays?")
    asked, answer = spoken(app)
    assert asked.startswith("Are parcels brought") and "Saturdays yes" in answer
    assert any("Saturdays, Sundays" in caption.value.replace("\\", "") for caption in app.caption)
    assert any(heading.value == "Why this answer" for heading in app.subheader)


def test_a_second_message_stays_in_its_conversation(sample: CustomerService) -> None:
    app = ready(open_on(PAGE, lang="en"))
    say(app, "Are parcels brought at weekends or on public holidays?")
    say(app, "Express was late. Do I get the surcharge back?")
    assert len(spoken(app)) == 4
    (talk,) = sample.conversations.recent()
    assert app.query_params["talk"] == str(talk.id) or app.query_params["talk"] == [str(talk.id)]
    again = ready(open_on(PAGE, lang="en", talk=str(talk.id)))
    assert len(spoken(again)) == 4, "a link opens the same conversation"


def test_a_person_takes_over_and_what_solved_it_is_found(sample: CustomerService) -> None:
    app = ready(open_on(PAGE, lang="en"))
    say(app, "purple monkeys xylophone")
    assert any("A person has this conversation" in box.value for box in app.info)
    app.text_area[0].set_value("Play it on Monday.")
    solved = next(one for one in app.text_input if one.label.startswith("What solved it"))
    solved.set_value("Xylophone monkeys are purple.")
    next(b for b in app.button if b.label == "Send").click().run()
    assert sample.conversations.recent()[0].state == "resolved"
    assert sample.agent().answer("purple monkeys xylophone").text == "Xylophone monkeys are purple."
    say(app, "xylophone, purple monkeys")
    now, before = sample.conversations.recent()[:2]
    assert [len(talk.messages) for talk in (now, before)] == [2, 3], "what comes after the end opens a new conversation"
    assert now.messages[-1].text == "Xylophone monkeys are purple."


def test_hostile_text_is_only_text(sample: CustomerService) -> None:
    sample.knowledge.add(Draft(title=HOSTILE[:150], questions=["zebra"], answer=HOSTILE))
    app = ready(open_on(PAGE, lang="en"))
    say(app, f"zebra {HOSTILE}")
    for words_ in spoken(app):
        assert message_text(HOSTILE)[:60] in words_
        assert "<script>" not in words_ and "](http" not in words_


@pytest.mark.parametrize("text", ["   ", "\u202e\u200b", "x" * 19_999])
def test_odd_messages_break_nothing(sample: CustomerService, text: str) -> None:
    say(ready(open_on(PAGE, lang="en")), text)


def test_the_presenter_view_is_the_chat_alone(sample: CustomerService) -> None:
    app = ready(open_on(PAGE, lang="en", present="1", tab="data"))
    assert app.chat_input and [box.key for box in app.selectbox if box.key in ("desk", "talk")] == []
    say(app, "Are parcels brought at weekends or on public holidays?")
    assert spoken(app)[1].startswith("##### Saturdays yes")
    assert not any(b.label == "Wrong intent" for b in app.button)


def test_an_entry_is_written_and_found(sample: CustomerService) -> None:
    app = open_on(PAGE, lang="en", tab="knowledge")
    field = {one.label: one for one in [*app.text_input, *app.text_area]}
    field["Title"].set_value("Zebra")
    field["Ways to ask, one a line"].set_value("where is the zebra\nzebra?")
    field["Answer"].set_value("In the zoo.")
    next(b for b in app.button if b.label == "Save").click().run()
    (entry,) = sample.knowledge.entries("zebra")
    assert entry.questions == ["where is the zebra", "zebra?"] and entry.user == "ann"


def test_a_file_becomes_entries(sample: CustomerService) -> None:
    app = open_on(PAGE, lang="en", tab="knowledge")
    app.file_uploader[0].upload("faq.md", b"# Zebra?\nIn the zoo.\n").run()
    next(b for b in app.button if b.label == "Import").click().run()
    ready(app)
    assert [entry.answer for entry in sample.knowledge.entries("zebra")] == ["In the zoo."]
    assert any(metric.label == "Added" and metric.value == "1" for metric in app.metric)


def test_a_replay_shows_its_figures(sample: CustomerService) -> None:
    app = ready(open_on(PAGE, lang="en", tab="numbers"))
    next(b for b in app.button if b.label == "Run the sample conversations").click().run()
    ready(app)
    assert {"Answered right", "Answered, but wrong", "Handed over"} <= {metric.label for metric in app.metric}
    assert len(sample.replays()) == 1


def test_a_role_of_the_wrong_kind_leads_to_the_setup(sample: CustomerService) -> None:
    config = sample.config.model_copy(update={"roles": {"intent": 999}})
    save_setup(sample.workspace, sample.setup, config)
    app = open_on(PAGE, lang="en")
    assert any("given to something that is gone" in box.value for box in app.warning)
    assert any(b.key == "service_roles" for b in app.button)


def test_a_setup_of_ones_own_begins_empty(sample: CustomerService) -> None:
    create_setup(sample.workspace, CustomerService.name, "Mine", CustomerServiceConfig())
    mine = list_setups(sample.workspace, CustomerService.name)[1]
    for tab in ("chat", "numbers", "knowledge", "data"):
        app = ready(open_on(PAGE, lang="en", tab=tab, desk=str(mine.id)))
        assert not app.error and not app.exception
    say(ready(open_on(PAGE, lang="en", desk=str(mine.id))), "hello there")


def test_feedback_says_where_it_went(sample: CustomerService) -> None:
    project: Project = sample.workspace.create_project("Intents", labels=["a", "b"])
    project.add_items([{"text": "first"}])
    config = sample.config.model_copy(update={"roles": {"intent": project.id}})
    save_setup(sample.workspace, sample.setup, config)
    app = say(ready(open_on(PAGE, lang="en")), "Are parcels brought at weekends or on public holidays?")
    next(b for b in app.button if b.label == "Wrong answer").click().run()
    assert any("First in the labeling queue" in caption.value for caption in app.caption)
    queued = project.next_item("bob")
    assert queued is not None and queued.text.startswith("Are parcels brought")
