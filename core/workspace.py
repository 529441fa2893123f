"""The front door: one folder with its projects, runs and models. Pages, API, tests and notebooks share it."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import ValidationError

from core.base_models import MODEL_PREFIX, TEXT_TASKS, BaseModelInfo, has_encoder, list_bases
from core.consistency import mismatches
from core.data.samples import install_samples
from core.dependencies import is_needed, readers
from core.errors import InputError, NotFoundError, RefusedError, StorageError
from core.experiments.driver import Experiments
from core.inference.cache import Predictors
from core.labeling.suggestions import Suggester
from core.methods import FROZEN, get_method
from core.methods.base import MethodOptions, check_for, idle_options, options_for
from core.model import Model
from core.project import Project, Version
from core.project.part import ProjectState
from core.records import ModelInfo
from core.run import Run
from core.scenarios import install_scenarios
from core.settings import Settings
from core.storage import access, catalogue, projects
from core.storage.access import TokenInfo
from core.storage.database import Database
from core.tasks import get_task
from core.training.hardware import Hardware, hardware, measure
from core.training.run_folder import RunConfig
from core.training.runner import Runner

logger = logging.getLogger(__name__)
SAMPLES = "samples"
"""Preference that tells how far the samples are: begun, installed; whoever deletes them does not find them again."""
RESTORE_PATIENCE = 5.0
"""Seconds that a restore waits for a project that is being written."""


class Workspace:
    """One open workspace. Thread-safe; one process at a time. Use it as a context manager or close it."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self.settings = settings
        self.database = Database(path, accept_loss=settings.accept_loss)
        shutil.rmtree(self.scratch, ignore_errors=True)  # what a killed process left half-done
        self.predictors = Predictors()
        self._states: dict[int, ProjectState] = {}
        self._suggesters: dict[int, Suggester] = {}
        self._configs: dict[str, RunConfig] = {}
        self._finished: set[str] = set()
        self._lock = threading.RLock()
        """Guards the two dictionaries. Taken before a project's lock and before the database's write lock."""
        try:
            self.runner = Runner(
                path / "runs", settings, cache=path / "cache", bases=path / "bases", on_finished=self.register
            )
        except BaseException:
            self.database.close()
            raise
        self.experiments = Experiments(self)

    @classmethod
    def open(cls, path: Path | str | None = None, settings: Settings | None = None) -> Workspace:
        """Open a workspace folder, creating or migrating it; without ``path`` the one of the settings.

        Raises WorkspaceBusyError when another process has it open, StorageError when it is damaged.
        """
        settings = settings or Settings()
        return cls(Path(path or settings.home).expanduser().resolve(), settings)

    @classmethod
    def demo(cls, path: Path | str | None = None, settings: Settings | None = None) -> Workspace:
        """Open a workspace and, unless it has projects or had the samples before, add the sample projects and scenarios
        and queue their first models. Goes on where an earlier start was killed."""
        workspace = cls.open(path, settings)
        try:
            if workspace.preference(SAMPLES) is None and not workspace.projects():
                workspace.set_preference(SAMPLES, "begun")
            if workspace.preference(SAMPLES) == "begun":
                install_samples(workspace)
                install_scenarios(workspace)
                workspace.set_preference(SAMPLES, "installed")
        except BaseException:
            workspace.close()
            raise
        return workspace

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; training goes on in its own processes and is found again at the next start."""
        self.experiments.close()
        self.runner.close()
        for suggester in self._suggesters.values():
            suggester.close()
        self.database.close()

    @property
    def scratch(self) -> Path:
        """Folder for files that live no longer than the work on them."""
        folder = self.path / "tmp"
        folder.mkdir(exist_ok=True)
        return folder

    # ------------------------------------------------------------ projects

    def projects(self) -> list[Project]:
        """All projects, oldest first."""
        return [Project(self, info, self._state(info.id)) for info in projects.list_projects(self.database)]

    def project(self, project_id: int) -> Project:
        """One project. Raises NotFoundError."""
        return Project(self, projects.get_project(self.database, project_id), self._state(project_id))

    def create_project(
        self,
        name: str,
        task: str = "classification",
        labels: Iterable[str | dict[str, Any]] = (),
        language: str = "en",
        guidelines: str = "",
        user: str = "me",
    ) -> Project:
        """Create a project; labels may also come from the import. Raises InputError for a bad or taken name."""
        with self.database.transaction():
            name = self.check_project_name(name)
            info = projects.insert_project(self.database, name, language, get_task(task).name, guidelines)
            # Until the project is stored nobody else knows it, so it needs no state that is shared.
            made = list(labels)
            named = {entry if isinstance(entry, str) else entry.get("name") for entry in made}
            made += [label for label in get_task(task).fixed_labels if label not in named]
            Project(self, info, ProjectState()).add_labels(made, user=user)
        return self.project(info.id)

    def delete_project(self, project_id: int) -> None:
        """Delete a project with everything that belongs to it. Raises RefusedError while a run of it is active."""
        project = self.project(project_id)
        if any(run.active for run in self.runs(project_id)):
            raise RefusedError(f"'{project.name}' has a run that is not finished.", "Stop it first.")
        self.experiments.forget(project_id)
        state = self._state(project_id)
        with state.lock:
            projects.delete_project(self.database, project_id)
            state.deleted, state.board = True, None
        with self._lock:
            suggester = self._suggesters.pop(project_id, None)
        if suggester:
            suggester.close()
        for run in self.runs(project_id):
            with suppress(NotFoundError, RefusedError):  # deleted, or started, a moment ago: nobody is kept from it
                self.runner.delete(run.id)
            self.predictors.forget(run.id)
        for folder in (self.path / "versions").glob(f"{project_id}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def check_project_name(self, name: str, but: int | None = None) -> str:
        """The name without surrounding white space; InputError when it is empty, too long or taken."""
        cleaned = " ".join("".join(c for c in name if c.isprintable()).split())
        if not cleaned or len(cleaned) > 100:
            raise InputError("A project needs a name of 1 to 100 visible characters.", "Type a name.")
        if any(p.name == cleaned and p.id != but for p in projects.list_projects(self.database)):
            raise InputError(f"There is a project '{cleaned}' already.", "Choose another name.")
        return cleaned

    def _state(self, project_id: int) -> ProjectState:
        with self._lock:
            return self._states.setdefault(project_id, ProjectState())

    # ------------------------------------------------------------ runs and models

    def check_options(self, method: str, options: dict[str, Any], task: str = "classification") -> MethodOptions:
        """Options of a method with the defaults for a task filled in. Raises InputError that names the option.

        One that would do nothing for the task may only have its default.
        """
        chosen, record = get_method(method), options_for(get_method(method), task)
        given, every = dict(options), chosen.Options.model_fields
        for name in idle_options(chosen, task) & given.keys():
            if given.pop(name) != every[name].get_default(call_default_factory=True):
                raise InputError(
                    f"The option '{name}' of '{method}' does nothing for the task '{get_task(task).title}'.",
                    "Leave it out.",
                )
        try:
            checked = record.model_validate(given)
            check_for(chosen, chosen.Options.model_validate(checked.model_dump()), task)
            return checked
        except ValidationError as error:
            first = error.errors()[0]
            if not first["loc"]:
                raise InputError(first["msg"], "Change one of these options.") from error
            name = ".".join(str(part) for part in first["loc"])
            raise InputError(
                f"The option '{name}' of '{method}' is not usable: {first['msg']}.",
                f"Known options: {', '.join(record.model_fields)}.",
            ) from error

    def submit(self, config: RunConfig, version: Version) -> str:
        """Queue a run with its companions, so that every report has something to stand beside.

        The first run of a version brings its baseline: before it, or after it when it takes but seconds itself. A tuned
        encoder is followed by the same base before tuning. Raises NotFoundError when the project is gone.
        """
        self.project(config.project_id)
        tuned = config.base and config.method not in FROZEN
        alone = config.method != "baseline" and not self._known(config, "baseline", None)
        if alone and tuned:
            self.runner.submit(self._companion(config, "baseline", None), version.path)
        run_id = self.runner.submit(config, version.path)
        if alone and not tuned:
            self.runner.submit(self._companion(config, "baseline", None), version.path)
        if tuned and not self._known(config, "features", config.base):
            self.runner.submit(self._companion(config, "features", config.base), version.path)
        return run_id

    def _known(self, config: RunConfig, method: str, base: str | None) -> bool:
        """True where there is nothing to add: such a run is there, or cannot be for this task."""
        if config.task not in get_method(method).tasks:
            return True
        return any(
            (run.version_id, run.method, run.base) == (config.version_id, method, base)
            and (run.active or run.state == "finished")
            for run in self.runs(config.project_id)
        )

    def _companion(self, config: RunConfig, method: str, base: str | None) -> RunConfig:
        options = self.check_options(method, {}, config.task).model_dump(mode="json")
        return config.model_copy(update={"method": method, "base": base, "options": options})

    def runs(self, project_id: int | None = None) -> list[Run]:
        """Runs, newest first; one whose folder cannot be read is among the ``warnings`` instead."""
        runs = []
        for path in (self.path / "runs").glob("[!.]*/config.json"):
            with suppress(StorageError, NotFoundError):
                runs.append(Run(self, path.parent.name))
        chosen = [run for run in runs if project_id in (None, run.project_id)]
        return sorted(chosen, key=lambda run: run.created_at, reverse=True)

    def queue(self) -> list[Run]:
        """Runs that wait for the machine, next one first."""
        return [Run(self, run_id) for run_id in self.runner.queue()]

    @property
    def queue_paused(self) -> bool:
        """True while no waiting run may begin."""
        return self.runner.held

    def pause_queue(self) -> None:
        """Let nothing new begin until ``continue_queue``, also after a restart; what trains goes on."""
        self.runner.hold()

    def continue_queue(self) -> None:
        """Let the queue go on."""
        self.runner.release()

    def run_config(self, run_id: str) -> RunConfig:
        """What a run was asked to do; read once, for it never changes. Raises NotFoundError."""
        if run_id not in self._configs:
            self._configs[run_id] = self.runner.config(run_id)
        return self._configs[run_id]

    def run_active(self, run_id: str) -> bool:
        """Whether a run waits for the machine or uses it; the folder of one that has finished is not asked again."""
        if run_id in self._finished:
            return False
        status = self.runner.state(run_id)
        if status.state == "finished":
            self._finished.add(run_id)
        return status.active

    def run(self, run_id: str) -> Run:
        """One run. Raises NotFoundError."""
        self.runner.folder(run_id)
        return Run(self, run_id)

    def delete_run(self, run_id: str) -> None:
        """Delete a run and its model.

        Raises RefusedError while it is active, its model serves the project, or another model cannot do without it.
        """
        known = {info.id: info for info in catalogue.list_models(self.database)}
        if run_id in known and known[run_id].champion:
            raise RefusedError("This model serves its project.", "Promote another model first.")
        if found := readers(self, run_id):
            raise RefusedError(f"The model {found[0]} reads with this one.", "Delete that model first.")
        try:
            self.runner.delete(run_id)
        except NotFoundError:
            if run_id not in known:  # else its folder was removed by hand, and the entry goes now
                raise
        self.predictors.forget(run_id)
        catalogue.delete_model(self.database, run_id)

    def remove_weights(self, run_id: str) -> bool:
        """Free the space of a run's model and checkpoints once it has ended; figures, curves and predictions stay.

        False when somebody counts on that model: nothing is removed then.
        """
        if not self.runner.folder(run_id).holds_weights:
            return True
        with self.database.transaction():  # nobody promotes it, or gives it a part, meanwhile
            if self.run_active(run_id) or is_needed(self, run_id):
                return False
            self.register(run_id)  # as long as its size can be seen
            self.runner.folder(run_id).remove_weights()
        self.predictors.forget(run_id)
        self._state(self.run_config(run_id).project_id).revision += 1
        return True

    def register(self, run_id: str) -> None:
        """Enter the model of a finished run into the registry; idempotent."""
        if any(info.id == run_id for info in catalogue.list_models(self.database)):
            return
        folder = self.runner.folder(run_id)
        config = folder.config()
        size = sum(file.stat().st_size for file in folder.model.rglob("*") if file.is_file())
        with self.database.transaction():  # whoever deletes the run or the project now does so before or after this
            result = folder.result()
            if result is None or config.project_id not in {p.id for p in projects.list_projects(self.database)}:
                return
            catalogue.insert_model(
                self.database,
                ModelInfo(
                    id=run_id,
                    project_id=config.project_id,
                    version_id=config.version_id,
                    task=config.task,
                    method=config.method,
                    base=config.base,
                    labels=config.labels,
                    options=config.options,
                    metrics=result.get("metrics", {}).get("test", {}),
                    size_bytes=size,
                    path=str(folder.model),
                    created_at=datetime.now(),
                ),
            )
        self._state(config.project_id).revision += 1

    def models(self, project_id: int | None = None) -> list[Model]:
        """Registered models, newest first, without those of which only the figures are left."""
        return [model for model in self.registered(project_id) if model.has_weights]

    def registered(self, project_id: int | None = None) -> list[Model]:
        """Every model that was ever registered and not deleted, newest first."""
        return [Model(self, info) for info in catalogue.list_models(self.database, project_id)]

    def model(self, model_id: str) -> Model:
        """One registered model. Raises NotFoundError."""
        for info in catalogue.list_models(self.database):
            if info.id == model_id:
                return Model(self, info)
        raise NotFoundError(f"There is no model '{model_id}'.", "Choose one from the models page.")

    def bases(self) -> list[BaseModelInfo]:
        """Base models by name: the registry, folders that people put into ``bases/``, and models of this workspace
        that can be tuned further, the newest of them first."""
        projects_by_id = {project.id: project for project in self.projects()}
        ours = [
            BaseModelInfo(
                id=MODEL_PREFIX + model.id,
                title=f"{projects_by_id[model.info.project_id].name} · {model.title}",
                languages=projects_by_id[model.info.project_id].language,
                source="workspace",
                tasks=TEXT_TASKS if model.info.task in TEXT_TASKS else (model.info.task,),
                note="Tuned before: goes on from what it learned there, with a new head.",
            )
            for model in self.models()
            if model.info.project_id in projects_by_id and has_encoder(model.path)
        ]
        return [*list_bases(self.runner.bases), *ours]

    def suggester(self, project_id: int) -> Suggester:
        """The background suggester of a project, made on first use."""
        with self._lock:
            if project_id not in self._suggesters:
                self._suggesters[project_id] = Suggester.for_project(self.project(project_id))
            return self._suggesters[project_id]

    def hardware(self) -> Hardware:
        """This machine: processor, memory, accelerators, and what was measured on them so far."""
        return hardware(self.path / "cache")

    def measure_hardware(self) -> Hardware:
        """Measure every device, in a process of its own, and say what came out. Raises TrainingError."""
        return measure(self.path / "cache")

    # ------------------------------------------------------------ backup

    def backup(self, target: Path | str | None = None) -> Path:
        """Write a consistent copy of the database; without ``target`` into the backups folder, named by the time."""
        default = self.path / "backups" / f"whetstone-{datetime.now():%Y%m%d-%H%M%S}.duckdb"
        return self.database.backup(Path(target).expanduser() if target else default)

    def backups(self) -> list[Path]:
        """Backups in the backups folder, newest first."""
        files = (self.path / "backups").glob("*.duckdb")
        return sorted(files, key=lambda file: file.stat().st_mtime, reverse=True)

    def restore(self, source: Path | str) -> Path:
        """Replace the database by a backup; the replaced one is kept, its path returned.

        Models whose runs finished since the backup are registered again. Raises InputError for a file that is no
        backup, RefusedError while an import or a freeze is being stored.
        """
        with self._lock, ExitStack() as held:
            # With every project held, no answer meant for the old database ends up in the new one.
            for lock in (lock for s in self._states.values() for lock in (s.adding, s.freezing, s.lock)):
                if not lock.acquire(timeout=RESTORE_PATIENCE):
                    raise RefusedError("An import or a version is being stored.", "Restore the backup when it is done.")
                held.callback(lock.release)
            kept = self.database.restore(Path(source).expanduser())
            there = {info.id for info in projects.list_projects(self.database)}
            for project_id, state in self._states.items():
                state.board, state.deleted = None, project_id not in there
                state.revision += 1
            suggesters = list(self._suggesters.values())
            self._suggesters.clear()
        for suggester in suggesters:
            suggester.close()
        for run in self.runs():
            if run.state == "finished":
                self.register(run.id)
        return kept

    @property
    def warnings(self) -> list[str]:
        """What the folder and the database do not agree on: files that are gone, runs and versions left over."""
        return mismatches(self)

    # ------------------------------------------------------------ tokens and preferences

    def create_token(self, name: str) -> str:
        """Create an API token; the returned secret is shown once and stored as a hash only."""
        cleaned = name.strip()
        if not cleaned or len(cleaned) > 100:
            raise InputError("A token needs a name of 1 to 100 characters.", "Say what will use it.")
        return access.insert_token(self.database, cleaned)

    def check_token(self, secret: str) -> bool:
        """Whether this secret belongs to a valid token."""
        token = access.check_token(self.database, secret)
        # Most calls write nothing, so that a program is not kept waiting by an import that is being stored.
        if token is not None and (not token.last_used_at or datetime.now() - token.last_used_at > timedelta(hours=1)):
            access.touch_token(self.database, token.id)
        return token is not None

    def tokens(self) -> list[TokenInfo]:
        """All tokens, newest first, without their secrets."""
        return access.list_tokens(self.database)

    def revoke_token(self, token_id: int) -> None:
        """Make a token useless from now on."""
        access.revoke_token(self.database, token_id)

    def preference(self, key: str, default: Any = None) -> Any:
        """A stored preference, or ``default``."""
        return access.get_preference(self.database, key, default)

    def set_preference(self, key: str, value: Any) -> None:
        """Store a preference (any JSON value)."""
        access.set_preference(self.database, key, value)
