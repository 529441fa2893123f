"""Drives the experiments of a workspace: starts the next run when one has ended, keeps budgets, stops hopeless trials.

It remembers nothing that is not in the folders: after a restart or a kill -9 it looks at them and goes on. A run that
was started but not yet noted is found again, because the runner never starts the same work twice.
"""

from __future__ import annotations

import logging
import re
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from core.durable import FULL_DISK, clear_leftovers, write_json
from core.errors import NotFoundError, RefusedError, StorageError, StudioError
from core.evaluation.messages import Message
from core.experiments.experiment import Experiment
from core.experiments.records import STOPPED, TOO_LONG, USED_UP, Plan, Progress, Trial
from core.experiments.search import Search
from core.methods import COMPOSED, get_method

if TYPE_CHECKING:
    from core.run import Run
    from core.workspace import Workspace

TICK = 0.5
"""Seconds between two looks at the running experiments."""
MOST_KEPT = 0.2
"""Largest share of the time that is kept for what is made of the other models."""
KEPT_MODELS = 3
"""Trials of a search whose weights stay; of the others the figures, curves and options do."""
logger = logging.getLogger(__name__)


class Experiments:
    """The experiments of one workspace. Thread-safe."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.folder = workspace.path / "experiments"
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._searches: dict[str, Search] = {}
        self._running: set[str] = set()
        self._troubles: dict[str, str] = {}
        """What kept the last look at an experiment from its end."""
        if self.folder.is_dir():
            clear_leftovers(self.folder)
            self._running = {one.id for one in self.list() if one.state == "running"}
        self._thread = threading.Thread(target=self._drive, name="experiments", daemon=True)
        self._thread.start()

    def list(self, project_id: int | None = None) -> list[Experiment]:
        """Experiments, newest first; one whose folder cannot be read is left out."""
        found = [Experiment(self.workspace, path.parent) for path in self.folder.glob("[!.]*/plan.json")]
        readable = []
        for experiment in found:
            try:
                if project_id in (None, experiment.plan.project_id) and experiment.progress:
                    readable.append(experiment)
            except StudioError:
                logger.warning("experiment %s cannot be read", experiment.id)
        return sorted(readable, key=lambda one: one.plan.created_at, reverse=True)

    def get(self, experiment_id: str) -> Experiment:
        """One experiment. Raises NotFoundError."""
        for one in self.list():
            if one.id == experiment_id:
                return one
        raise NotFoundError(f"There is no experiment '{experiment_id}'.", "It may have been deleted.")

    def start(self, plan: Plan, progress: Progress) -> Experiment:
        """Begin an experiment. Raises StorageError."""
        with self._lock:
            experiment = Experiment.create(self.workspace, plan, progress)
            self._running.add(experiment.id)
        self._wake.set()
        return experiment

    def stop(self, experiment: Experiment) -> None:
        """Start nothing more, and let what trains now save and stop.

        Raises the error of the first run that cannot be stopped, after the others were asked to.
        """
        failures = []
        with self._lock:
            progress = experiment.progress
            if progress.state != "running":
                return
            experiment.write(progress.model_copy(update={"state": "stopped"}))
            self._running.discard(experiment.id)
            for trial in progress.trials:
                try:
                    run = experiment.run_of(trial)
                    if run is not None and not trial.ended and not trial.reused and run.active:
                        run.stop()
                # Whatever is wrong with one run, the others train for nobody any more.
                except Exception as error:
                    logger.exception("trial %s of experiment %s cannot be stopped", trial.number, experiment.id)
                    failures.append(error)
        if failures:
            raise failures[0]

    def resume(self, experiment: Experiment, minutes: float | None = None) -> None:
        """Go on with a stopped experiment, or one whose time was used up. Raises RefusedError when neither is so."""
        with self._lock:
            plan, progress = experiment.plan, experiment.progress
            if progress.state == "running":
                if minutes is None:
                    return
                raise RefusedError("This experiment is running.", "Stop it first, or wait until its time is used up.")
            if progress.state == "finished" and minutes is None:
                raise RefusedError("This experiment has finished.", "Start a new one, or give it more minutes.")
            more = None if minutes is None or plan.minutes is None else plan.minutes + minutes
            for trial in progress.trials:
                left = trial.in_vain if plan.kind == "search" else more is not None and trial.left_out is not None
                if trial.ended and not left:
                    continue
                progress = progress.with_trial(trial.model_copy(update={"ended": False, "left_out": None}))
                run = experiment.run_of(trial)
                if run is not None and run.status.resumable:
                    run.resume()
            experiment.write(progress.model_copy(update={"state": "running"}))
            self._running.add(experiment.id)
            if more is not None:  # last: after a kill before this the time is used up again, and nothing counts twice
                raised = plan.model_copy(update={"minutes": more})
                write_json(experiment.folder / "plan.json", raised.model_dump(mode="json"))
        self._wake.set()

    def delete(self, experiment: Experiment) -> None:
        """Forget an experiment. Raises RefusedError while it is running."""
        with self._lock:
            try:
                running = experiment.state == "running"
            except StorageError:  # damaged: to delete it is the way out
                running = experiment.id in self._running
            if running:
                raise RefusedError("This experiment is running.", "Stop it first.")
            self._searches.pop(experiment.id, None)
            experiment.remove()

    def forget(self, project_id: int) -> None:
        """Remove the experiments of a project that is gone."""
        with self._lock:
            for path in self.folder.glob("[!.]*/plan.json"):
                experiment = Experiment(self.workspace, path.parent)
                with suppress(StorageError):  # of a damaged one the plan may be readable
                    if experiment.plan.project_id == project_id:
                        self._running.discard(experiment.id)
                        self._searches.pop(experiment.id, None)
                        experiment.remove()

    def close(self) -> None:
        """Stop driving. Runs go on; the next start goes on with the experiments."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout=10)

    # -------------------------------------------------------------- the thread

    def _drive(self) -> None:
        while not self._closing.is_set():
            for experiment_id in sorted(self._running):
                try:
                    with self._lock:
                        if experiment_id in self._running:
                            self._advance(Experiment(self.workspace, self.folder / experiment_id))
                    self._troubles.pop(experiment_id, None)
                # The last guard of a thread that all other experiments depend on.
                except Exception as error:
                    self._stumble(experiment_id, error)
            self._wake.wait(TICK if self._running else None)
            self._wake.clear()

    def _stumble(self, experiment_id: str, error: Exception) -> None:
        """Wait for room on a full disk; what else is still wrong at the next look does not pass."""
        full = disk_is_full(error)
        trouble = "full" if full else type(error).__name__
        before, self._troubles[experiment_id] = self._troubles.get(experiment_id), trouble
        self._searches.pop(experiment_id, None)  # read anew, which mends what the disk took half of
        if trouble != before:
            logger.warning("experiment %s waits: %s", experiment_id, error, exc_info=None if full else error)
        elif not full:
            self._give_up(experiment_id)

    def _give_up(self, experiment_id: str) -> None:
        """Stop one that cannot be driven, so that nobody waits for it; a person may let it go on."""
        try:
            self.stop(Experiment(self.workspace, self.folder / experiment_id))
        # The thread goes on whatever keeps this one from being stopped.
        except Exception as error:
            if experiment_id in self._running and disk_is_full(error):
                return  # nobody could know that it has ended: the next look tries anew
            logger.exception("experiment %s cannot be stopped", experiment_id)
        logger.warning("experiment %s is driven no more", experiment_id)
        self._running.discard(experiment_id)
        self._troubles.pop(experiment_id, None)

    def _advance(self, experiment: Experiment) -> None:
        """Look at what runs, and start what fits."""
        progress = before = experiment.progress
        busy = False
        for trial in progress.trials:
            if trial.run_id is None or trial.ended:
                continue
            seen = self._look(experiment, trial)
            busy = busy or not seen.ended
            progress = progress.with_trial(seen)
        if experiment.plan.kind == "search" and progress != before:
            self._tidy(experiment, before, progress)
        while not busy and (following := self._next(experiment, progress)) is not None:
            begun = self._begin(experiment, following)
            busy = not begun.ended
            progress = progress.with_trial(begun)
            experiment.write(progress)
            before = progress
        if not busy:
            stuck = experiment.plan.kind == "search" and progress.stuck
            progress = progress.model_copy(update={"state": "stopped" if stuck else "finished"})
            self._running.discard(experiment.id)
            self._searches.pop(experiment.id, None)
        if progress != before:
            experiment.write(progress)

    def _tidy(self, experiment: Experiment, before: Progress, progress: Progress) -> None:
        """Remove the weights of trials that are not among the best: a search would fill the disk with them.

        Comes before what became of a trial is noted (``before`` is what is), so that a kill in between leaves nobody
        out.
        """
        ended = [trial for trial in progress.trials if trial.ended]
        ranked = sorted((t for t in ended if t.value is not None), key=lambda t: (-(t.value or 0.0), t.number))
        known = {trial.number for trial in before.trials if trial.ended}
        others = [one for one in self.list(experiment.plan.project_id) if one.id != experiment.id]
        elsewhere = {trial.run_id for other in others for trial in other.trials}
        for trial in ended:
            run = experiment.run_of(trial)
            if run is None or trial.reused or run.id in elsewhere or not run.has_weights:
                continue
            # One that was left out may be resumed by a person: what it learns from then on is theirs.
            left_now = trial.left_out is not None and trial.number not in known
            if trial in ranked[KEPT_MODELS:] or (left_now and run.status.resumable):
                self.workspace.remove_weights(run.id)

    def _look(self, experiment: Experiment, trial: Trial) -> Trial:
        """What became of a trial that was begun."""
        run = experiment.run_of(trial)
        if run is None:
            return self._ended(experiment, trial, None, Message(key="Its run was deleted."))
        if run.active:
            why = None if trial.left_out else self._why_stop(experiment, trial, run)
            if why is None:
                return trial
            run.stop()
            return trial.model_copy(update={"left_out": why})
        if run.state == "finished":
            if experiment.plan.kind == "search":  # it may have ended between two looks
                self._search(experiment).note(trial.number, dev_by_epoch(run))
            return self._ended(experiment, trial, dev_value(run), None)
        return self._ended(experiment, trial, None, trial.left_out)

    def _why_stop(self, experiment: Experiment, trial: Trial, run: Run) -> Message | None:
        """Why a running trial should end now; None to let it go on."""
        if self._budget(experiment, trial) <= 0:
            return Message(key=STOPPED)
        searches = experiment.plan.kind == "search"
        if searches and self._search(experiment).hopeless(trial.number, dev_by_epoch(run)):
            return Message(key="Stopped: it fell behind the others.")
        return None

    def _ended(self, experiment: Experiment, trial: Trial, value: float | None, why: Message | None) -> Trial:
        if experiment.plan.kind == "search" and trial.run_id is not None:  # else it may still be begun
            self._search(experiment).tell(trial.number, value, pruned=value is None and trial.left_out is not None)
        return trial.model_copy(update={"ended": True, "value": value, "left_out": why})

    def _next(self, experiment: Experiment, progress: Progress) -> Trial | None:
        """The trial to begin now; None when there is none left."""
        plan = experiment.plan
        waiting = next((trial for trial in progress.trials if trial.run_id is None and not trial.ended), None)
        if plan.kind == "compare":
            return waiting
        number = len(progress.trials) if waiting is None else waiting.number
        enough = plan.most_trials is not None and number >= plan.most_trials
        last = progress.trials[-1]
        if enough or progress.stuck or (last.in_vain and last.late) or self._budget(experiment) <= 0:
            return None
        first = progress.trials[0]
        return first.model_copy(
            update={
                "number": number,
                "options": self._search(experiment).ask(number),
                "run_id": None,
                "reused": False,
                "ended": False,
                "left_out": None,
                "value": None,
            }
        )

    def _begin(self, experiment: Experiment, trial: Trial) -> Trial:
        """Start the run of a trial, or take the one that did the same before."""
        left = self._budget(experiment, trial)
        if left <= 0:
            return self._ended(experiment, trial, None, Message(key=USED_UP))
        always = trial.method == "baseline" or trial.method in COMPOSED
        if trial.expected_seconds is not None and trial.expected_seconds > left and not always:
            values = {"minutes": f"{trial.expected_seconds / 60:.1f}", "left": f"{left / 60:.1f}"}
            return self._ended(experiment, trial, None, Message(key=TOO_LONG, values=values))
        if trial.method in COMPOSED:
            trial = self._composed(experiment, trial)
        try:
            project = experiment.project
            version = next((v for v in project.versions() if v.id == experiment.plan.version_id), None)
            if version is None:
                raise NotFoundError("The dataset version is gone.", "Start a new experiment.")
            done = self._same(experiment, trial)
            if done is not None:
                return trial.model_copy(update={"run_id": done.id, "reused": not done.active})
            run = project.train(version, trial.method, trial.base, experiment.plan.device, **trial.options)
            return trial.model_copy(update={"run_id": run.id})
        except StorageError:  # nothing is wrong with the trial
            raise
        except StudioError as error:
            said = Message(key="{reason}", values={"reason": f"{error.message} {error.hint}"})
            return self._ended(experiment, trial, None, said)

    @staticmethod
    def _composed(experiment: Experiment, trial: Trial) -> Trial:
        """The trial with its members: the models of the same seed that this experiment has finished."""
        seed = trial.options.get("seed")
        members = [
            run.id
            for run in experiment.runs()
            if run.state == "finished"
            and run.has_weights
            and run.method not in COMPOSED
            and run.options.get("seed") == seed
        ]
        return trial.model_copy(update={"options": {**trial.options, "members": ",".join(members)}})

    def _same(self, experiment: Experiment, trial: Trial) -> Run | None:
        """A run of the workspace that did, or does, exactly this."""
        for run in self.workspace.runs(experiment.plan.project_id):
            same = (run.version_id, run.method, run.base, run.options) == (
                experiment.plan.version_id,
                trial.method,
                trial.base,
                trial.options,
            )
            if same and (run.active or (run.state == "finished" and run.has_weights)):
                return run
        return None

    def _budget(self, experiment: Experiment, trial: Trial | None = None) -> float:
        """Seconds that are left for a trial; infinite without a limit.

        What is made of the others comes last and is short: its share is kept for it.
        """
        minutes = experiment.plan.minutes
        if minutes is None:
            return float("inf")
        ahead = trial is not None and trial.method not in COMPOSED
        waiting = [one for one in experiment.trials if ahead and one.method in COMPOSED and not one.ended]
        kept = min(sum(one.expected_seconds or 0.0 for one in waiting), minutes * 60 * MOST_KEPT)
        return minutes * 60 - kept - experiment.spent

    def _search(self, experiment: Experiment) -> Search:
        if experiment.id not in self._searches:
            first, plan = experiment.trials[0], experiment.plan
            task = experiment.project.task.name
            self._searches[experiment.id] = Search(
                experiment.folder, get_method(first.method), task, first.options, list(plan.varied)
            )
        return self._searches[experiment.id]


def disk_is_full(error: Exception) -> bool:
    """Whether an error says that the disk is full, which may pass."""
    if isinstance(error, StorageError):
        return re.search(r"\bdisk\b.* full\b", error.message) is not None
    return isinstance(error, OSError) and error.errno in FULL_DISK


def dev_by_epoch(run: Run) -> dict[int, float]:
    """Headline figure on the dev split after each epoch so far; methods report it first."""
    return {
        int(event["epoch"]): float(next(iter(event["dev"].values())))
        for event in run.events()
        if event.get("kind") == "epoch" and event.get("dev") and event.get("epoch")
    }


def dev_value(run: Run) -> float | None:
    """Headline figure of a finished run on the dev split; None without one."""
    result = run.result or {}
    figures = result.get("metrics", {}).get("dev") or {}
    return float(next(iter(figures.values()))) if figures else None
