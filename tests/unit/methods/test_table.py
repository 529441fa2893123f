"""Which method can do which task, as the docs say it."""

from __future__ import annotations

from pathlib import Path

from core.methods import all_methods
from core.methods.table import BEGIN, END, table
from core.tasks import all_tasks

DOCS = Path(__file__).parents[3] / "docs" / "methods.md"


def test_the_table_in_the_docs_is_the_one_that_is_made() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert text[text.index(BEGIN) : text.index(END) + len(END)] == table(), "run: python -m core.methods.table"


def test_every_method_and_task_has_its_place() -> None:
    lines = table().splitlines()
    assert len([line for line in lines if line.startswith("| `")]) == len(all_methods())
    known = {task.name for task in all_tasks()}
    assert all(method.tasks <= known for method in all_methods())
    assert all(any(task in method.tasks for method in all_methods()) for task in known)
