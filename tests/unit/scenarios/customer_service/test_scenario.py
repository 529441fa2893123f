"""The front door: sample, chat on disk, feedback into the queue, an index that follows the knowledge."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from core.data.samples import PROJECT
from core.errors import InputError, NotFoundError, RefusedError
from core.scenarios.customer_service.config import CustomerServiceConfig
from core.scenarios.customer_service.conversations import Message
from core.scenarios.customer_service.knowledge import Draft
from core.scenarios.customer_service.plots import flow, over_time, quality
from core.scenarios.customer_service.scenario import CustomerService
from core.scenarios.setups import checked, from_yaml, get_setup, save_setup, to_yaml
from core.workspace import Workspace

ENTRY = Draft(title="Error E3", questions=["kettle shows error E3"], answer="Descale it.")


def say(desk: CustomerService, talk: int, text: str) -> Message | None:
    return next((piece for piece in desk.send(talk, text) if isinstance(piece, Message)), None)


def test_the_sample_is_there_in_seconds(workspace: Workspace) -> None:
    project = workspace.create_project("Intents", labels=["a", "b"])
    workspace.set_preference(PROJECT.format("customer_service_intents"), project.id)
    started = time.perf_counter()
    sample = CustomerService.install_sample(workspace)
    assert time.perf_counter() - started < 60  # what grows with the square takes longer
    assert len(sample.knowledge.entries()) == 119 and len(sample.conversations.resolved()) == 47
    assert len(sample.config.templates) == 26 and len(sample.sample_cases()) == 103
    assert sample.config.roles == {"intent": project.id}
    assert sample.intent_model() is None, "nothing is trained yet"
    titles = {entry.title for entry in sample.knowledge.entries()}
    known = {talk.external_id for talk in sample.conversations.resolved()}
    assert all(case.faq in titles | known for case in sample.sample_cases() if case.faq)


def test_both_messages_are_on_disk_and_the_next_answer_knows_them(desk: CustomerService) -> None:
    desk.knowledge.add(ENTRY)
    talk = desk.conversations.start()
    answer = say(desk, talk.id, "kettle shows error E3")
    assert answer is not None and answer.text == "Descale it."
    stored = desk.conversations.get(talk.id).messages
    assert [message.role for message in stored] == ["customer", "agent"] and stored[1].id == answer.id


def test_a_message_whose_answer_was_cut_off_is_answered_once(desk: CustomerService) -> None:
    desk.knowledge.add(ENTRY)
    talk = desk.conversations.start()
    pieces = desk.send(talk.id, "kettle shows error E3")
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    say(desk, talk.id, "kettle shows error E3")
    assert [m.role for m in desk.conversations.get(talk.id).messages] == ["customer", "agent"]


def test_in_the_hands_of_a_person_the_agent_is_silent(desk: CustomerService) -> None:
    talk = desk.conversations.start()
    say(desk, talk.id, "purple monkeys")
    assert desk.conversations.get(talk.id).state == "handed_over"
    assert say(desk, talk.id, "hello?") is None
    summary = desk.handover(talk.id)
    assert summary.said == ["purple monkeys", "hello?"] and summary.reason == "nothing_near"


def test_what_changes_is_found_by_the_next_message(desk: CustomerService) -> None:
    def answer(text: str) -> str:
        return desk.agent().answer(text).text

    assert "passing you on" in answer("kettle shows error E3")
    entry = desk.knowledge.add(ENTRY)
    assert answer("kettle shows error E3") == "Descale it."
    changed = desk.knowledge.edit(entry, ENTRY.model_copy(update={"answer": "Call us."}))
    assert answer("kettle shows error E3") == "Call us."
    desk.knowledge.remove(changed)
    assert "passing you on" in answer("kettle shows error E3")
    talk = desk.conversations.start()
    desk.conversations.say(talk, "customer", "lamp battery dead")
    desk.conversations.resolve(talk, "Small charger.")
    assert answer("my lamp battery is dead") == "Small charger."
    assert desk.is_ready()


def test_a_good_answer_teaches_its_entry(desk: CustomerService) -> None:
    entry = desk.knowledge.add(ENTRY)
    talk = desk.conversations.start()
    answer = say(desk, talk.id, "kettle error E3 beep")
    assert answer is not None
    assert desk.learn_wording(answer.id, talk.id).questions == [*entry.questions, "kettle error E3 beep"]
    nothing = say(desk, talk.id, "purple monkeys")
    assert nothing is not None
    with pytest.raises(RefusedError, match="no entry"):
        desk.learn_wording(nothing.id, talk.id)


def test_feedback_is_first_in_the_queue_of_the_intent_project(workspace: Workspace, desk: CustomerService) -> None:
    project = workspace.create_project("Intents", labels=["a", "b"])
    project.add_items([{"text": "first"}, {"text": "second"}])
    config = checked(CustomerServiceConfig, desk.setup.config | {"roles": {"intent": project.id}})
    desk = CustomerService(workspace, save_setup(workspace, desk.setup, config))
    talk = desk.conversations.start()
    answer = say(desk, talk.id, "purple <b>monkeys</b>")
    assert answer is not None
    where, item = desk.feedback(answer.id, talk.id, "wrong intent", "ann")
    queued = project.next_item("bob")
    assert where.id == project.id and queued is not None and queued.id == item
    assert queued.text == "purple <b>monkeys</b>" and queued.source == "feedback: Customer service"
    assert queued.meta["note"] == "wrong intent"
    with pytest.raises(NotFoundError):
        desk.feedback(999, talk.id, "x")


def test_feedback_without_a_project_says_what_to_do(desk: CustomerService) -> None:
    with pytest.raises(RefusedError, match="Nobody plays"):
        desk.feedback(1, 1, "x")


def test_a_replay_is_kept_and_drawn(workspace: Workspace, desk: CustomerService) -> None:
    desk.knowledge.add(ENTRY)
    from core.scenarios.customer_service.replay import Case

    cases = [Case(id="1", messages=["kettle shows error E3"], faq="Error E3", outcome="retrieval")]
    first = desk.replay(cases, "before", "ann")
    desk.replay(cases, "after")
    assert [replay.name for replay in desk.replays()] == ["after", "before"]
    assert desk.replay_result(first.id).results[0].right is True
    assert "100.0" in str(quality(first.summary).layout.title.text)
    assert flow(first.summary).data and over_time(desk.replays()).data
    with pytest.raises(InputError):
        desk.replay([], "none")
    with pytest.raises(NotFoundError):
        desk.replay_result(999)


def test_a_setup_travels_as_a_file(workspace: Workspace, desk: CustomerService) -> None:
    name, config = from_yaml(to_yaml(desk.setup), CustomerService.name, CustomerServiceConfig)
    assert (name, config) == ("Mine", desk.config)


@pytest.mark.parametrize(
    "values",
    [
        {"order_pattern": "(a+)+"},
        {"templates": [{"intent": "a", "name": "b", "text": "c", "needs": ["password"]}]},
        {"templates": [{"intent": "", "name": "b", "text": "c"}]},
        {"confidence": 2},
        {"generator": {"kind": "shell"}},
        {"unknown": 1},
    ],
)
def test_unusable_settings_are_named(values: dict[str, object]) -> None:
    with pytest.raises(InputError, match=str(next(iter(values)))):
        checked(CustomerServiceConfig, values)


def test_a_role_of_the_wrong_task_is_refused(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = CustomerService.install_sample(workspace)
    config = desk.config.model_copy(update={"roles": {"intent": 999}})
    desk = CustomerService(workspace, save_setup(workspace, desk.setup, config))
    with pytest.raises(RefusedError, match="Intent"):
        desk.agent()


def test_conversations_and_templates_come_from_files(desk: CustomerService, tmp_path: Path) -> None:
    row = {"id": "c1", "turns": [{"role": "customer", "text": "lamp dead"}], "resolution": "Charger.", "intent": "x"}
    (tmp_path / "c.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert desk.import_conversations(tmp_path / "c.jsonl", "c.jsonl") == 1
    assert desk.conversations.resolved()[0].messages[0].text == "lamp dead"
    (tmp_path / "t.csv").write_text("intent,name,needs,ask,text\na,N,order_number|date,Which?,Hi {order_number}\n")
    (template,) = desk.read_templates(tmp_path / "t.csv", "t.csv")
    assert template.needs == ("order_number", "date") and template.text == "Hi {order_number}"
    (tmp_path / "t.csv").write_text("intent,name,needs,ask,text\na,N,password,Which?,Hi\n")
    with pytest.raises(InputError, match="Template 1"):
        desk.read_templates(tmp_path / "t.csv", "t.csv")


def test_deleting_a_setup_leaves_nothing_of_it(workspace: Workspace, desk: CustomerService) -> None:
    desk.knowledge.add(ENTRY)
    talk = desk.conversations.start()
    desk.delete_data()
    assert desk.knowledge.entries() == [] and desk.conversations.recent() == []
    again = CustomerService(workspace, get_setup(workspace, desk.setup.id))
    assert again.conversations.start().id > talk.id, "numbers are never given twice"


def test_a_model_of_spans_names_more_than_the_rules(workspace: Workspace, desk: CustomerService) -> None:
    project = workspace.create_project("Products", task="tagging")
    things = ["lamp", "kettle", "sofa", "mirror", "carpet", "chair"]
    texts = [(f"{start} {thing} {end}", start, thing) for thing in things for start in ("my", "the", "your")
             for end in ("is broken", "came late", "is too small")]  # fmt: skip
    project.add_items(
        [
            {"text": text, "label": [[len(start) + 1, len(start) + 1 + len(thing), "product"]]}
            for text, start, thing in texts
        ]
    )
    run = project.train(project.freeze(test=0.2, dev=0.1, seed=0), method="baseline").wait(timeout=120)
    assert run.model is not None, run.error
    config = checked(CustomerServiceConfig, desk.setup.config | {"roles": {"entities": project.id}})
    desk = CustomerService(workspace, save_setup(workspace, desk.setup, config))
    trace = desk.agent().answer("my kettle is broken, order 42817").trace
    found = [(entity.kind, entity.text) for entity in trace.entities]
    assert found == [("product", "kettle"), ("order_number", "42817")] and trace.known["product"] == "kettle"
