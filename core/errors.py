"""The errors a person may see: what happened, where, and what to do next. Driver errors never leave their room."""

from __future__ import annotations


class StudioError(Exception):
    """Base of every error that is shown to a person instead of a traceback."""

    title = "Something went wrong"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        """What happened and where: names the file, row, column, label or run."""
        self.hint = hint
        """The next step that leads out, one sentence; empty when there is none."""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(StudioError):
    """A file, a form or an argument cannot be used as it is."""

    title = "This input cannot be used"


class NotFoundError(StudioError):
    """A project, item, version, run or model with this id does not exist."""

    title = "Not found"


class RefusedError(StudioError):
    """The request is understood but the state does not allow it (too few examples, run still active)."""

    title = "Not possible yet"


class StorageError(StudioError):
    """The workspace on disk is damaged, full or cannot be written."""

    title = "Storage problem"


class WorkspaceBusyError(StorageError):
    """Another process has this workspace open."""

    title = "This workspace is already open"


class OfflineError(StudioError):
    """Something has to be fetched and the network, or the Hub, cannot be reached."""

    title = "Offline"


class ModelError(StudioError):
    """A base model or a trained model is missing, altered or of a kind that is not accepted."""

    title = "Model problem"


class TrainingError(StudioError):
    """A run failed; the hint is the one concrete next step."""

    title = "Training failed"
