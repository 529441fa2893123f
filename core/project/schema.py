"""The label schema of a project: labels are added, edited, renamed and merged as recorded events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.data.names import check_label_name
from core.errors import InputError, NotFoundError, RefusedError
from core.labeling.schema import check_colour, check_key, next_colour, next_key
from core.project.part import ProjectPart
from core.records import Label, SchemaEvent
from core.storage import projects

MOST_LABELS = 2000
"""More distinct labels than this is a column that was taken for labels by mistake."""


class ProjectSchema(ProjectPart):
    """Labels and guidelines."""

    def update(self, name: str | None = None, language: str | None = None, guidelines: str | None = None) -> None:
        """Change the project's name, language or guidelines (Markdown)."""
        changes: dict[str, Any] = {"language": language, "guidelines": guidelines}
        with self._database.transaction():
            if name is not None:
                changes["name"] = self.workspace.check_project_name(name, but=self.id)
            stored = projects.get_project(self._database, self.id)  # another handle may have changed the rest
            info = stored.model_copy(update={k: v for k, v in changes.items() if v is not None})
            projects.update_project(self._database, info)
        self.info = info

    def label_named(self, name: str) -> Label:
        """One label by its name. Raises NotFoundError."""
        for label in self.labels:
            if label.name == name:
                return label
        raise NotFoundError(f"There is no label '{name}' in this project.", "Look at the schema on the data page.")

    def add_label(
        self, name: str, colour: str = "", key: str = "", description: str = "", example: str = "", user: str = "me"
    ) -> Label:
        """Add one label; colour and key are chosen when not given. Raises InputError when the name is taken."""
        fields = {"name": name, "colour": colour, "key": key, "description": description, "example": example}
        return self.add_labels([fields], user=user)[0]

    def add_labels(self, labels: Iterable[str | dict[str, Any]], user: str = "me") -> list[Label]:
        """Add several labels, names or fields of ``Label``, all or none."""
        with self._schema_held():
            known = self.labels
            names = {label.name for label in known}
            keys = [label.key for label in known]
            made = []
            for entry in labels:
                fields = {"name": entry} if isinstance(entry, str) else dict(entry)
                fields["name"] = check_label_name(fields["name"])
                if fields["name"] in names:
                    raise InputError(f"There is a label '{fields['name']}' already.", "Choose another name.")
                names.add(fields["name"])
                fields["key"] = check_key(fields.get("key", ""), known) or next_key(keys)
                fields["colour"] = check_colour(fields.get("colour", "")) or next_colour(len(keys))
                keys.append(fields["key"])
                made.append(fields)
            if made and not self.task.needs_labels:
                raise InputError(f"'{self.task.title}' has no labels: answers are texts.", "Leave the labels out.")
            fixed = self.task.fixed_labels
            if fixed and names - set(fixed):
                wrong = sorted(names - set(fixed))[0]
                raise InputError(f"'{wrong}' cannot be a label of this task.", f"Its labels are: {', '.join(fixed)}.")
            if len(names) > MOST_LABELS:
                raise InputError(
                    f"That would make {len(names)} labels; a project takes at most {MOST_LABELS}.",
                    "Is another column the label?",
                )
            stored = projects.insert_labels(self._database, self.id, made, user) if made else []
            self._changed()
            return stored

    def change_label(self, name: str, new_name: str, user: str = "me", **fields: str) -> Label:
        """Rename a label and change its fields: all of it, or nothing."""
        with self._schema_held(), self._database.transaction():
            self.rename_label(name, new_name, user=user)
            return self.edit_label(check_label_name(new_name), user=user, **fields)

    def edit_label(self, name: str, user: str = "me", **fields: str) -> Label:
        """Change colour, key, description or example of a label."""
        unknown = set(fields) - {"colour", "key", "description", "example"}
        if unknown:
            raise InputError(f"A label has no field '{sorted(unknown)[0]}'.", "Use rename_label for the name.")
        with self._schema_held():
            label = self.label_named(name)
            if "key" in fields:
                fields["key"] = check_key(fields["key"], self.labels, label.id)
            if "colour" in fields:
                fields["colour"] = check_colour(fields["colour"]) or label.colour
            changed = label.model_copy(update=fields)
            if changed != label:
                detail = {"label": label.id, "name": label.name, **fields}
                projects.update_label(self._database, self.id, changed, "edit", detail, user)
                self._changed()
            return changed

    def rename_label(self, old: str, new: str, user: str = "me") -> Label:
        """Rename a label; every label given with it reads the new name, frozen versions keep the old one."""
        with self._schema_held():
            label = self.label_named(old)
            new = check_label_name(new)
            if new == old:
                return label
            self._check_free(old)
            if new in {other.name for other in self.labels}:
                raise InputError(f"There is a label '{new}' already.", "Use merge to join two labels.")
            changed = label.model_copy(update={"name": new})
            detail = {"label": label.id, "from": old, "to": new}
            projects.update_label(self._database, self.id, changed, "rename", detail, user)
            self._changed()
            return changed

    def merge_labels(self, source: str, into: str, user: str = "me") -> Label:
        """Let ``into`` stand for ``source`` everywhere; recorded, no label event is rewritten."""
        with self._schema_held():
            old, new = self.label_named(source), self.label_named(into)
            self._check_free(source)
            if old.id == new.id:
                raise InputError("A label cannot be merged into itself.", "Choose two labels.")
            projects.merge_label(self._database, self.id, old, new, user)
            self._changed()
            return new

    def remove_label(self, name: str, user: str = "me") -> None:
        """Take a label out of the schema. Raises RefusedError while items carry it."""
        with self._schema_held():
            label = self.label_named(name)
            self._check_free(name)
            merged = [old for old, new in projects.merged_labels(self._database, self.id).items() if new == label.id]
            used = self._board().carrying([label.id, *merged])
            if used:
                raise RefusedError(
                    f"'{name}' is the label of {used} items.", "Merge it into another label instead of removing it."
                )
            projects.remove_label(self._database, self.id, label, user)
            self._changed()

    def _check_free(self, name: str) -> None:
        """Raise RefusedError for a label that belongs to the task itself."""
        if name in self.task.fixed_labels:
            raise RefusedError(f"The label '{name}' belongs to the task and stays.", "Change its colour or key.")

    def schema_events(self) -> list[SchemaEvent]:
        """Every recorded change of the schema, newest first."""
        return projects.list_schema_events(self._database, self.id)
