"""Collects every string a person may read and brings the catalogues up to date: ``python -m studio.messages``.

Strings come from ``_()``, ``N_()``, ``ngettext()`` and ``translate()`` in studio, pages and core, and from what core
describes about itself (tasks, methods, options, errors), which pages translate when they show it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po
from pydantic import BaseModel

from studio.i18n import LANGUAGES, LOCALES

ROOT = Path(__file__).parent.parent
Id = str | tuple[str, ...] | list[str]
"""A message id or its translation; several forms where a number decides."""
BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
"""Dates in the headers stay the same, so that a catalogue changes only when its messages do."""
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "N_": None,
    "translate": None,
    "ngettext": (1, 2),
    "Message": None,
}
SENTENCE = re.compile(r"(?!SELECT )['{A-Z][^\n]* [^\n]*[^.\n][.?]")
"""A whole sentence outside a call: a warning, a note, an error's text that was put together first."""
OWN_WORDS = re.compile(r"(?:[A-Za-z](?:[^A-Za-z{]|\{\d\})*){6}")
"""A pattern needs some letters of its own: '{0}: {1}' would fit everything."""
SILENT_CALLS = ("Field", "_", "N_", "translate", "Message", "info", "debug", "warning", "error", "exception", "execute")


def described_by_core() -> Iterator[str]:
    """Titles, summaries and option descriptions that pages show through ``_``."""
    from core import errors
    from core.base_models import list_bases
    from core.methods import all_methods
    from core.records import Writing
    from core.scenarios import all_scenarios
    from core.scenarios.recommendation.config import Weights
    from core.scenarios.recommendation.evaluation import WAYS
    from core.scenarios.recommendation.imports import EventMapping, ItemMapping
    from core.settings import Settings
    from core.tasks import all_tasks

    for error in vars(errors).values():
        if isinstance(error, type) and issubclass(error, errors.StudioError):
            yield error.title
    for setting in Settings.model_fields.values():
        yield setting.description or ""
    for base in list_bases():
        yield from (base.title, base.note)
    for task in all_tasks():
        yield from (task.title, task.help)
    for method in all_methods():
        yield from (method.title, method.summary)
        yield from described_fields(method.Options)
    for scenario in all_scenarios():
        for role in scenario.roles:
            yield from (role.title, role.help)
        yield from described_fields(scenario.Config)
    for record in (Weights, ItemMapping, EventMapping, Writing):
        yield from described_fields(record)
    for way in WAYS:
        yield way.title


def described_fields(record: type[BaseModel]) -> Iterator[str]:
    """Titles and help texts of a form."""
    for name, field in record.model_fields.items():
        yield field.title or name.replace("_", " ").capitalize()
        yield field.description or ""
        if isinstance(field.json_schema_extra, dict):
            yield str(field.json_schema_extra.get("group", ""))


def said_by_core() -> Iterator[str]:
    """Patterns of the sentences that core makes: error messages, hints, warnings, progress (see studio.phrases)."""
    for path in sorted((ROOT / "core").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        silent = {id(node) for quiet in ast.walk(tree) if is_silent(quiet) for node in ast.walk(quiet)}
        silent |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and is_said(node):
                for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                    if (words := pattern(argument)) and " " in words and OWN_WORDS.search(words):
                        yield words
            elif (
                id(node) not in silent
                and (words := pattern(node))
                and SENTENCE.fullmatch(words)
                and OWN_WORDS.search(words)
            ):
                yield words


def called(node: ast.Call) -> str:
    """Name of the function that a call calls."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def is_said(node: ast.Call) -> bool:
    """Whether the call's texts reach a person."""
    name = called(node)
    return (name.endswith("Error") and name not in ("JSONDecodeError",)) or name in (
        "progress",
        "Progressing",
        "RejectedRow",
        "report",
    )


def is_silent(node: ast.AST) -> bool:
    """Docstrings, descriptions of fields (they come through the records), parts of other texts, logs, reports."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Call) and called(node) in SILENT_CALLS


def pattern(node: ast.AST) -> str | None:
    """A string as it is, a formatted string with numbered places; None for anything else."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if not isinstance(node, ast.JoinedStr):
        return None
    words, place = "", 0
    for part in node.values:
        if isinstance(part, ast.Constant):
            words += str(part.value)
        else:
            words += f"{{{place}}}"
            place += 1
    return words


def extract() -> Catalog:
    """All message ids of the source as they are now."""
    catalogue = Catalog(project="whetstone", charset="utf-8", fuzzy=False)
    for folder in ("studio", "pages", "core"):
        found = extract_from_dir(ROOT / folder, method_map=[("**.py", "python")], keywords=KEYWORDS)
        for file, _line, message, comments, context in found:
            if not message:
                continue
            catalogue.add(message, locations=[(f"{folder}/{file}", 0)], auto_comments=comments, context=context)
    for text in (*described_by_core(), *said_by_core()):
        if text:
            catalogue.add(text)
    return catalogue


def update() -> dict[str, int]:
    """Rewrite every catalogue with today's message ids; returns how many lack a translation, by language.

    Kept translations stay as they are, vanished ones are dropped, nothing is guessed. English reads its own ids.
    """
    source = extract()
    missing = {}
    for code, name in LANGUAGES.items():
        path = LOCALES / code / "LC_MESSAGES" / "whetstone.po"
        known: dict[Id, Id | None] = {}
        if path.exists():
            with path.open("rb") as file:
                known = {message.id: message.string for message in read_po(file, locale=code)}
        catalogue = Catalog(
            locale=code,
            project="Whetstone",
            version="1",
            header_comment=f"# Whetstone in {name}. `make messages` keeps the message ids up to date.",
            msgid_bugs_address="-",
            creation_date=BEGIN,
            revision_date=BEGIN,
            last_translator="Whetstone",
            language_team="Whetstone",
            fuzzy=False,
        )
        for message in source:
            if message.id:
                string = message.id if code == "en" else known.get(message.id, "")
                catalogue.add(message.id, string, flags=message.flags)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            write_po(file, catalogue, width=120, sort_output=True)
        missing[code] = len([m for m in catalogue if m.id and not is_translated(m.string)])
    return missing


def is_translated(string: Id | None) -> bool:
    """Whether every form of a translation is filled in."""
    forms = [string] if isinstance(string, str) else list(string or ())
    return bool(forms) and all(forms)


if __name__ == "__main__":
    for code, count in update().items():
        sys.stdout.write(f"{code}: {count} without translation\n")
