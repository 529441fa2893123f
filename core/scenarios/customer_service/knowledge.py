"""The knowledge base of a setup: entries that people add, edit and import. Two editors never overwrite each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from core.data.importing import preview, stage
from core.data.names import visible
from core.errors import InputError, NotFoundError, RefusedError
from core.records import ColumnMapping, ImportPreview, Progressing, Record, RejectedRow
from core.scenarios.customer_service.documents import read_document
from core.storage import customer_service as store

if TYPE_CHECKING:
    from core.workspace import Workspace

MOST_QUESTIONS = 50
"""Ways to ask that one entry holds."""
MOST_ENTRIES = 100_000
LONGEST_TITLE = 200
LONGEST_QUESTION = 2_000
LONGEST_ANSWER = 20_000
DOCUMENTS = (".md", ".markdown", ".html", ".htm")
Report = Callable[[Progressing], None]


class Entry(Record):
    """One entry of the knowledge base."""

    id: int
    revision: int = Field(description="Grows with every change; saving an older one is refused.")
    title: str = Field(description="Shown to customers as the source of an answer.")
    questions: list[str] = Field(default_factory=list, description="Ways in which customers ask for it.")
    answer: str
    intent: str = Field(default="", description="Label of the intent it belongs to, if any.")
    source: str = Field(default="", description="File it came from, or 'editor'.")
    user: str = Field(default="me", description="Who changed it last.")
    changed_at: datetime


class Draft(Record):
    """What an editor writes."""

    title: str = Field(description="Shown to customers as the source of an answer.")
    questions: list[str] = Field(default_factory=list, description="Ways in which customers ask for it.")
    answer: str = Field(description="One to four sentences that answer it.")
    intent: str = Field(default="", description="Label of the intent it belongs to, if any.")


class KnowledgeMapping(Record):
    """Which column of a table means what."""

    answer: str = Field(description="Column with the answer.")
    question: str | None = Field(default=None, description="Column with one way to ask.")
    title: str | None = Field(
        default=None, description="Column with the title; rows of the same title become one entry with many questions."
    )
    intent: str | None = Field(default=None, description="Column with the intent.")


class KnowledgeReport(Record):
    """What an import did."""

    added: int
    changed: int = Field(default=0, description="Entries of the same title that were replaced.")
    unchanged: int = 0
    rejected: list[RejectedRow] = Field(default_factory=list)


class Knowledge:
    """The knowledge base of one setup."""

    def __init__(self, workspace: Workspace, setup_id: int) -> None:
        self.workspace = workspace
        self.setup_id = setup_id

    def entries(self, words: str = "") -> list[Entry]:
        """Entries whose title, questions or answer contain ``words``, oldest first."""
        wanted = words.casefold().split()
        found = [_entry(row) for row in store.list_entries(self.workspace.database, self.setup_id)]
        return [entry for entry in found if all(word in _haystack(entry) for word in wanted)] if wanted else found

    def entry(self, entry_id: int) -> Entry:
        """One entry. Raises NotFoundError."""
        for row in store.list_entries(self.workspace.database, self.setup_id, entry_id):
            return _entry(row)
        raise NotFoundError(f"There is no entry {entry_id} in this knowledge base.", "Choose one from the list.")

    def add(self, draft: Draft, user: str = "me", source: str = "editor") -> Entry:
        """Add an entry; it is found from now on. Raises InputError."""
        row = _checked(draft) | {"source": source}
        with self.workspace.database.transaction():
            self._check_room(1)
            (number,) = store.write_entries(self.workspace.database, self.setup_id, [row], user)
        return self.entry(number)

    def edit(self, entry: Entry, draft: Draft, user: str = "me") -> Entry:
        """Change an entry; ``entry`` is the state that was edited. Raises RefusedError when it is out of date."""
        row = _checked(draft) | {"entry_id": entry.id, "source": entry.source}
        with self.workspace.database.transaction():
            self._check_newest(entry)
            store.write_entries(self.workspace.database, self.setup_id, [row], user)
        return self.entry(entry.id)

    def remove(self, entry: Entry, user: str = "me") -> None:
        """Take an entry out; it is not found any more. Raises RefusedError when somebody changed it meanwhile."""
        row = {**_plain(entry), "entry_id": entry.id, "source": entry.source, "removed": True}
        with self.workspace.database.transaction():
            self._check_newest(entry)
            store.write_entries(self.workspace.database, self.setup_id, [row], user)

    # ------------------------------------------------------------ import

    def preview(self, path: Path, filename: str) -> ImportPreview:
        """The first rows of a table as they would be read. Raises InputError."""
        return preview(path, filename=filename, settings=self.workspace.settings)

    def import_file(
        self,
        path: Path,
        filename: str,
        mapping: KnowledgeMapping | None = None,
        user: str = "me",
        progress: Report | None = None,
    ) -> KnowledgeReport:
        """Import a table (with ``mapping``) or a Markdown or HTML document (each heading becomes an entry).

        Entries whose title is there already are replaced when they differ; all is stored or nothing. Raises InputError.
        """
        rejected: list[RejectedRow] = []
        if filename.lower().endswith(DOCUMENTS):
            drafts = _document_drafts(path, filename)
        elif mapping is None:
            raise InputError(f"Which column of '{filename}' is the answer?", "Name it, and the others you want.")
        else:
            drafts = self._table_drafts(path, filename, mapping, rejected, progress)
        return self._store(drafts, visible(filename, 100), user, rejected)

    def add_all(self, drafts: Iterable[Draft], source: str, user: str = "me") -> KnowledgeReport:
        """Add or replace many entries at once, by title. Raises InputError."""
        return self._store(list(drafts), source, user, [])

    def _store(self, drafts: list[Draft], source: str, user: str, rejected: list[RejectedRow]) -> KnowledgeReport:
        known = {entry.title: entry for entry in self.entries()}
        rows, changed = [], 0
        for draft in drafts:
            row, old = _checked(draft), known.get(draft.title.strip())
            if old is None:
                rows.append(row | {"source": source})
            elif _plain(old) != row:
                rows.append(row | {"source": source, "entry_id": old.id})
                changed += 1
        with self.workspace.database.transaction():
            self._check_room(len(rows) - changed)
            store.write_entries(self.workspace.database, self.setup_id, rows, user)
        return KnowledgeReport(
            added=len(rows) - changed, changed=changed, unchanged=len(drafts) - len(rows), rejected=rejected
        )

    def _table_drafts(
        self,
        path: Path,
        filename: str,
        mapping: KnowledgeMapping,
        rejected: list[RejectedRow],
        progress: Report | None,
    ) -> list[Draft]:
        grouped: dict[str, Draft] = {}
        columns = ColumnMapping(text=mapping.answer)
        with stage(
            path,
            columns,
            "classification",
            filename=filename,
            settings=self.workspace.settings,
            progress=progress,
            parent=self.workspace.scratch,
        ) as staged:
            rejected += staged.rejected(1_000)
            for number, answer, cells in staged_rows(staged.parquet):
                cells[mapping.answer] = answer
                try:
                    _gather(grouped, answer, cells, mapping)
                except InputError as error:
                    rejected.append(RejectedRow(row=number, reason=error.message, excerpt=visible(answer)))
        if not grouped:
            raise InputError(f"No row of '{filename}' became an entry.", "Check which columns you chose.")
        return list(grouped.values())

    def _check_newest(self, entry: Entry) -> None:
        now = self.entry(entry.id)
        if now.revision != entry.revision:
            raise RefusedError(
                f"{now.user} changed '{now.title}' meanwhile.", "Look at the new text, and change it again if needed."
            )

    def _check_room(self, more: int) -> None:
        if len(store.list_entries(self.workspace.database, self.setup_id)) + more > MOST_ENTRIES:
            raise InputError(f"A knowledge base holds at most {MOST_ENTRIES:,} entries.", "Remove some first.")


def staged_rows(parquet: Path) -> Iterator[tuple[int, str, dict[str, str]]]:
    """(row number, text, the other cells by column) of a staged file."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(parquet) as file:
        for batch in file.iter_batches(batch_size=1_000, columns=["row", "text", "meta"]):
            for row in batch.to_pylist():
                yield row["row"], row["text"], json.loads(row["meta"] or "{}")


def _gather(grouped: dict[str, Draft], answer: str, cells: dict[str, str], mapping: KnowledgeMapping) -> None:
    """Add one row to the entry of its title. Raises InputError."""
    question = (cells.get(mapping.question) or "").strip() if mapping.question else ""
    title = (cells.get(mapping.title) or "").strip() if mapping.title else ""
    title = title or visible(question or answer, 100)
    intent = (cells.get(mapping.intent) or "").strip() if mapping.intent else ""
    questions = [question] if question else []
    draft = Draft(title=title, questions=questions, answer=answer, intent=intent)
    _checked(draft)
    known = grouped.get(title)
    if known is None:
        grouped[title] = draft
    elif question and question not in known.questions and len(known.questions) < MOST_QUESTIONS:
        grouped[title] = known.model_copy(update={"questions": [*known.questions, question]})


def _document_drafts(path: Path, filename: str) -> list[Draft]:
    drafts: dict[str, Draft] = {}
    for section in read_document(path, filename):
        for part in section.parts():
            title = visible(section.title, LONGEST_TITLE - 10)
            number = 2
            while title in drafts:
                title = f"{visible(section.title, LONGEST_TITLE - 10)} ({number})"
                number += 1
            asked = [section.title] if section.title.rstrip().endswith(("?", "？")) else []
            drafts[title] = Draft(title=title, questions=asked, answer=part[:LONGEST_ANSWER])
    return list(drafts.values())


def _checked(draft: Draft) -> dict[str, object]:
    """The draft as it is stored. Raises InputError that names the field."""
    title, answer = draft.title.strip(), draft.answer.strip()
    questions = list(dict.fromkeys(question.strip() for question in draft.questions if question.strip()))
    limits = [("title", title, LONGEST_TITLE), ("answer", answer, LONGEST_ANSWER)]
    for name, value, most in limits:
        if not value:
            raise InputError(f"The {name} of the entry is empty.", "Write it.")
        if len(value) > most:
            raise InputError(f"The {name} has {len(value):,} characters; at most {most:,} are kept.", "Shorten it.")
    if len(questions) > MOST_QUESTIONS or any(len(question) > LONGEST_QUESTION for question in questions):
        raise InputError(
            f"An entry holds at most {MOST_QUESTIONS} questions of {LONGEST_QUESTION:,} characters.", "Leave some out."
        )
    if len(draft.intent) > LONGEST_TITLE:
        raise InputError("The intent is no label name.", "Choose a label of the intent model.")
    return {"title": title, "questions": questions, "answer": answer, "intent": draft.intent.strip()}


def _plain(entry: Entry) -> dict[str, object]:
    return {"title": entry.title, "questions": entry.questions, "answer": entry.answer, "intent": entry.intent}


def _haystack(entry: Entry) -> str:
    return " ".join([entry.title, *entry.questions, entry.answer, entry.intent]).casefold()


def _entry(row: store.EntryRow) -> Entry:
    names = ("id", "revision", "title", "questions", "answer", "intent", "source", "user", "changed_at")
    return Entry.model_validate(dict(zip(names, row, strict=True)))
