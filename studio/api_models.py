"""What API calls take and give beyond the records of core. The descriptions are what the docs page shows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, model_validator

from core.base_models import BaseModelInfo
from core.project.versions import MOST_UNLABELLED
from core.records import Found, Item, ItemFilter, ModelInfo, Prediction, Record, VersionInfo, Writing
from core.training.run_folder import RunStatus

LARGEST_ID = 2**63 - 1
"""Ids are 64-bit integers in the database."""
MOST_ROWS = 10_000
"""Items that one call adds."""
MOST_TEXTS = 1_000
"""Texts that one call has predicted: a prediction holds the processor, and the next caller waits."""
LONGEST_TEXT = 100_000
"""Characters of one text to predict."""
MOST_PAGE = 1_000
"""Items on one page of a list."""
MOST_QUERIES = 100
"""Texts that one call searches for, and the longest list for each: a model may read every one of them."""
MOST_CANDIDATES = 10_000
"""Texts that one call searches in."""

Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]
User = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    Field(description="Who is written down as the author of this change."),
]
Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Health(Record):
    """A sign of life."""

    status: Literal["ok"] = "ok"
    version: str = Field(description="Version of Whetstone.")


# ---------------------------------------------------------------- projects and labels


class NewLabel(Record):
    """A label for the schema."""

    name: str = Field(max_length=1000, description="Name as people see it, 1 to 100 visible characters.")
    colour: str = Field(default="", pattern="^(#[0-9A-Fa-f]{6})?$", description="As #rrggbb; empty: chosen for you.")
    key: str = Field(default="", max_length=1, description="The key that assigns it; empty: chosen for you.")
    description: str = Field(default="", max_length=2000, description="When to use this label, one sentence.")
    example: str = Field(default="", max_length=2000, description="A typical text.")


class NewProject(Record):
    """A project to create."""

    name: str = Field(max_length=1000, description="1 to 100 visible characters, not used by another project.")
    task: str = Field(default="classification", max_length=100, description="What is predicted.")
    language: str = Field(
        default="en",
        pattern="^[A-Za-z]{2,3}([_-][A-Za-z]{2,4})?$",
        description="Language of the texts: en, zh, or another ISO 639-1 code.",
    )
    guidelines: str = Field(default="", max_length=100_000, description="Markdown shown beside the item.")
    labels: list[NewLabel] = Field(default_factory=list, max_length=2000, description="May also come with the items.")
    user: User = "api"


class NewLabels(Record):
    """Labels to add to the schema, all or none."""

    labels: list[NewLabel] = Field(min_length=1, max_length=2000)
    user: User = "api"


# ---------------------------------------------------------------- items


class NewItem(Record):
    """One row to add. Keys that are not named here are kept as metadata."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    text: str = Field(description="The text to label.")
    text_b: str | None = Field(default=None, description="The second text of a pair.")
    label: JsonValue = Field(default=None, description="Its label, if it has one; new labels join the schema.")
    split: str | None = Field(default=None, description="train, dev or test.")
    id: str | int | None = Field(default=None, description="Your own id of the row.")


class NewItems(Record):
    """Rows to add."""

    items: list[NewItem] = Field(min_length=1, max_length=MOST_ROWS)
    on_duplicate: Literal["skip", "keep"] = Field(
        default="skip", description="What to do with a text that is in the project already."
    )
    source: str = Field(default="api", min_length=1, max_length=200, description="Where the rows come from.")
    user: User = "api"


class ItemConditions(ItemFilter):
    """Which items."""

    ids: tuple[Id, ...] | None = Field(default=None, max_length=MOST_PAGE, description="Only these item ids.")

    @property
    def filter(self) -> ItemFilter:
        """The conditions alone."""
        return ItemFilter(**{name: getattr(self, name) for name in ItemFilter.model_fields})


class ExportQuery(ItemConditions):
    """Which items, and as what."""

    format: Literal["csv", "jsonl", "parquet", "datasets", "conll"] = Field(default="csv", description="Kind of file.")
    scheme: Literal["iob2", "bioes"] = Field(default="iob2", description="How a column file (conll) writes tags.")


class ItemQuery(ItemConditions):
    """Which items, and which page of them."""

    offset: int = Field(default=0, ge=0, le=LARGEST_ID, description="Items to leave out at the start.")
    limit: int = Field(default=50, ge=1, le=MOST_PAGE, description="Most items to return.")
    newest_first: bool = Field(default=False, description="Last imported first.")


class ItemPage(Record):
    """A page of items."""

    items: list[Item]
    total: int = Field(description="Items that the filter lets through, on all pages.")
    offset: int
    limit: int


class NewAnswer(Record):
    """A label for one item."""

    label: JsonValue = Field(
        description="A value of the project's task: the label's name; for pairs also a grade from 0 to 1; a list of "
        "names where a text may have several, an empty one for none of them; for questions a list of answers, each a "
        "text or an object with start, end and text."
    )
    user: User = "api"


# ---------------------------------------------------------------- versions, runs, models


class NewVersion(Record):
    """How to freeze the labelled items."""

    test: Share = Field(default=0.2, gt=0, description="Share of the test split.")
    dev: Share = Field(default=0.1, description="Share of the dev split.")
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="Same items, labels and seed give the same split.")
    split: Literal["imported"] | None = Field(default=None, description="'imported' takes the split of the import.")
    labels: list[str] | None = Field(default=None, max_length=2000, description="Only these labels; none given: all.")
    unlabelled: int = Field(
        default=MOST_UNLABELLED,
        ge=0,
        le=20_000,
        description="How many texts without a label are frozen along at most, for methods that learn from them too. "
        "None beside chosen labels.",
    )
    user: User = "api"


class PublicVersion(VersionInfo):
    """A frozen dataset version; where it lies on the server is not told."""

    path: str = Field(default="", exclude=True)


class NewRun(Record):
    """A training run to queue."""

    like: str | None = Field(
        default=None,
        max_length=100,
        description="Id of a run of this project to repeat: what is not given here is taken from it, its options too "
        "where the method stays.",
    )
    version_id: Id | None = Field(default=None, description="A frozen version; needed unless 'like' is given.")
    method: str | None = Field(
        default=None, max_length=100, description="A name from /v1/methods; 'features' when none is given."
    )
    base: str | None = Field(
        default=None, max_length=200, description="A name from /v1/bases or another Hub id; none given: the default."
    )
    device: str | None = Field(
        default=None, pattern=r"^(auto|cpu|mps|cuda(:\d{1,2})?)$", description="auto, cpu, cuda, cuda:1 or mps."
    )
    options: dict[str, JsonValue] = Field(
        default_factory=dict, description="Options of the method by name, as /v1/methods describes them."
    )


class NewPosition(Record):
    """Where a waiting run is to stand in the queue."""

    position: int = Field(default=1, ge=1, le=LARGEST_ID, description="1 is the next; past the end is the end.")


class QueueState(Record):
    """The queue of training runs, of all projects together."""

    paused: bool = Field(description="True while no waiting run may begin; what trains goes on.")
    waiting: list[str] = Field(description="Ids of the runs that wait, next one first.")


class NewQueueState(Record):
    """What is to become of the queue."""

    paused: bool = Field(description="True: nothing new begins until it is false again, also after a restart.")


class PublicRun(RunStatus):
    """A training run: what it was asked to do and how far it is."""

    pid: int | None = Field(default=None, exclude=True)
    project_id: int
    version_id: int
    method: str
    base: str | None
    options: dict[str, Any]


class PublicModel(ModelInfo):
    """A registered model; where it lies on the server is not told."""

    path: str = Field(default="", exclude=True)


class Promotion(Record):
    """Who lets a model serve its project."""

    user: User = "api"


class MethodEntry(Record):
    """One way to make a model."""

    name: str
    title: str
    summary: str = Field(description="What it is good for and what quality to expect.")
    tasks: list[str]
    needs_base: bool = Field(description="True: it starts from a base model.")
    resumable: bool = Field(description="True: a stopped run goes on from its last checkpoint.")
    options: dict[str, Any] = Field(description="JSON schema of the options, with defaults and effects.")


class BaseEntry(BaseModelInfo):
    """One base model."""

    available: bool = Field(description="True: on the server already, usable without a network.")


# ---------------------------------------------------------------- predict


class PredictionRequest(Record):
    """Texts to predict."""

    texts: list[Text] = Field(min_length=1, max_length=MOST_TEXTS)
    texts_b: list[Text] | None = Field(
        default=None, description="For pairs: the second text of each; for questions: the question about each text."
    )
    writing: Writing | None = Field(default=None, description="For models that write: how long and how varied.")

    @model_validator(mode="after")
    def check_pairs(self) -> PredictionRequest:
        """As many second texts as first ones."""
        if self.texts_b is not None and len(self.texts_b) != len(self.texts):
            raise ValueError(f"texts_b has {len(self.texts_b)} texts, texts has {len(self.texts)}")
        return self


class EmbeddingRequest(Record):
    """Texts to turn into vectors."""

    texts: list[Text] = Field(min_length=1, max_length=MOST_TEXTS)


class Embeddings(Record):
    """Vectors of length 1, in the order of the texts."""

    model: str = Field(description="Id of the model that made them.")
    vectors: list[list[float]]


class SearchRequest(Record):
    """Texts to search for, and the ones to search in."""

    queries: list[Text] = Field(min_length=1, max_length=MOST_QUERIES)
    candidates: list[Text] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_CANDIDATES,
        description="Texts to search in; none given: the second texts of the version that the model was made from.",
    )
    top: int = Field(default=10, ge=1, le=MOST_QUERIES, description="Longest list for each query.")
    rerank_with: str | None = Field(
        default=None,
        max_length=100,
        description="Id of a model of pairs that reads the best ones again, such as a cross-encoder.",
    )


class SearchResults(Record):
    """What was found for each query, in the order of the queries."""

    model: str = Field(description="Id of the model that searched.")
    found: list[list[Found]] = Field(description="The best candidates of each query, best first.")


class Predictions(Record):
    """What a model says about each text, in the order of the texts."""

    model: str = Field(description="Id of the model that answered.")
    predictions: list[Prediction]
