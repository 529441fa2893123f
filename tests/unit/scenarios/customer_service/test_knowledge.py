"""Entries are added, edited and imported; two editors never overwrite each other."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from core.errors import InputError, RefusedError
from core.scenarios.customer_service.knowledge import Draft, KnowledgeMapping
from core.scenarios.customer_service.scenario import CustomerService

DRAFT = Draft(title="Returns", questions=["can I return it?", " ", "can I return it?"], answer="30 days.")
MAPPING = KnowledgeMapping(answer="answer", question="question", title="title", intent="intent")


def table(
    path: Path, rows: list[list[str]], header: tuple[str, ...] = ("title", "question", "answer", "intent")
) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_an_entry_is_added_edited_and_removed(desk: CustomerService) -> None:
    knowledge = desk.knowledge
    entry = knowledge.add(DRAFT, user="ann")
    assert entry.questions == ["can I return it?"]
    changed = knowledge.edit(entry, DRAFT.model_copy(update={"answer": "14 days."}), user="bob")
    assert (changed.id, changed.answer, changed.user) == (entry.id, "14 days.", "bob")
    assert [found.id for found in knowledge.entries("14 RETURNS")] == [entry.id]
    assert knowledge.entries("absent") == []
    knowledge.remove(changed)
    assert knowledge.entries() == []


@pytest.mark.parametrize("late", ["edit", "remove"])
def test_who_saves_an_older_state_is_told(desk: CustomerService, late: str) -> None:
    opened = desk.knowledge.add(DRAFT)
    desk.knowledge.edit(opened, DRAFT.model_copy(update={"answer": "first"}), user="bob")
    with pytest.raises(RefusedError, match="bob changed 'Returns'"):
        if late == "edit":
            desk.knowledge.edit(opened, DRAFT.model_copy(update={"answer": "second"}))
        else:
            desk.knowledge.remove(opened)
    assert desk.knowledge.entries()[0].answer == "first"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": " "}, "title of the entry is empty"),
        ({"answer": ""}, "answer of the entry is empty"),
        ({"answer": "x" * 20_001}, "20,001 characters"),
        ({"questions": [f"q{n}" for n in range(51)]}, "at most 50 questions"),
    ],
)
def test_unusable_entries_are_refused(desk: CustomerService, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        desk.knowledge.add(DRAFT.model_copy(update=changes))
    assert desk.knowledge.entries() == []


def test_rows_of_one_title_become_one_entry(desk: CustomerService, tmp_path: Path) -> None:
    rows = [["A", "q1", "one", "i"], ["A", "q2", "one", "i"], ["B", "<b>q</b>", "<script>x</script>", ""]]
    report = desk.knowledge.import_file(table(tmp_path / "f.csv", rows), "f.csv", MAPPING)
    assert (report.added, report.changed) == (2, 0)
    first, second = desk.knowledge.entries()
    assert (first.title, first.questions, first.intent, first.source) == ("A", ["q1", "q2"], "i", "f.csv")
    assert second.answer == "<script>x</script>", "text is kept as it is, and shown as text"


def test_the_same_file_again_changes_nothing_and_a_new_answer_replaces(desk: CustomerService, tmp_path: Path) -> None:
    path = table(tmp_path / "f.csv", [["A", "q", "one", ""], ["B", "q", "two", ""]])
    desk.knowledge.import_file(path, "f.csv", MAPPING)
    before = [entry.revision for entry in desk.knowledge.entries()]
    report = desk.knowledge.import_file(path, "f.csv", MAPPING)
    assert (report.added, report.changed, report.unchanged) == (0, 0, 2)
    table(path, [["A", "q", "new", ""]])
    assert desk.knowledge.import_file(path, "f.csv", MAPPING).changed == 1
    after = desk.knowledge.entries()
    assert [entry.answer for entry in after] == ["new", "two"]
    assert after[1].revision == before[1]


def test_rows_without_an_answer_are_named(desk: CustomerService, tmp_path: Path) -> None:
    report = desk.knowledge.import_file(
        table(tmp_path / "f.csv", [["A", "q", "", ""], ["B", "q", "x", ""]]), "f.csv", MAPPING
    )
    assert report.added == 1
    assert [row.row for row in report.rejected] == [1]


def test_a_table_needs_its_columns_named(desk: CustomerService, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Which column"):
        desk.knowledge.import_file(table(tmp_path / "f.csv", [["A", "q", "x", ""]]), "f.csv")


def test_headings_of_a_document_become_entries(desk: CustomerService, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_text("# How long?\n30 days.\n\n# How long?\nFor gifts 60.\n", encoding="utf-8")
    assert desk.knowledge.import_file(path, "faq.md").added == 2
    first, second = desk.knowledge.entries()
    assert (first.title, first.questions, first.answer) == ("How long?", ["How long?"], "30 days.")
    assert second.title == "How long? (2)"
