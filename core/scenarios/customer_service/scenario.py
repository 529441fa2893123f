"""Customer service on one setup: what pages, API and notebooks call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from core.data.importing import stage
from core.errors import InputError, NotFoundError, RefusedError
from core.records import ColumnMapping, Progressing
from core.scenarios.base import Role, ScenarioConfig
from core.scenarios.customer_service import sample
from core.scenarios.customer_service.agent import Agent, Answer, Trace
from core.scenarios.customer_service.config import CustomerServiceConfig, Template
from core.scenarios.customer_service.conversations import (
    Conversation,
    Conversations,
    Message,
    PastConversation,
    check_message,
    past_conversation,
)
from core.scenarios.customer_service.embedder import BaseEmbedder, Embedder, ModelEmbedder, one_thread
from core.scenarios.customer_service.generator import make_writer
from core.scenarios.customer_service.handover import Summary, summarise
from core.scenarios.customer_service.knowledge import MOST_QUESTIONS, Draft, Entry, Knowledge, staged_rows
from core.scenarios.customer_service.memory import is_remembered, remembered
from core.scenarios.customer_service.replay import Case, Replay, ReplayResult, ReplaySummary, run_replay
from core.scenarios.customer_service.scope import Scope, ScopeFigures, measure_scope
from core.scenarios.customer_service.search import Index, conversation_passage, entry_passage
from core.scenarios.feedback import send_back
from core.scenarios.roles import role_model, role_project, sample_roles
from core.scenarios.setups import SAMPLE, Setup, checked, create_setup
from core.storage import customer_service as store

if TYPE_CHECKING:
    from core.model import Model
    from core.project import Project
    from core.workspace import Workspace

INTENT = Role(
    name="intent",
    title="Intent",
    help="What does the customer want? Answers with one label, which chooses the template.",
    task="classification",
    sample="customer_service_intents",
)
MATCHING = Role(
    name="matching",
    title="Matching",
    help="Does this passage answer this message? A bi-encoder tuned on pairs searches better than the built-in model.",
    task="pair",
    required=False,
)
ENTITIES = Role(
    name="entities",
    title="Entities",
    help="What does the message name? A model of spans finds products, places or whatever it was taught, beside order "
    "numbers, dates, amounts and e-mail addresses, which rules find.",
    task="tagging",
    required=False,
)
Report = Callable[[Progressing], None]


class CustomerService:
    """A chat on a knowledge base. Make one per call, it is cheap."""

    name: ClassVar[str] = "customer_service"
    title: ClassVar[str] = "Customer service"
    summary: ClassVar[str] = "A chat that answers customers, says why, and hands over to a person in time."
    data: ClassVar[str] = "A FAQ, answer templates, and resolved conversations."
    roles: ClassVar[tuple[Role, ...]] = (INTENT, MATCHING, ENTITIES)
    Config: ClassVar[type[ScenarioConfig]] = CustomerServiceConfig

    def __init__(self, workspace: Workspace, setup: Setup) -> None:
        self.workspace = workspace
        self.setup = setup

    @property
    def config(self) -> CustomerServiceConfig:
        """The settings as they are. Raises InputError when they were damaged."""
        config = checked(CustomerServiceConfig, self.setup.config)
        if not isinstance(config, CustomerServiceConfig):
            raise TypeError("the record of another scenario")
        return config

    @property
    def knowledge(self) -> Knowledge:
        """The knowledge base."""
        return Knowledge(self.workspace, self.setup.id)

    @property
    def conversations(self) -> Conversations:
        """The conversations."""
        return Conversations(self.workspace, self.setup.id)

    @classmethod
    def install_sample(cls, workspace: Workspace) -> Self:
        """Make the sample setup with its data."""
        config = CustomerServiceConfig(
            roles=sample_roles(workspace, cls.roles),
            templates=sample.sample_templates(),
        )
        with workspace.database.transaction():
            scenario = cls(workspace, create_setup(workspace, cls.name, SAMPLE, config, user="samples"))
            scenario.knowledge.add_all(sample.sample_entries(), "faq.csv", user="samples")
            past = sample.sample_conversations()
            scenario.conversations.import_resolved(past, "conversations.jsonl", user="samples")
        return scenario

    def delete_data(self) -> None:
        """Remove knowledge, conversations and replays of the setup."""
        store.delete_setup(self.workspace.database, self.setup.id)

    # ------------------------------------------------------------ who plays

    def intent_model(self) -> Model | None:
        """The model that tells what a customer wants; None while there is none. Raises RefusedError."""
        return role_model(self.workspace, INTENT, self.config)

    def intent_project(self) -> Project | None:
        """The project whose model that is: what was wrong goes back there."""
        return role_project(self.workspace, INTENT, self.config)

    def embedder(self) -> Embedder:
        """What compares meanings. Raises RefusedError."""
        model = role_model(self.workspace, MATCHING, self.config)
        return BaseEmbedder(self.workspace) if model is None else ModelEmbedder(model)

    def agent(self, progress: Report | None = None) -> Agent:
        """The agent on the setup as it is now; seconds on the first call, then only what changed is made anew.

        Raises RefusedError for a role that cannot be played.
        """
        config, embedder, model = self.config, self.embedder(), self.intent_model()
        index = remembered(
            self.workspace, ("index", self.setup.id), self._index_stamp(embedder), self._indexing(embedder, progress)
        )
        scope = None
        if model is not None:
            known, foreign = model, config.out_of_scope
            stamp = (model.id, embedder.name, foreign)
            with one_thread():
                scope = remembered(
                    self.workspace, ("scope", self.setup.id), stamp, lambda _before: Scope.of(known, embedder, foreign)
                )
        writer, tagger = make_writer(self.workspace, config.generator), role_model(self.workspace, ENTITIES, config)
        return Agent(config, index, embedder, model, scope, writer, tagger)

    def is_ready(self) -> bool:
        """Whether ``agent`` would answer at once."""
        stamp = self._index_stamp(self.embedder())
        return is_remembered(self.workspace, ("index", self.setup.id), stamp)

    def warm_up(self, progress: Report | None = None) -> None:
        """Load and index everything, so that the first customer does not wait."""
        self.agent(progress).answer("Hello, is anybody there?")

    def _index_stamp(self, embedder: Embedder) -> tuple[object, ...]:
        return (*store.changed(self.workspace.database, self.setup.id), embedder.name, self.config.order_pattern)

    def _indexing(self, embedder: Embedder, progress: Report | None) -> Callable[[Index | None], Index]:
        def report(done: int, total: int) -> None:
            if progress is not None:
                progress(Progressing(done=done, total=total, message="indexing"))

        def build(before: Index | None) -> Index:
            passages = [entry_passage(entry) for entry in self.knowledge.entries()]
            pattern = self.config.order_pattern
            passages += [conversation_passage(talk, pattern) for talk in self.conversations.resolved()]
            return Index.build(passages, embedder, before, report)

        return build

    # ------------------------------------------------------------ chat

    def send(self, conversation_id: int, text: str) -> Iterator[str | Message]:
        """A customer's message; yields pieces of the answer as they come and the stored answer at the end.

        Both messages are on disk by then. The same message again, when it was stored but its answer was cut off, is
        only answered. In a conversation that a person took over the agent says nothing. Raises InputError,
        RefusedError, NotFoundError.
        """
        conversation = self.conversations.get(conversation_id)
        text, last = check_message(text), conversation.messages[-1:]
        stored = bool(last) and (last[0].role, last[0].text) == ("customer", text)
        if conversation.state == "handed_over":
            self.conversations.say(conversation, "customer", text)
            return
        agent = self.agent()
        if not stored:
            self.conversations.say(conversation, "customer", text)
        for piece in agent.stream(text, conversation.messages[: len(conversation.messages) - stored]):
            if isinstance(piece, str):
                yield piece
            else:
                yield self._said(conversation, piece)

    def _said(self, conversation: Conversation, answer: Answer) -> Message:
        with self.workspace.database.transaction():
            trace = answer.trace.model_dump(mode="json")
            message = self.conversations.say(conversation, "agent", answer.text, trace)
            if answer.trace.decision == "handover":
                self.conversations.hand_over(conversation, answer.trace.intent, user="agent")
        return message

    def handover(self, conversation_id: int) -> Summary:
        """What the person who takes over should know."""
        return summarise(self.conversations.get(conversation_id), self.config.out_of_scope)

    # ------------------------------------------------------------ the way back

    def feedback(self, message_id: int, conversation_id: int, note: str, user: str = "me") -> tuple[Project, int]:
        """Send the customer's message before an answer into the labeling queue; returns the project and the item id.

        Raises NotFoundError, RefusedError while nobody plays the intent.
        """
        project = self.intent_project()
        if project is None:
            raise RefusedError("Nobody plays the part 'Intent' yet.", "Choose a project for it in the setup.")
        text, _trace = self._asked(message_id, conversation_id)
        return project, send_back(project, text, self.title, note, user)

    def learn_wording(self, message_id: int, conversation_id: int, user: str = "me") -> Entry:
        """A good answer: add the customer's words to the questions of the entry that gave it.

        Raises RefusedError when no entry of the knowledge base did.
        """
        text, trace = self._asked(message_id, conversation_id)
        key = next((key for key in trace.used if key.startswith("entry:")), None)
        if key is None or trace.decision not in ("passage", "generated"):
            raise RefusedError("This answer came from no entry of the knowledge base.", "Choose another answer.")
        entry = self.knowledge.entry(int(key.removeprefix("entry:")))
        if text in entry.questions:
            return entry
        questions = [*entry.questions[-(MOST_QUESTIONS - 1) :], text]
        draft = Draft(title=entry.title, questions=questions, answer=entry.answer, intent=entry.intent)
        return self.knowledge.edit(entry, draft, user)

    def _asked(self, message_id: int, conversation_id: int) -> tuple[str, Trace]:
        """The customer's message that an answer was given to, and why."""
        asked = ""
        for message in self.conversations.get(conversation_id).messages:
            if message.role == "customer":
                asked = message.text
            elif message.id == message_id and message.trace is not None and asked:
                return asked, Trace.model_validate(message.trace)
        raise NotFoundError(f"There is no answer {message_id} in this conversation.", "Choose one of its answers.")

    # ------------------------------------------------------------ numbers

    def replay(self, cases: list[Case], name: str, user: str = "me", progress: Report | None = None) -> Replay:
        """Run past conversations through the agent as a test and keep the result; ``progress`` may raise to stop it."""
        if not cases:
            raise InputError("There is no conversation to replay.", "Choose a file with some.")
        result = run_replay(self.agent(progress), cases, progress)
        store.write_replay(self.workspace.database, self.setup.id, name[:100], result.model_dump(mode="json"), user)
        return self.replays()[0]

    def replays(self) -> list[Replay]:
        """Replays, newest first."""
        return [
            Replay(id=number, name=name, user=user, at=at, summary=ReplaySummary.model_validate(summary))
            for number, name, summary, user, at in store.list_replays(self.workspace.database, self.setup.id)
        ]

    def replay_result(self, number: int) -> ReplayResult:
        """One replay, case by case. Raises NotFoundError."""
        found = store.read_replay(self.workspace.database, self.setup.id, number)
        if found is None:
            raise NotFoundError(f"There is no replay {number}.", "Choose one from the list.")
        return ReplayResult.model_validate(found)

    def sample_cases(self) -> list[Case]:
        """The replay that belongs to the sample; none for other setups."""
        return sample.sample_cases() if self.setup.name == SAMPLE else []

    def scope_figures(self) -> ScopeFigures | None:
        """How well foreign messages are told from ours on the test split; None without a model or its examples."""
        agent = self.agent()
        if agent.model is None or agent.scope is None:
            return None
        config = agent.config
        return measure_scope(agent.scope, agent.model, agent.embedder, config.rejected, config.out_of_scope)

    # ------------------------------------------------------------ own data

    def import_conversations(self, path: Path, filename: str, user: str = "me", progress: Report | None = None) -> int:
        """Bring resolved conversations along (``id``, ``turns``, ``resolution``, ``intent``); returns how many came.

        Raises InputError that names the row; then none came.
        """
        past: list[PastConversation] = []
        with stage(
            path,
            ColumnMapping(text="resolution"),
            "classification",
            filename=filename,
            settings=self.workspace.settings,
            progress=progress,
            parent=self.workspace.scratch,
        ) as staged:
            for number, text, cells in staged_rows(staged.parquet):
                past.append(past_conversation({**cells, "resolution": text}, number))
        return self.conversations.import_resolved(past, Path(filename).name[:100], user)

    def read_templates(self, path: Path, filename: str) -> list[Template]:
        """Templates of a table (intent, name, needs, ask, text), not stored yet. Raises InputError."""
        found: list[Template] = []
        with stage(
            path,
            ColumnMapping(text="text"),
            "classification",
            filename=filename,
            settings=self.workspace.settings,
            parent=self.workspace.scratch,
        ) as staged:
            for number, text, cells in staged_rows(staged.parquet):
                found.append(sample.make_template({**cells, "text": text}, number))
        return found
