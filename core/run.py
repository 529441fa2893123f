"""A training run as pages, API and notebooks use it. Holds no state: every answer comes from the run's folder."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import NotFoundError, RefusedError, TrainingError
from core.records import RunState
from core.training import trackers
from core.training.run_folder import RunConfig, RunStatus

if TYPE_CHECKING:
    from core.model import Model
    from core.project import Version
    from core.workspace import Workspace


class Run:
    """One training run. ``state`` is queued, running, stalled, finished, failed, stopped or interrupted."""

    def __init__(self, workspace: Workspace, run_id: str) -> None:
        self.workspace = workspace
        self.id = run_id
        self.config: RunConfig = workspace.run_config(run_id)

    def __repr__(self) -> str:
        return f"Run({self.id}, {self.method}, {self.state})"

    @property
    def project_id(self) -> int:
        """Project it belongs to."""
        return self.config.project_id

    @property
    def version_id(self) -> int:
        """Dataset version it trains on."""
        return self.config.version_id

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.config.method

    @property
    def base(self) -> str | None:
        """Id of the base model, if the method has one."""
        return self.config.base

    @property
    def options(self) -> dict[str, Any]:
        """Options of the method, defaults included."""
        return self.config.options

    @property
    def created_at(self) -> datetime:
        """When it was submitted."""
        return self.config.created_at

    @property
    def status(self) -> RunStatus:
        """Everything about its progress, read now."""
        return self.workspace.runner.state(self.id)

    @property
    def state(self) -> RunState:
        """Its state, read now."""
        return self.status.state

    @property
    def result(self) -> dict[str, Any] | None:
        """What it wrote down about itself in the end: metrics, costs, versions; None until it has finished."""
        return self.workspace.runner.folder(self.id).result()

    @property
    def has_weights(self) -> bool:
        """False once its model was removed to save space; ``duplicate`` trains it again with the same options."""
        return not self.workspace.runner.folder(self.id).weights_removed

    @property
    def active(self) -> bool:
        """Whether it waits for the machine or uses it."""
        return self.workspace.run_active(self.id)

    @property
    def error(self) -> str:
        """What went wrong; empty when nothing did."""
        return self.status.error

    @property
    def hint(self) -> str:
        """The one concrete next step after a failure."""
        return self.status.hint

    def events(self) -> list[dict[str, Any]]:
        """What happened so far: steps with loss, dev metrics, notes."""
        return self.workspace.runner.events(self.id)

    def log_tail(self, lines: int = 40) -> list[str]:
        """The last lines of its log."""
        return self.workspace.runner.log_tail(self.id, lines)

    def wait(self, timeout: float | None = None) -> Run:
        """Wait until it is no longer active, at most ``timeout`` seconds.

        Raises TrainingError when they are over. Without a timeout RefusedError where nobody would ever start it,
        because the queue is paused, and TrainingError when the workspace was closed.
        """
        status = self.workspace.runner.wait(self.id, timeout)
        if not status.active:
            return self
        if timeout is not None:
            raise TrainingError(f"Run {self.id} is still {status.state} after {timeout} seconds.", "Wait longer.")
        if status.state == "queued" and self.workspace.queue_paused:
            raise RefusedError(
                f"The queue is paused, and run {self.id} waits in it.",
                "Let the queue go on (workspace.continue_queue()), or wait with a timeout.",
            )
        raise TrainingError(f"The workspace was closed while run {self.id} was {status.state}.", "Open it again.")

    def stop(self) -> None:
        """Save and stop, which frees the machine for the next run; ``resume`` goes on from there."""
        self.workspace.runner.stop(self.id)

    def move(self, position: int = 1) -> None:
        """Give a waiting run another position in the queue; 1 is the next. Raises RefusedError unless it waits."""
        self.workspace.runner.move(self.id, position)

    def run_now(self) -> None:
        """Let a waiting run begin as soon as what trains on its device has saved its work; that goes on afterwards.

        Raises RefusedError when it does not wait, or the queue is paused.
        """
        self.workspace.runner.run_now(self.id)

    def duplicate(
        self,
        version: Version | None = None,
        method: str | None = None,
        base: str | None = None,
        device: str | None = None,
        **options: Any,
    ) -> Run:
        """Queue a run like this one, with what is given here changed. Options stay where the method stays.

        Raises what ``Project.train`` raises, and NotFoundError when the version is gone.
        """
        project = self.workspace.project(self.project_id)
        kept = self.options if method in (None, self.method) else {}
        return project.train(
            version or project.version(self.version_id),
            method=method or self.method,
            base=base or self.base,
            device=device or self.config.device,
            **{**kept, **options},
        )

    def resume(self) -> Run:
        """Go on from the last complete checkpoint."""
        self.workspace.runner.resume(self.id)
        return self

    def export(self, tracker: str = "tensorboard", folder: Path | str = "curves") -> Path:
        """Write the curves so far into ``folder`` as a tracker keeps them; returns the folder. Nothing is sent.

        ``tracker`` is tensorboard, or wandb, mlflow or trackio where that package is installed. Other runs in the
        folder stay. Raises NotFoundError, RefusedError when the package or the figures are not there, StorageError.
        """
        project = self.workspace.project(self.project_id).name
        return trackers.export(self.workspace.runner.folder(self.id), project, tracker, Path(folder).expanduser())

    def export_zip(self, tracker: str = "tensorboard") -> bytes:
        """The folder that ``export`` writes, packed. Raises the same."""
        with tempfile.TemporaryDirectory(dir=self.workspace.scratch) as scratch:
            folder = self.export(tracker, Path(scratch) / "curves")
            return Path(shutil.make_archive(str(Path(scratch) / "packed"), "zip", folder)).read_bytes()

    def delete(self) -> None:
        """Delete the run with its checkpoints and its model. Raises RefusedError while it runs or its model serves."""
        self.workspace.delete_run(self.id)

    @property
    def model(self) -> Model | None:
        """The registered model; None until the run has finished."""
        if self.state != "finished":
            return None
        self.workspace.register(self.id)
        try:
            return self.workspace.model(self.id)
        except NotFoundError:
            return None
