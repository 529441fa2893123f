"""The sample projects of a new workspace: texts written for this project, imported like anybody's file."""

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


def install_samples(workspace: Workspace) -> None:
    """Create the sample projects, freeze a first version of each and queue its first models."""
    described: dict[str, dict[str, Any]] = {}
    for name in ("labels.json", "labels_scenarios.json"):
        described |= json.loads((FOLDER / name).read_text(encoding="utf-8"))
    for stem, about in described.items():
        project = workspace.create_project(
            about["name"],
            task="classification",
            labels=about["labels"],
            language=about["language"],
            guidelines=about["guidelines"],
            user="samples",
        )
        project.import_file(
            FOLDER / f"{about.get('file', stem)}.csv",
            text=about["text_column"],
            label=about["label_column"],
            user="samples",
        )
        workspace.set_preference(PROJECT.format(stem), project.id)
        version = project.freeze(test=0.2, dev=0.1, seed=0, user="samples")
        method = "features" if about["language"] in EMBEDDED_LANGUAGES else "baseline"
        project.train(version, method=method)
