"""Customer service through the API, without a model: chat, stream, two editors, replay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from fastapi.testclient import TestClient as Client

from core.scenarios.customer_service import agent as agent_module
from core.scenarios.customer_service import scenario as scenario_module
from core.scenarios.customer_service import search as search_module
from core.scenarios.customer_service.scenario import CustomerService
from tests.ui.api.answers import assert_problem
from tests.unit.scenarios.customer_service.conftest import WordEmbedder

ROOT = "/v1/scenarios/customer-service/setups"
ENTRY = {"title": "Error E3", "questions": ["kettle shows error E3"], "answer": "Descale it."}


@pytest.fixture(scope="module", autouse=True)
def words() -> Iterator[None]:
    """Meanings are words here: no encoder is loaded."""
    embedder = WordEmbedder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CustomerService, "embedder", lambda self: embedder)
        for module in (agent_module, search_module, scenario_module):
            patch.setattr(module, "one_thread", nullcontext)
        yield


@pytest.fixture(scope="module")
def desk(caller: Client) -> str:
    """Address of a setup with one entry."""
    made = caller.post(ROOT, json={"name": "Desk", "config": {"passage": 0.4}})
    assert made.status_code == 201, made.text
    address = f"{ROOT}/{made.json()['id']}"
    assert caller.post(f"{address}/entries", json=ENTRY).status_code == 201
    return address


@pytest.fixture
def talk(caller: Client, desk: str) -> str:
    """Address of a new conversation."""
    return f"{desk}/conversations/{caller.post(f'{desk}/conversations').json()['id']}"


def test_a_message_is_answered_with_all_that_was_seen(caller: Client, desk: str, talk: str) -> None:
    reply = caller.post(f"{talk}/messages", json={"text": "kettle shows error E3"}).json()
    assert (reply["text"], reply["state"]) == ("Descale it.", "open")
    assert reply["trace"]["passages"][0]["title"] == "Error E3"
    stored = caller.get(talk).json()["messages"]
    assert [message["role"] for message in stored] == ["customer", "agent"]
    learned = caller.post(f"{talk}/messages/{reply['message_id']}/learn")
    assert learned.status_code == 201
    state = caller.get(f"{desk}/state").json()
    assert (state["entries"], state["intent_model"]) == (1, None)


def test_an_answer_is_streamed_in_pieces(caller: Client, talk: str) -> None:
    lines = caller.post(f"{talk}/messages", json={"text": "purple monkeys", "stream": True}).text.splitlines()
    *pieces, last = [json.loads(line) for line in lines]
    answer = last["answer"]
    assert "".join(piece["piece"] for piece in pieces) == answer["text"] and len(pieces) > 1
    assert answer["state"] == "handed_over"
    silent = caller.post(f"{talk}/messages", json={"text": "hello?"}).json()
    assert silent["text"] == "" and silent["trace"] is None
    assert caller.get(f"{talk}/summary").json()["said"] == ["purple monkeys", "hello?"]
    caller.post(f"{talk}/messages", json={"text": "I am Ruud", "role": "person"})
    done = caller.post(f"{talk}/move", json={"to": "resolved", "resolution": "Painted them."}).json()
    assert done["state"] == "resolved" and done["messages"][-1]["role"] == "person"


def test_two_editors_do_not_overwrite_each_other(caller: Client, desk: str) -> None:
    entry = caller.post(f"{desk}/entries", json=ENTRY | {"title": "Other"}).json()
    address = f"{desk}/entries/{entry['id']}"
    changed = ENTRY | {"title": "Other", "answer": "New.", "revision": entry["revision"]}
    assert caller.put(address, json=changed | {"user": "bob"}).status_code == 200
    assert_problem(caller.put(address, json=changed), 409, "bob changed")
    assert_problem(caller.delete(address, params={"revision": entry["revision"]}), 409, "bob changed")
    now = caller.get(f"{desk}/entries", params={"words": "other"}).json()[0]
    assert caller.delete(address, params={"revision": now["revision"]}).status_code == 204


def test_many_entries_at_once(caller: Client, desk: str) -> None:
    rows = [ENTRY | {"title": f"Many {n}", "answer": "x" if n else ""} for n in range(3)]
    assert_problem(caller.post(f"{desk}/entries/import", json={"entries": rows}), 422, "answer of the entry is empty")
    report = caller.post(f"{desk}/entries/import", json={"entries": rows[1:]}).json()
    assert (report["added"], report["changed"]) == (2, 0)


def test_a_replay_is_streamed_and_kept(caller: Client, desk: str) -> None:
    cases = [{"messages": ["kettle shows error E3"], "faq": "Error E3", "outcome": "retrieval"}]
    lines = caller.post(f"{desk}/replays", json={"cases": cases, "name": "one"}).text.splitlines()
    last = json.loads(lines[-1])
    assert last["state"] == "done" and last["result"]["summary"]["shares"]["right"]["value"] == 1.0
    (replay,) = caller.get(f"{desk}/replays").json()
    assert caller.get(f"{desk}/replays/{replay['id']}").json()["results"][0]["right"] is True


def test_past_conversations(caller: Client, desk: str) -> None:
    row = {"id": "c1", "turns": [{"role": "customer", "text": "lamp dead"}], "resolution": "Charger."}
    address = f"{desk}/past-conversations"
    assert caller.post(address, json={"conversations": [row]}).json() == {"added": 1}
    assert_problem(caller.post(address, json={"conversations": [{"id": "c2"}]}), 422, "Row 1")


@pytest.mark.parametrize(
    ("method", "address", "body", "status"),
    [
        ("POST", "/messages", {"text": ""}, 422),
        ("POST", "/messages", {"text": "x" * 20_001}, 422),
        ("POST", "/messages", {"text": "", "stream": True}, 422),
        ("POST", "/messages", {"text": "x", "role": "agent"}, 422),
        ("POST", "/move", {"to": "resolved"}, 422),
        ("POST", "/messages/9/feedback", {"note": "x"}, 409),
        ("POST", "/messages/9/learn", None, 404),
    ],
)
def test_what_cannot_be_done_is_a_problem(
    caller: Client, talk: str, method: str, address: str, body: dict[str, object] | None, status: int
) -> None:
    assert_problem(caller.request(method, talk + address, json=body), status)


@pytest.mark.parametrize("config", [{"order_pattern": "(a+)+"}, {"generator": {"kind": "shell"}}, {"nonsense": 1}])
def test_unusable_settings_are_a_problem(caller: Client, config: dict[str, object]) -> None:
    assert_problem(caller.post(ROOT, json={"name": "Bad", "config": config}), 422, next(iter(config)))


def test_a_stranger_gets_nothing(stranger: Client, desk: str) -> None:
    assert stranger.get(f"{desk}/entries").status_code == 401


def test_unknown_numbers_are_not_found(caller: Client, desk: str) -> None:
    for address in (f"{ROOT}/999/state", f"{desk}/conversations/999", f"{desk}/replays/999"):
        assert_problem(caller.get(address), 404)
