"""Conversations with customers: kept message by message, handed over to a person, and found again once resolved."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from core.data.names import visible
from core.errors import InputError, NotFoundError, RefusedError
from core.records import Record
from core.storage import customer_service as store

if TYPE_CHECKING:
    from core.workspace import Workspace

Role = Literal["customer", "agent", "person"]
State = Literal["open", "handed_over", "resolved"]
LONGEST_MESSAGE = 20_000
"""Characters."""
MOST_MESSAGES = 500
LONGEST_RESOLUTION = 5_000
LIVE = ("chat", "api")
"""Sources of conversations that happened here."""


class Message(Record):
    """One message as it was written."""

    id: int = 0
    role: Role
    text: str
    trace: dict[str, Any] | None = Field(default=None, description="For the agent: everything it saw.")
    at: datetime | None = None


class Conversation(Record):
    """One conversation with its messages."""

    id: int
    revision: int
    external_id: str = Field(default="", description="Its name in the file it came from.")
    state: State
    intent: str = ""
    resolution: str = Field(default="", description="What solved it, one or two sentences; found by later questions.")
    source: str = Field(description="chat, api, or the file it came from.")
    user: str
    started_at: datetime
    changed_at: datetime
    messages: list[Message] = Field(default_factory=list)

    @property
    def title(self) -> str:
        """Its first words."""
        first = next((message.text for message in self.messages if message.role == "customer"), "")
        return visible(first, 60) or f"#{self.id}"


class PastConversation(Record):
    """A resolved conversation that is brought along."""

    id: str
    intent: str = ""
    turns: list[tuple[Role, str]]
    resolution: str


class Conversations:
    """The conversations of one setup."""

    def __init__(self, workspace: Workspace, setup_id: int) -> None:
        self.database = workspace.database
        self.setup_id = setup_id

    def recent(self, live: bool = True, limit: int = 50) -> list[Conversation]:
        """Conversations, newest first; ``live``: only those that happened here."""
        sources = LIVE if live else None
        return self._read(store.list_conversations(self.database, self.setup_id, sources=sources, limit=limit))

    def titles(self, limit: int = 30) -> dict[int, str]:
        """First words of the conversations that happened here, by number, newest first."""
        found = store.first_words(self.database, self.setup_id, limit)
        return {number: visible(words, 60) or f"#{number}" for number, words in found}

    def resolved(self) -> list[Conversation]:
        """Every conversation with a resolution."""
        return self._read(store.list_conversations(self.database, self.setup_id, state="resolved"))

    def get(self, conversation_id: int) -> Conversation:
        """One conversation. Raises NotFoundError."""
        for found in self._read(store.list_conversations(self.database, self.setup_id, conversation_id)):
            return found
        raise NotFoundError(f"There is no conversation {conversation_id}.", "Choose one from the list.")

    def start(self, source: str = "chat", user: str = "me") -> Conversation:
        """Begin an empty conversation."""
        (number,) = store.write_conversations(
            self.database, self.setup_id, [{"state": "open", "source": source if source in LIVE else "chat"}], user
        )
        return self.get(number)

    def say(self, conversation: Conversation, role: Role, text: str, trace: dict[str, Any] | None = None) -> Message:
        """Add a message. Raises InputError for an empty or endless one, RefusedError in a resolved conversation."""
        text = check_message(text)
        if conversation.state == "resolved":
            raise RefusedError("This conversation is resolved.", "Start a new one.")
        if len(conversation.messages) >= MOST_MESSAGES:
            raise RefusedError(f"A conversation holds at most {MOST_MESSAGES} messages.", "Start a new one.")
        (number,) = store.write_messages(self.database, self.setup_id, [(conversation.id, role, text, trace)])
        return Message(id=number, role=role, text=text, trace=trace, at=datetime.now())

    def hand_over(self, conversation: Conversation, intent: str = "", user: str = "me") -> Conversation:
        """A person is to go on. From now on the agent stays silent in it."""
        return self._move(conversation, "handed_over", user, intent=intent or conversation.intent)

    def hand_back(self, conversation: Conversation, user: str = "me") -> Conversation:
        """The agent is to go on."""
        return self._move(conversation, "open", user)

    def resolve(self, conversation: Conversation, resolution: str, user: str = "me") -> Conversation:
        """Close it with what solved it; later questions find that. Raises InputError."""
        resolution = resolution.strip()
        if not resolution or len(resolution) > LONGEST_RESOLUTION:
            raise InputError(
                f"A resolution has 1 to {LONGEST_RESOLUTION:,} characters.", "Say in a sentence what solved it."
            )
        return self._move(conversation, "resolved", user, resolution=resolution)

    def import_resolved(self, past: Iterable[PastConversation], source: str, user: str = "me") -> int:
        """Bring resolved conversations along; those whose id is here already are left out. Returns how many came."""
        known = {row[2] for row in store.list_conversations(self.database, self.setup_id)}
        new = [one for one in past if one.id not in known]
        rows: list[dict[str, Any]] = [
            {
                "external_id": one.id,
                "state": "resolved",
                "intent": one.intent,
                "resolution": one.resolution,
                "source": source,
            }
            for one in new
        ]
        with self.database.transaction():
            numbers = store.write_conversations(self.database, self.setup_id, rows, user)
            turns = [(n, role, text, None) for n, one in zip(numbers, new, strict=True) for role, text in one.turns]
            store.write_messages(self.database, self.setup_id, turns)
        return len(new)

    def _move(self, conversation: Conversation, state: State, user: str, **changes: str) -> Conversation:
        """Raises RefusedError when somebody else moved it meanwhile."""
        with self.database.transaction():
            now = self.get(conversation.id)
            if now.state == "resolved":
                raise RefusedError("This conversation is resolved.", "Start a new one.")
            row = {
                "conversation_id": now.id,
                "external_id": now.external_id,
                "state": state,
                "intent": changes.get("intent", now.intent),
                "resolution": changes.get("resolution", now.resolution),
                "source": now.source,
            }
            store.write_conversations(self.database, self.setup_id, [row], user)
        return self.get(conversation.id)

    def _read(self, rows: list[store.ConversationRow]) -> list[Conversation]:
        messages: dict[int, list[Message]] = {row[0]: [] for row in rows}
        for number, talk, role, text, trace, at in store.list_messages(self.database, self.setup_id, list(messages)):
            messages[talk].append(Message(id=number, role=role, text=text, trace=trace, at=at))  # type: ignore[arg-type]
        names = ("id", "revision", "external_id", "state", "intent", "resolution", "source", "user")
        found = []
        for row in rows:
            times = {"started_at": row[8], "changed_at": row[9], "messages": messages[row[0]]}
            found.append(Conversation.model_validate(dict(zip(names, row[:8], strict=True)) | times))
        return found


def check_message(text: str) -> str:
    """The message without white space at its ends and without NUL. Raises InputError."""
    cleaned = text.replace("\0", "").strip()
    if not cleaned:
        raise InputError("The message is empty.", "Type something.")
    if len(cleaned) > LONGEST_MESSAGE:
        raise InputError(
            f"The message has {len(cleaned):,} characters; at most {LONGEST_MESSAGE:,} are read.", "Shorten it."
        )
    return cleaned


def past_conversation(row: dict[str, Any], number: int) -> PastConversation:
    """A row of a conversations file (``id``, ``turns``, ``resolution``, ``intent``). Raises InputError."""
    turns = row.get("turns")
    try:
        turns = json.loads(turns) if isinstance(turns, str) else turns
        said: list[tuple[Role, str]] = [
            ("customer" if turn["role"] == "customer" else "person", str(turn["text"])[:LONGEST_MESSAGE])
            for turn in turns or []
            if str(turn["text"]).strip()
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"Row {number}: 'turns' is no list of role and text.", "Write it as in the sample.") from error
    resolution = str(row.get("resolution") or "").strip()[:LONGEST_RESOLUTION]
    if not said or not resolution:
        raise InputError(f"Row {number} has no turns or no resolution.", "Leave it out, or complete it.")
    return PastConversation(
        id=str(row.get("id") or f"row {number}")[:100],
        intent=str(row.get("intent") or "")[:100],
        turns=said,
        resolution=resolution,
    )
