"""Customer service for programs: chat, knowledge, replays; /api/v1/scenarios/customer-service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import Field, StringConstraints

from core.errors import NotFoundError, StudioError
from core.records import Record
from core.scenarios import list_setups, open_scenario
from core.scenarios.customer_service.agent import Trace
from core.scenarios.customer_service.config import CustomerServiceConfig
from core.scenarios.customer_service.conversations import Conversation, Message, past_conversation
from core.scenarios.customer_service.handover import Summary
from core.scenarios.customer_service.knowledge import Draft, Entry, KnowledgeReport
from core.scenarios.customer_service.replay import Case, Replay, ReplayResult, make_case
from core.scenarios.customer_service.scenario import CustomerService
from core.scenarios.customer_service.scope import ScopeFigures
from core.scenarios.setups import Setup, checked, create_setup, remove_setup, save_setup
from studio.api_base import Open, protected
from studio.api_models import MOST_PAGE, MOST_ROWS, Id, User
from studio.api_scenarios import LINES, ChangedSetup, NewSetup, stream_job

NAME = CustomerService.name
TAGS: list[Any] = ["customer service"]
router = protected("/scenarios/customer-service")


class NewMessage(Record):
    """What somebody writes."""

    text: str = Field(description="1 to 20,000 characters.")
    role: Literal["customer", "person"] = Field(
        default="customer", description="A person's message is stored; a customer's is answered."
    )
    stream: bool = Field(
        default=False, description="One JSON line a piece of the answer, the whole answer as the last."
    )


class Reply(Record):
    """The answer to a message; none when a person has the conversation."""

    conversation_id: int
    state: str
    message_id: int | None = None
    text: str = ""
    trace: Trace | None = Field(default=None, description="Everything the agent saw.")


class NewConversation(Record):
    """A conversation to begin."""

    user: User = "api"


class Move(Record):
    """Who goes on with a conversation."""

    to: Literal["person", "agent", "resolved"]
    resolution: str = Field(default="", description="For resolved: what solved it.")
    user: User = "api"


class NewEntry(Draft):
    """An entry to add."""

    user: User = "api"


class ChangedEntry(NewEntry):
    """An entry as it should be."""

    revision: int = Field(description="Revision that was read; an older one is refused.")


class NewEntries(Record):
    """Entries to add, or to replace where the title is there already."""

    entries: list[Draft] = Field(min_length=1, max_length=MOST_ROWS)
    source: Annotated[str, StringConstraints(max_length=100)] = "api"
    user: User = "api"


class NewPast(Record):
    """Resolved conversations to bring along: id, turns (role, text), resolution, intent."""

    conversations: list[dict[str, Any]] = Field(min_length=1, max_length=MOST_ROWS)
    user: User = "api"


class NewFeedback(Record):
    """What was wrong with an answer."""

    note: str = Field(default="wrong answer", max_length=1_000)
    user: User = "api"


class SentBack(Record):
    """Where it went."""

    project_id: int
    item_id: int


class NewReplay(Record):
    """Past conversations to run as a test; without any, those of the last replay or of the sample."""

    name: str = Field(default="api", max_length=100)
    cases: list[dict[str, Any]] = Field(
        default_factory=list, max_length=5_000, description="messages, and where known id, intent, faq, outcome."
    )
    user: User = "api"


class State(Record):
    """How a setup stands."""

    entries: int
    resolved_conversations: int
    intent_model: str | None
    ready: bool = Field(description="Whether the next message is answered without loading anything first.")


def _scenario(workspace: Open, setup_id: Annotated[Id, Path()]) -> CustomerService:
    scenario = open_scenario(workspace, NAME, setup_id)
    if not isinstance(scenario, CustomerService):
        raise NotFoundError(f"There is no setup {setup_id} of customer service.", "Ask for the list of setups.")
    return scenario


Chosen = Annotated[CustomerService, Depends(_scenario)]
Number = Annotated[Id, Path()]


@router.get("/setups", tags=TAGS)
def list_all(workspace: Open) -> list[Setup]:
    """Setups, the sample first."""
    return list_setups(workspace, NAME)


@router.post("/setups", tags=TAGS, status_code=201)
def create(workspace: Open, new: NewSetup) -> Setup:
    """Make a setup."""
    return create_setup(workspace, NAME, new.name, checked(CustomerServiceConfig, new.config), user=new.user)


@router.put("/setups/{setup_id}", tags=TAGS)
def change(workspace: Open, scenario: Chosen, new: ChangedSetup) -> Setup:
    """Save a changed config; refused when somebody else saved meanwhile."""
    base = scenario.setup.model_copy(update={"revision": new.revision})
    return save_setup(workspace, base, checked(CustomerServiceConfig, new.config), user=new.user)


@router.delete("/setups/{setup_id}", tags=TAGS, status_code=204)
def remove(workspace: Open, scenario: Chosen) -> None:
    """Remove a setup with its knowledge, conversations and replays."""
    scenario.delete_data()
    remove_setup(workspace, scenario.setup, user="api")


@router.get("/setups/{setup_id}/state", tags=TAGS)
def state(scenario: Chosen) -> State:
    """What there is and what is missing."""
    model = scenario.intent_model()
    return State(
        entries=len(scenario.knowledge.entries()),
        resolved_conversations=len(scenario.conversations.resolved()),
        intent_model=model.id if model else None,
        ready=scenario.is_ready(),
    )


# ---------------------------------------------------------------- chat


@router.post("/setups/{setup_id}/conversations", tags=TAGS, status_code=201)
def begin(scenario: Chosen, new: NewConversation | None = None) -> Conversation:
    """Begin a conversation."""
    return scenario.conversations.start("api", (new or NewConversation()).user)


@router.get("/setups/{setup_id}/conversations", tags=TAGS)
def list_conversations(scenario: Chosen, limit: Annotated[int, Query(ge=1, le=MOST_PAGE)] = 50) -> list[Conversation]:
    """Conversations that happened here with their messages, newest first."""
    return scenario.conversations.recent(limit=limit)


@router.get("/setups/{setup_id}/conversations/{conversation_id}", tags=TAGS)
def get_conversation(scenario: Chosen, conversation_id: Number) -> Conversation:
    """One conversation."""
    return scenario.conversations.get(conversation_id)


@router.post("/setups/{setup_id}/conversations/{conversation_id}/messages", tags=TAGS, response_model=Reply)
def write(scenario: Chosen, conversation_id: Number, new: NewMessage) -> Reply | StreamingResponse:
    """Write a message. A customer's is answered; the answer and all that was seen come back, at once or streamed."""
    conversation = scenario.conversations.get(conversation_id)
    if new.role == "person":
        said = scenario.conversations.say(conversation, "person", new.text)
        return Reply(conversation_id=conversation_id, state=conversation.state, message_id=said.id)
    pieces = scenario.send(conversation_id, new.text)
    if not new.stream:
        answer = next((piece for piece in pieces if isinstance(piece, Message)), None)
        return _reply(scenario, conversation_id, answer)
    first = next(pieces, None)  # what is refused is refused before the answer begins
    return StreamingResponse(_stream(scenario, conversation_id, first, pieces), media_type=LINES)


def _stream(
    scenario: CustomerService, conversation_id: int, first: str | Message | None, rest: Iterator[str | Message]
) -> Iterator[str]:
    answer: Message | None = None
    try:
        for piece in [] if first is None else _chain(first, rest):
            if isinstance(piece, str):
                yield _line({"piece": piece})
            else:
                answer = piece
        yield _line({"answer": _reply(scenario, conversation_id, answer).model_dump(mode="json")})
    except StudioError as error:
        yield _line({"failed": {"detail": error.message, "hint": error.hint}})


def _chain(first: str | Message, rest: Iterator[str | Message]) -> Iterator[str | Message]:
    yield first
    yield from rest


def _reply(scenario: CustomerService, conversation_id: int, answer: Message | None) -> Reply:
    now = scenario.conversations.get(conversation_id).state
    if answer is None:
        return Reply(conversation_id=conversation_id, state=now)
    return Reply(
        conversation_id=conversation_id,
        state=now,
        message_id=answer.id,
        text=answer.text,
        trace=Trace.model_validate(answer.trace),
    )


@router.post("/setups/{setup_id}/conversations/{conversation_id}/move", tags=TAGS)
def move(scenario: Chosen, conversation_id: Number, new: Move) -> Conversation:
    """Hand a conversation to a person, back to the agent, or close it with what solved it."""
    talks = scenario.conversations
    conversation = talks.get(conversation_id)
    if new.to == "resolved":
        return talks.resolve(conversation, new.resolution, new.user)
    return (talks.hand_over if new.to == "person" else talks.hand_back)(conversation, user=new.user)


@router.get("/setups/{setup_id}/conversations/{conversation_id}/summary", tags=TAGS)
def summary(scenario: Chosen, conversation_id: Number) -> Summary:
    """What the person who takes over should know."""
    return scenario.handover(conversation_id)


@router.post(
    "/setups/{setup_id}/conversations/{conversation_id}/messages/{message_id}/feedback", tags=TAGS, status_code=201
)
def send_back(scenario: Chosen, conversation_id: Number, message_id: Number, new: NewFeedback) -> SentBack:
    """Put the message that was answered wrongly first into the labeling queue of the intent project."""
    project, item = scenario.feedback(message_id, conversation_id, new.note, new.user)
    return SentBack(project_id=project.id, item_id=item)


@router.post(
    "/setups/{setup_id}/conversations/{conversation_id}/messages/{message_id}/learn", tags=TAGS, status_code=201
)
def learn(scenario: Chosen, conversation_id: Number, message_id: Number) -> Entry:
    """A good answer: its entry learns the customer's words as one more way to ask."""
    return scenario.learn_wording(message_id, conversation_id, user="api")


@router.post("/setups/{setup_id}/past-conversations", tags=TAGS, status_code=201)
def add_past(scenario: Chosen, new: NewPast) -> dict[str, int]:
    """Bring resolved conversations along; those whose id is here already are left out."""
    past = [past_conversation(row, number) for number, row in enumerate(new.conversations, start=1)]
    return {"added": scenario.conversations.import_resolved(past, "past", new.user)}


# ---------------------------------------------------------------- knowledge


@router.get("/setups/{setup_id}/entries", tags=TAGS)
def list_entries(
    scenario: Chosen,
    words: Annotated[str, Query(max_length=200)] = "",
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_PAGE)] = 100,
) -> list[Entry]:
    """Entries of the knowledge base that contain all words, oldest first."""
    return scenario.knowledge.entries(words)[offset : offset + limit]


@router.post("/setups/{setup_id}/entries", tags=TAGS, status_code=201)
def add_entry(scenario: Chosen, new: NewEntry) -> Entry:
    """Add an entry; the next message finds it."""
    return scenario.knowledge.add(_draft(new), new.user, source="api")


@router.put("/setups/{setup_id}/entries/{entry_id}", tags=TAGS)
def edit_entry(scenario: Chosen, entry_id: Number, new: ChangedEntry) -> Entry:
    """Change an entry; refused when somebody else changed it meanwhile."""
    base = scenario.knowledge.entry(entry_id).model_copy(update={"revision": new.revision})
    return scenario.knowledge.edit(base, _draft(new), new.user)


@router.delete("/setups/{setup_id}/entries/{entry_id}", tags=TAGS, status_code=204)
def remove_entry(scenario: Chosen, entry_id: Number, revision: Annotated[int, Query()]) -> None:
    """Take an entry out; refused when somebody else changed it meanwhile."""
    base = scenario.knowledge.entry(entry_id).model_copy(update={"revision": revision})
    scenario.knowledge.remove(base, user="api")


@router.post("/setups/{setup_id}/entries/import", tags=TAGS, status_code=201)
def add_entries(scenario: Chosen, new: NewEntries) -> KnowledgeReport:
    """Add many entries, all or none; those whose title is there already are replaced."""
    return scenario.knowledge.add_all(new.entries, new.source, new.user)


def _draft(new: NewEntry) -> Draft:
    return Draft(title=new.title, questions=new.questions, answer=new.answer, intent=new.intent)


# ---------------------------------------------------------------- numbers


@router.post("/setups/{setup_id}/replays", tags=TAGS)
def run_replay(scenario: Chosen, new: NewReplay) -> StreamingResponse:
    """Run past conversations as a test: one JSON line a step, the last says how it ended and what came out.

    A caller who hangs up does not stop it; it is the same work that the page shows.
    """
    cases = _cases(scenario, new)
    key, user = f"service_replay_{scenario.setup.id}", new.user
    return stream_job(
        key,
        "Replaying conversations",
        lambda report: scenario.replay(cases, new.name, user, report),
        lambda replay: replay.model_dump(mode="json"),
    )


def _cases(scenario: CustomerService, new: NewReplay) -> list[Case]:
    if new.cases:
        rows = enumerate(new.cases, start=1)
        return [make_case(number, row.get("messages", row.get("text", "")), row) for number, row in rows]
    done = scenario.replays()
    return scenario.sample_cases() or (scenario.replay_result(done[0].id).inputs if done else [])


@router.get("/setups/{setup_id}/replays", tags=TAGS)
def list_replays(scenario: Chosen) -> list[Replay]:
    """Replays with their figures, newest first."""
    return scenario.replays()


@router.get("/setups/{setup_id}/replays/{replay_id}", tags=TAGS)
def get_replay(scenario: Chosen, replay_id: Number) -> ReplayResult:
    """One replay, case by case."""
    return scenario.replay_result(replay_id)


@router.get("/setups/{setup_id}/scope", tags=TAGS)
def scope(scenario: Chosen) -> ScopeFigures | None:
    """How well foreign messages are told from ours on the test split; null without an intent model."""
    return scenario.scope_figures()


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"
