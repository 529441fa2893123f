"""What the folder and the database of a workspace do not agree on, in words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.storage import catalogue, projects

if TYPE_CHECKING:
    from core.workspace import Workspace


def mismatches(workspace: Workspace) -> list[str]:
    """Files that are gone, runs and versions left over, runs that cannot be read."""
    known = {info.id for info in projects.list_projects(workspace.database)}
    versions = catalogue.list_versions(workspace.database)
    found = [
        f"The files of version {version.number} of project {version.project_id} are gone: {version.path}."
        for version in versions
        if not (Path(version.path) / "version.json").is_file()
    ]
    found += [
        f"The files of model {model.id} are gone: {model.info.path}."
        for model in workspace.models()
        if not model.path.is_dir()
    ]
    runs = workspace.runs()
    found += [f"Run {run.id} belongs to a project that is gone." for run in runs if run.project_id not in known]
    readable = {run.id for run in runs}
    found += [
        f"Run {path.parent.name} cannot be read: {path} is damaged. Delete its folder."
        for path in sorted((workspace.path / "runs").glob("[!.]*/config.json"))
        if path.parent.name not in readable
    ]
    folders = {Path(version.path).name for version in versions}
    left = (workspace.path / "versions").glob("[0-9]*-[0-9]*")
    return found + [f"The folder {path} belongs to no version." for path in sorted(left) if path.name not in folders]
