"""A project: one labeling question with its items, schema, versions, runs and models."""

from core.project.project import Project
from core.project.versions import Version

__all__ = ["Project", "Version"]
