"""The project as pages, API and notebooks use it: its data, labels, versions, runs and models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.base_models import default_base, get_base, is_available, kind_of, resolve
from core.errors import InputError, RefusedError
from core.experiments.planning import plan_comparison, plan_search
from core.methods import get_method, unsuited
from core.methods.base import Estimate
from core.project.costs import estimate
from core.project.versions import ProjectVersions, Version
from core.storage import catalogue
from core.training.placement import devices_for
from core.training.run_folder import RunConfig

if TYPE_CHECKING:
    from core.experiments import Experiment
    from core.model import Model
    from core.run import Run


class Project(ProjectVersions):
    """One labeling question. Get it from ``Workspace.project`` or ``Workspace.create_project``."""

    def __repr__(self) -> str:
        return f"Project({self.id}, {self.name!r})"

    def train(
        self, version: Version, method: str = "features", base: str | None = None, device: str = "auto", **options: Any
    ) -> Run:
        """Queue a training run and return at once.

        Args:
            version: The frozen version to train on.
            method: A name from the method registry.
            base: Id of a base model; None takes the default where the method needs one.
            device: auto, cpu, cuda, cuda:1, mps.
            options: Options of the method by name; the rest keep their defaults.

        Raises:
            InputError: An option does not exist or is out of bounds.
            RefusedError: The method cannot do this project's task.
        """
        self._check_version(version)
        run_id = self.workspace.submit(self.configure(version, method, base, device, options), version)
        return self.workspace.run(run_id)

    def compare(
        self,
        version: Version,
        methods: Sequence[str] | None = None,
        base: str | None = None,
        seeds: int = 1,
        minutes: float | None = None,
        device: str = "auto",
        **options: Any,
    ) -> Experiment:
        """Train several methods, or one method with several seeds, one after the other, and return at once.

        Args:
            version: The frozen version to train on.
            methods: Names from the method registry; None takes every one that suits the task and the base.
            base: Id of a base model; None takes the default where a method needs one.
            seeds: How many seeds of each method, counted from the seed of the options.
            minutes: Most minutes of training; methods that would take longer than what is left are left out.
            device: auto, cpu, cuda, cuda:1, mps.
            options: Options of the method by name, where it is one.

        Raises:
            InputError: An option or a number is out of bounds.
            RefusedError: A method cannot do this project's task.
        """
        self._check_version(version)
        plan = plan_comparison(self, version, methods, base, seeds, minutes, device, options)
        return self.workspace.experiments.start(*plan)

    def search(
        self,
        version: Version,
        method: str,
        base: str | None = None,
        trials: int | None = None,
        minutes: float | None = None,
        device: str = "auto",
        varied: Sequence[str] | None = None,
        **options: Any,
    ) -> Experiment:
        """Look for better options of one method, by their figures on the dev split, and return at once.

        ``varied`` names the options to try, None all that can be tried; ``options`` are kept as given. It ends after
        so many ``trials`` or ``minutes`` of training. Raises InputError, RefusedError.
        """
        self._check_version(version)
        plan = plan_search(self, version, method, base, trials, minutes, device, options, varied)
        return self.workspace.experiments.start(*plan)

    def experiments(self) -> list[Experiment]:
        """Comparisons and searches of this project, newest first."""
        return self.workspace.experiments.list(self.id)

    def _check_version(self, version: Version) -> None:
        if version.info.project_id != self.id:
            raise InputError("This version belongs to another project.", "Choose a version of this project.")

    def unsuited(self, method: str, base: str | None = None) -> str | None:
        """Why a method cannot do this project's task with a base model; None where nothing speaks against it.

        Raises InputError for a base that is no name.
        """
        chosen, runner = get_method(method), self.workspace.runner
        kind = kind_of(base or default_base(self.task.name), runner.bases, runner.runs) if chosen.needs_base else ""
        return unsuited(chosen, self.task.name, kind)

    def estimate(
        self, version: Version, method: str, base: str | None = None, device: str = "auto", **options: Any
    ) -> Estimate | None:
        """What this run would cost on this machine; None where the base model would have to be fetched to know.

        Raises InputError for options that do not exist or are out of bounds, RefusedError for a device that is not
        there.
        """
        chosen, checked = get_method(method), self.workspace.check_options(method, options, self.task.name)
        folder = None
        if chosen.needs_base:
            bases, runs = self.workspace.runner.bases, self.workspace.runner.runs
            if not is_available(base or default_base(self.task.name), bases, runs):
                return None
            folder = resolve(base or default_base(self.task.name), offline=True, bases=bases, runs=runs)
        setting = self.workspace.settings.device if device == "auto" else device
        devices = devices_for(setting, checked.model_dump())
        return estimate(chosen, checked, version, folder, devices, self.workspace.path / "cache")

    def configure(
        self, version: Version, method: str, base: str | None, device: str, options: dict[str, Any]
    ) -> RunConfig:
        """What a run is asked to do, with every option filled in. Raises InputError, RefusedError as ``train``."""
        chosen = get_method(method)
        if reason := self.unsuited(method, base):
            raise RefusedError(reason, "Choose another method or another base model.")
        checked = self.workspace.check_options(method, options, self.task.name)
        return RunConfig(
            project_id=self.id,
            version_id=version.id,
            version_hash=version.hash,
            task=self.task.name,
            labels=version.labels,
            label_help=version.label_help,
            method=method,
            base=get_base(base or default_base(self.task.name)).id if chosen.needs_base else None,
            options=checked.model_dump(mode="json"),
            device=device,
        )

    def runs(self) -> list[Run]:
        """Runs of this project, newest first."""
        return self.workspace.runs(self.id)

    def models(self) -> list[Model]:
        """Registered models of this project, newest first."""
        return self.workspace.models(self.id)

    def champion(self) -> Model | None:
        """The promoted model; None before the first promotion."""
        return next((model for model in self.models() if model.info.champion), None)

    def promote(self, model_id: str, user: str = "me") -> Model:
        """Let this model serve the project. Raises InputError, NotFoundError, ModelError."""
        with self._database.transaction():
            model = self.workspace.model(model_id)
            if model.info.project_id != self.id:
                raise InputError("This model belongs to another project.", "Choose a model of this project.")
            model.check_weights()
            catalogue.insert_promotion(self._database, self.id, model_id, user)
        self._changed()
        return self.workspace.model(model_id)

    def delete(self) -> None:
        """Delete the project with its items, labels, versions, runs and models."""
        self.workspace.delete_project(self.id)
