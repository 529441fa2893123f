"""A desk without any model: texts become vectors by the words in them, intents by a list of key words."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from core.records import Prediction
from core.scenarios.customer_service import agent as agent_module
from core.scenarios.customer_service import scenario as scenario_module
from core.scenarios.customer_service import search as search_module
from core.scenarios.customer_service.agent import Agent
from core.scenarios.customer_service.config import CustomerServiceConfig, Template
from core.scenarios.customer_service.scenario import CustomerService
from core.scenarios.customer_service.search import Index, Passage, tokenise
from core.scenarios.setups import create_setup
from core.workspace import Workspace

WIDTH = 512
INTENTS = {
    "order_status": "tracking parcel where",
    "refund_status": "money refund",
    "talk_to_human": "human person",
    "out_of_scope": "sheep weather",
}


class WordEmbedder:
    """Each word is a direction; texts with the same words are the same."""

    name = "words"

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def many(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        self.encoded += texts
        return np.stack([self.one(text) for text in texts]) if texts else np.zeros((0, WIDTH), np.float32)

    def one(self, text: str) -> np.ndarray:
        vector = np.zeros(WIDTH, dtype=np.float32)
        for token in tokenise(text):
            vector[zlib.crc32(token.encode()) % WIDTH] += 1
        return vector / max(float(np.linalg.norm(vector)), 1e-9)


@dataclass
class WordModel:
    """Sure of the intent whose word is in the message, at a loss otherwise."""

    id: str = "m1"
    info: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(labels=list(INTENTS), task="classification"))

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        found = []
        for text in texts:
            words = text.lower().split()
            hits = [label for label, keys in INTENTS.items() if set(keys.split()) & set(words)]
            scores = dict.fromkeys(INTENTS, 1 / len(INTENTS))
            if hits:
                scores = dict.fromkeys(INTENTS, 0.01) | {hits[0]: 0.97}
            label = max(scores, key=lambda name: scores[name])
            found.append(Prediction(label=label, score=scores[label], scores=scores))
        return found


TEMPLATES = [
    Template(
        intent="order_status", name="With both", needs=("order_number", "date"), ask="Which order and day?",
        text="Order {order_number} was due {date}.",
    ),
    Template(
        intent="order_status", name="With number", needs=("order_number",), ask="Which order?",
        text="Order {order_number} is on its way.",
    ),
    Template(intent="order_status", name="General", text="Parcels take 2 days."),
    Template(
        intent="refund_status", name="Amount", needs=("amount", "order_number"), ask="Which amount, which order?",
        text="You wait for {amount} from {order_number}.",
    ),
]  # fmt: skip
PASSAGES = [
    Passage("entry:1", "entry", "Error E3", "Descale the kettle.", ("kettle shows error E3",)),
    Passage("entry:2", "entry", "Gift vouchers", "They last three years.", ("how long is my voucher valid",)),
    Passage("conversation:3", "conversation", "Lamp is dead", "Use the small charger.", ("lamp battery dead",),
            external_id="conv-3"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here computes with torch, so it need not be imported to be told how many threads to use."""
    for module in (agent_module, search_module, scenario_module):
        monkeypatch.setattr(module, "one_thread", nullcontext)


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def make_agent(embedder: WordEmbedder) -> Callable[..., Agent]:
    """An agent on PASSAGES; keyword arguments are settings."""

    def make(writer: object = None, model: object = None, **settings: object) -> Agent:
        config = CustomerServiceConfig.model_validate({"templates": TEMPLATES, **settings})
        index = Index.build(PASSAGES, embedder)
        return Agent(config, index, embedder, model or WordModel(), None, writer)  # type: ignore[arg-type]

    return make


@pytest.fixture
def desk(workspace: Workspace, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch) -> CustomerService:
    """An empty setup whose meanings are words and whose intents are key words."""
    monkeypatch.setattr(CustomerService, "embedder", lambda self: embedder)
    monkeypatch.setattr(CustomerService, "intent_model", lambda self: None)
    config = CustomerServiceConfig(templates=TEMPLATES)
    return CustomerService(workspace, create_setup(workspace, CustomerService.name, "Mine", config))
