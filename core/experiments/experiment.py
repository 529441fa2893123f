"""One experiment as pages, API and notebooks use it. Its truth is in its folder and in the folders of its runs."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from core.durable import new_folder, read_json, write_json
from core.errors import NotFoundError, RefusedError, StorageError, TrainingError
from core.experiments.records import ExperimentState, Plan, Progress, Trial
from core.records import Record

if TYPE_CHECKING:
    from core.project import Project
    from core.run import Run
    from core.workspace import Workspace

Read = TypeVar("Read", bound=Record)


class Experiment:
    """Several runs on one version that answer one question. Get it from ``Project.compare`` or ``Project.search``."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self.workspace = workspace
        self.folder = folder

    def __repr__(self) -> str:
        return f"Experiment({self.id!r}, {self.plan.kind!r})"

    @classmethod
    def create(cls, workspace: Workspace, plan: Plan, progress: Progress) -> Experiment:
        """Write a new experiment into the workspace. Raises StorageError."""
        with new_folder(workspace.path / "experiments" / plan.id) as folder:
            write_json(folder / "plan.json", plan.model_dump(mode="json"))
            write_json(folder / "state.json", progress.model_dump(mode="json"))
        return cls(workspace, workspace.path / "experiments" / plan.id)

    @property
    def id(self) -> str:
        """Time of its start and six random characters."""
        return self.folder.name

    @property
    def plan(self) -> Plan:
        """What was asked. Raises StorageError when the folder is damaged."""
        return self._read("plan.json", Plan)

    @property
    def progress(self) -> Progress:
        """How far it is, read now. Raises StorageError."""
        return self._read("state.json", Progress)

    def _read(self, name: str, record: type[Read]) -> Read:
        try:
            return record.model_validate(read_json(self.folder / name))
        except ValidationError as error:
            raise StorageError(f"Experiment {self.id} has no readable {name}.", "Delete it and start again.") from error

    def write(self, progress: Progress) -> None:
        """Replace what is known of its progress. Raises StorageError."""
        write_json(self.folder / "state.json", progress.model_dump(mode="json"))

    @property
    def state(self) -> ExperimentState:
        """running, stopped or finished."""
        return self.progress.state

    @property
    def trials(self) -> list[Trial]:
        """Its trials in their order."""
        return self.progress.trials

    @property
    def project(self) -> Project:
        """The project it belongs to. Raises NotFoundError."""
        return self.workspace.project(self.plan.project_id)

    def run_of(self, trial: Trial) -> Run | None:
        """The run that does a trial; None before it began, and once it was deleted."""
        try:
            return None if trial.run_id is None else self.workspace.run(trial.run_id)
        except NotFoundError:
            return None

    def runs(self) -> list[Run]:
        """Its runs that are still there, in the order of the trials."""
        return [run for trial in self.trials if (run := self.run_of(trial)) is not None]

    @property
    def spent(self) -> float:
        """Seconds of work of its own runs; those that were there before cost nothing."""
        own = [trial for trial in self.trials if not trial.reused]
        return sum(run.status.seconds for trial in own if (run := self.run_of(trial)) is not None)

    @property
    def out_of_time(self) -> bool:
        """True when it finished because its minutes were used up: more of them would go further."""
        plan, progress = self.plan, self.progress
        if plan.minutes is None or progress.state != "finished":
            return False
        if plan.kind == "search":
            last = progress.trials[-1]
            return plan.most_trials is None or len(progress.trials) < plan.most_trials or (last.in_vain and last.late)
        return any(trial.late for trial in progress.trials)

    def stop(self) -> None:
        """Start nothing more; what trains now saves and stops, and goes on after ``resume``."""
        self.workspace.experiments.stop(self)

    def resume(self, minutes: float | None = None) -> Experiment:
        """Go on where it was stopped; ``minutes`` more than it had. Raises RefusedError when it has finished."""
        self.workspace.experiments.resume(self, minutes)
        return self

    def wait(self, timeout: float | None = None) -> Experiment:
        """Wait until it has finished or was stopped, at most ``timeout`` seconds.

        Raises TrainingError when they are over. Without a timeout RefusedError where nobody would ever go on with it,
        because the queue is paused.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.state == "running":
            if deadline is None:
                self._refuse_to_wait_for_ever()
            elif time.monotonic() > deadline:
                raise TrainingError(f"Experiment {self.id} is still running after {timeout} seconds.", "Wait longer.")
            time.sleep(0.2)
        return self

    def _refuse_to_wait_for_ever(self) -> None:
        states = {run.state for run in self.runs() if run.active}
        if self.workspace.queue_paused and states == {"queued"}:
            raise RefusedError(
                f"The queue is paused, and experiment {self.id} waits in it.",
                "Let the queue go on (workspace.continue_queue()), or wait with a timeout.",
            )

    def delete(self) -> None:
        """Forget it; its runs and models stay. Raises RefusedError while it is running."""
        self.workspace.experiments.delete(self)

    def remove(self) -> None:
        """Remove its folder; a rename comes first so that no half-deleted one is ever seen."""
        trash = self.folder.with_name(f".{self.folder.name}.deleted")
        self.folder.replace(trash)
        shutil.rmtree(trash, ignore_errors=True)
