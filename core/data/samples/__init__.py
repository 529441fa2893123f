"""The sample projects of a new workspace, and files to try other tasks with: texts written for this project, imported
like anybody's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.workspace import Workspace

FOLDER = Path(__file__).parent
PROJECT = "sample/{0}"
"""Preference under which the number of a sample project is kept: the scenarios look for it."""
EMBEDDED_LANGUAGES = ("en",)
"""Languages that the embedded base model reads well enough for a features model to be worth training."""

FILES = {
    "question_answering": ("product_questions.json", {"text": "context", "text_b": "question", "label": "answers"}),
    "generation": ("instructions.csv", {"text": "prompt", "label": "response"}),
}
"""By task a file for those who have none at hand, and what its columns mean; these tasks have no sample project."""


def sample_file(task: str) -> tuple[Path, dict[str, str]] | None:
    """(file, columns by their meaning) that an empty project of this task can be filled with; None without one."""
    name, columns = FILES.get(task, ("", {}))
    return (FOLDER / name, columns) if name else None


def install_samples(workspace: Workspace) -> None:
    """Create the sample projects, freeze a first version of each and queue its first models.

    Goes on where an earlier call was killed: each step is done once.
    """
    described: dict[str, dict[str, Any]] = {}
    for name in ("labels.json", "labels_scenarios.json"):
        described |= json.loads((FOLDER / name).read_text(encoding="utf-8"))
    for stem, about in described.items():
        if workspace.preference(PROJECT.format(stem)) is None:
            workspace.set_preference(PROJECT.format(stem), _install(workspace, stem, about))


def _install(workspace: Workspace, stem: str, about: dict[str, Any]) -> int:
    """Number of the project."""
    project = next((one for one in workspace.projects() if one.name == about["name"]), None)
    if project is None:
        project = workspace.create_project(
            about["name"],
            task="classification",
            labels=about["labels"],
            language=about["language"],
            guidelines=about["guidelines"],
            user="samples",
        )
    if not project.imports():
        project.import_file(
            FOLDER / f"{about.get('file', stem)}.csv",
            text=about["text_column"],
            label=about["label_column"],
            user="samples",
        )
    versions = project.versions() or [project.freeze(test=0.2, dev=0.1, seed=0, user="samples")]
    if not project.runs():
        project.train(versions[0], method="features" if about["language"] in EMBEDDED_LANGUAGES else "baseline")
    return project.id
