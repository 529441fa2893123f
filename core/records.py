"""What the rooms hand to each other: immutable records, checked when they are made.

Records that leave through the API, a file or a form are pydantic models; their field descriptions are the help
text. They know nothing about where they are stored.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

LabelSource = Literal["human", "bulk", "rule", "import", "api"]
RunState = Literal["queued", "running", "stalled", "finished", "failed", "stopped", "interrupted"]
Split = Literal["train", "dev", "test"]


class Record(BaseModel):
    """Base of all records: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


# ---------------------------------------------------------------- projects and labels


class Label(Record):
    """One label of a project's schema. The id never changes; the name, colour and key may."""

    id: int = Field(description="Number of the label inside the workspace; stays through a rename.")
    name: str = Field(description="Name as people see it, 1 to 100 visible characters.")
    colour: str = Field(default="", description="Colour as #rrggbb, from the colour-blind-safe set by default.")
    key: str = Field(default="", description="The one key that assigns this label: a digit or a letter.")
    description: str = Field(default="", description="When to use this label, one sentence.")
    example: str = Field(default="", description="A typical text.")


class LabelHelp(Record):
    """What a label schema says about one label beside its name; frozen with a version, for methods that read it."""

    description: str = Field(default="", description="When to use this label, one sentence.")
    example: str = Field(default="", description="A typical text.")


class ProjectInfo(Record):
    """A project as it is stored."""

    id: int
    name: str
    language: str = Field(default="en", description="Language of the texts: en, zh, or another ISO 639-1 code.")
    task: str = Field(default="classification", description="What is predicted; a name from the task registry.")
    guidelines: str = Field(default="", description="Markdown shown beside the item while labeling.")
    created_at: datetime


class SchemaEvent(Record):
    """One recorded change of the label schema."""

    id: int
    kind: Literal["add", "edit", "rename", "merge", "remove"]
    detail: dict[str, Any] = Field(description="What changed, e.g. {'label': 3, 'from': 'refnd', 'to': 'refund'}.")
    user: str
    at: datetime


# ---------------------------------------------------------------- items and labels on them


class Suggestion(Record):
    """A label that a model proposes for an item."""

    label: Any = Field(description="In the task's own form: a name, or a list of names.")
    score: float = Field(description="Probability of the label, 0 to 1.")
    model: str = Field(description="Id of the model, or 'labels so far' for the one fitted on cached embeddings.")


class Item(Record):
    """One text of a project with everything known about it."""

    id: int = Field(description="Number of the item inside the workspace.")
    position: int = Field(description="Place in the project, counted from 0 in import order.")
    text: str
    text_b: str | None = Field(default=None, description="The second text of a pair.")
    label: Any = Field(default=None, description="Current label as the task shows it; None while unlabelled.")
    annotator: str | None = Field(default=None, description="Who gave the current label.")
    labelled_at: datetime | None = None
    label_source: str | None = Field(default=None, description="human, bulk, rule, import or api.")
    flag: str | None = Field(default=None, description="Note of an open flag; None when not flagged.")
    excluded: bool = Field(default=False, description="Taken out by cleaning; kept, but never labelled or frozen.")
    split: str | None = Field(default=None, description="Split named by the import: train, dev or test.")
    source: str = Field(default="", description="File or place the item came from.")
    external_id: str | None = Field(default=None, description="The id column of the import.")
    meta: dict[str, Any] = Field(default_factory=dict, description="Every other imported column, as text.")


class ItemFilter(Record):
    """Which items: all conditions that are set must hold. Used by browse, export and bulk actions alike."""

    text: str = Field(default="", description="Words to be found in the text, ignoring case; taken literally.")
    labels: tuple[str, ...] = Field(default=(), description="Only items whose current label is one of these.")
    labelled: bool | None = Field(default=None, description="True: only labelled, False: only unlabelled items.")
    splits: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    flagged: bool | None = None
    excluded: bool | None = Field(default=False, description="False hides items taken out by cleaning; None: all.")
    ids: tuple[int, ...] | None = Field(default=None, description="Only these item ids.")


class Progress(Record):
    """How far the labeling of a project is."""

    total: int = Field(description="Items that can be labelled (not excluded).")
    labelled: int
    flagged: int
    skipped: int = Field(default=0, description="Open items this user put aside.")
    per_label: dict[str, int] = Field(description="Current labels, most used first.")
    per_minute: float | None = Field(default=None, description="Items a minute over this user's last 20 labels.")


# ---------------------------------------------------------------- import and cleaning


class ColumnMapping(Record):
    """Which column of the file means what. Columns not named are kept as metadata."""

    text: str = Field(default="text", description="Column with the text to label.")
    text_b: str | None = Field(default=None, description="Column with the second text of a pair.")
    label: str | None = Field(default=None, description="Column with the label, if the file has one.")
    split: str | None = Field(default=None, description="Column that says train, dev or test.")
    id: str | None = Field(default=None, description="Column with your own id of the row.")


class RejectedRow(Record):
    """A row that was not imported and why."""

    row: int = Field(description="Line or row number as a person counts it in the file: the first data row is 1.")
    reason: str
    excerpt: str = Field(default="", description="First 80 characters of the row, control characters removed.")


class ImportPreview(Record):
    """The first rows of a file as they would be read."""

    columns: list[str]
    rows: list[dict[str, str]] = Field(description="At most 20 rows, every value as text.")
    format: str = Field(description="csv, tsv, json, jsonl, parquet, excel, lines or datasets.")
    encoding: str | None = Field(default=None, description="Detected text encoding; None for binary formats.")
    guess: ColumnMapping = Field(description="Our guess of the column mapping.")
    warnings: list[str] = Field(default_factory=list)


class ImportReport(Record):
    """What an import did. Nothing of a failed import stays behind."""

    added: int = Field(description="Rows that became items.")
    duplicates: int = Field(description="Rows whose text was in the project, or earlier in the file, already.")
    rejected: list[RejectedRow] = Field(default_factory=list, description="Rows left out, with reasons.")
    labelled: int = Field(default=0, description="Added rows that came with a label.")
    new_labels: list[str] = Field(default_factory=list, description="Labels that the import added to the schema.")
    seconds: float = 0.0
    warnings: list[str] = Field(default_factory=list)


class Finding(Record):
    """One kind of problem that cleaning found, with the items concerned."""

    kind: str = Field(
        description="exact_duplicate, near_duplicate, empty, too_short, too_long, control_characters, "
        "mojibake, wrong_language, leakage or conflicting_labels."
    )
    item_ids: list[int] = Field(description="Items the bulk action would change.")
    groups: list[list[int]] = Field(
        default_factory=list, description="For duplicates, leakage and conflicts: items that belong together."
    )
    details: dict[int, str] = Field(
        default_factory=dict, description="By item id: what was seen, or the text as it would be repaired."
    )
    action: Literal["exclude", "replace_text", "review"] = "exclude"
    seen: dict[int, int] = Field(
        default_factory=dict, description="By item id: hash of the text that was looked at, to notice a later change."
    )

    @property
    def count(self) -> int:
        """Number of items concerned."""
        return len(self.item_ids)


class CleaningBatch(Record):
    """One applied bulk action; can be undone as a whole."""

    id: int
    kind: str
    action: str
    items: int = Field(description="Number of items changed.")
    left: int = Field(default=0, description="Items left alone because their text is another one since the search.")
    user: str
    at: datetime
    undone: bool = False


class BulkStep(Record):
    """Many items labelled at once; can be undone as a whole."""

    id: int
    label: Any = Field(description="The label they were given, as the task shows it.")
    items: int = Field(description="Number of items.")
    user: str
    at: datetime
    undone: bool = False


# ---------------------------------------------------------------- versions, runs, models


class VersionInfo(Record):
    """A frozen dataset version: ids, labels, schema and split never change again."""

    id: int
    project_id: int
    number: int = Field(description="1, 2, 3 ... inside the project.")
    task: str
    labels: list[str] = Field(description="Label names in index order; index i is column i of every score array.")
    counts: dict[str, dict[str, int]] = Field(description="Rows by split, then by label.")
    hash: str = Field(description="sha256 over ids, texts, labels and splits.")
    options: dict[str, Any] = Field(
        default_factory=dict, description="How the split was made: shares, seed, source; rows by split."
    )
    warnings: list[str] = Field(default_factory=list)
    path: str = Field(
        description="Folder with a Parquet file of each split, perhaps one of unlabelled texts, and version.json."
    )
    created_at: datetime

    def rows(self, split: str) -> int:
        """Number of rows in one split."""
        rows = self.options.get("rows", {}).get(split)  # a row with several labels is counted under each of them
        return sum(self.counts.get(split, {}).values()) if rows is None else int(rows)


class ModelInfo(Record):
    """A registered model. Its id is the id of the run that made it."""

    id: str
    project_id: int
    version_id: int
    task: str
    method: str
    base: str | None = Field(default=None, description="Id of the base model; None for methods without one.")
    labels: list[str]
    options: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict, description="Test metrics at the end of training.")
    size_bytes: int = 0
    path: str
    champion: bool = Field(default=False, description="The model the project serves.")
    created_at: datetime


class Prediction(Record):
    """What a model says about one text."""

    label: Any = Field(description="The predicted label in the task's own form: a name, or a list of names.")
    score: float = Field(
        description="Probability of the predicted label, 0 to 1; of several labels, that of the least sure decision."
    )
    scores: dict[str, float] = Field(default_factory=dict, description="Probability of every label.")


class Found(Record):
    """One of many texts, as a search found it."""

    place: int = Field(description="Its place among the candidates, counted from 0.")
    text: str
    score: float = Field(
        description="Probability of a match, 0 to 1, by the model that searched, or by the one that re-ranked."
    )
    similarity: float = Field(
        description="How near it is for the quick search over all candidates; larger is nearer, in one list only."
    )
    rank_before: int | None = Field(
        default=None, description="Its rank, from 1, before a model read both texts together; empty where none did."
    )


class Progressing(Record):
    """A step of long work, for progress bars."""

    done: int
    total: int | None = None
    message: str = ""


class Writing(Record):
    """How a model that writes is to write."""

    max_tokens: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Most tokens of a response; a token is a word or a part of one. Empty: as long as the longest "
        "response the model learned from.",
    )
    temperature: float = Field(
        default=0.0,
        ge=0,
        le=2,
        description="0 always writes what is most probable; higher is more varied, and wrong more often.",
    )
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="Same seed, prompt and temperature: same response.")
