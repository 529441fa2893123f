"""What a customer service setup holds beside its knowledge: roles, thresholds, templates, and who writes answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from core.errors import InputError
from core.scenarios.base import ScenarioConfig
from core.scenarios.customer_service.entities import ORDER_PATTERN, EntityKind, order_rule

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5_000)]
Share = Annotated[float, Field(ge=0, le=1)]


class Template(BaseModel):
    """The standard answer to an intent. What it needs is written into its text as ``{order_number}`` and so on."""

    model_config = ConfigDict(extra="forbid")

    intent: Line = Field(description="Label of the intent model that this answers.")
    name: Line = Field(description="Shown as the source of the answer.")
    needs: tuple[EntityKind, ...] = Field(default=(), description="What must be known before it can be said.")
    ask: str = Field(default="", max_length=1_000, description="The sentence that asks for what is missing.")
    text: Text = Field(description="The answer.")


class Generator(BaseModel):
    """Who writes answers from the passages that were found. Without one, the best passage is the answer."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["none", "folder", "endpoint"] = Field(
        default="none",
        description="none: the passage itself is the answer. folder: a local causal language model. endpoint: any "
        "service that speaks the OpenAI chat protocol; passages and messages are sent there.",
    )
    model: str = Field(
        default="",
        max_length=200,
        description="Name of a model folder in the workspace's folder 'bases', or the model name at the endpoint.",
    )
    url: str = Field(
        default="",
        max_length=500,
        description="Address of the endpoint up to and with /v1. A key, if it wants one, comes from "
        "WHETSTONE_GENERATOR_KEY and is never stored here.",
    )
    most_tokens: int = Field(default=200, ge=16, le=1_000, description="Longest answer. Longer answers take longer.")
    seconds: float = Field(default=30.0, gt=0, le=300, description="Longest wait for an answer, in seconds.")


def _order_pattern(pattern: str) -> str:
    try:
        order_rule(pattern)
    except InputError as error:
        raise ValueError(str(error)) from error
    return pattern


class CustomerServiceConfig(ScenarioConfig):
    """Settings of one customer service setup."""

    confidence: Share = Field(
        title="Sure from",
        json_schema_extra={"group": "When to answer"},
        default=0.85,
        description="Lowest probability of an intent at which its template answers. Higher asks the knowledge base "
        "more often and says fewer wrong things.",
    )
    rejected: Annotated[float, Field(ge=0, le=0.5)] = Field(
        title="Normal messages turned away",
        json_schema_extra={"group": "When to answer"},
        default=0.05,
        description="Share of normal messages that the out-of-scope check may take for foreign ones. Higher finds more "
        "foreign messages and turns away more customers.",
    )
    passage: Share = Field(
        title="Passage answers from",
        json_schema_extra={"group": "When to answer"},
        default=0.5,
        description="Lowest similarity (cosine) at which a passage counts as an answer. Higher hands over more often "
        "and answers wrongly less often.",
    )
    passage_first: Share = Field(
        title="Passage answers before the template from",
        json_schema_extra={"group": "When to answer"},
        default=0.55,
        description="From this similarity on a passage answers before the template of the intent does, because it "
        "is about exactly that question. 1 switches this off.",
    )
    out_of_scope: Line = Field(
        title="Label for foreign messages",
        json_schema_extra={"group": "What the labels mean"},
        default="out_of_scope",
        description="Label of the intent model that means: nothing for us. May be missing.",
    )
    handover_intents: list[str] = Field(
        title="Intents that lead to a person",
        json_schema_extra={"group": "What the labels mean"},
        default=["talk_to_human"],
        max_length=100,
        description="Intents that always lead to a person, one a line.",
    )
    languages: list[str] = Field(
        title="Languages of the intent model",
        json_schema_extra={"group": "What the labels mean"},
        default=["en"],
        max_length=50,
        description="Languages that the intent model reads, as ISO 639-1 codes, one a line. In others only passages "
        "answer.",
    )
    order_pattern: Annotated[str, AfterValidator(_order_pattern)] = Field(
        title="Order numbers look like",
        json_schema_extra={"group": "What the labels mean"},
        default=ORDER_PATTERN,
        max_length=40,
        description="What an order number looks like: # for a digit, A for a letter, the rest as it is.",
    )
    templates: list[Template] = Field(default_factory=list, max_length=1_000, description="Standard answers.")
    handover_text: Text = Field(
        title="Said when a person takes over",
        json_schema_extra={"group": "What the labels mean"},
        default="I am passing you on to a colleague together with what you have written so far.",
        description="What the customer reads when a person takes over.",
    )
    generator: Generator = Field(default_factory=Generator, description="Who writes answers from passages.")
