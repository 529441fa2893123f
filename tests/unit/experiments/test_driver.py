"""Experiments train what was asked, keep to their time, survive a restart, and never do the same work twice."""

from __future__ import annotations

import errno
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core.errors import InputError, ModelError, NotFoundError, RefusedError, StorageError
from core.evaluation.messages import Message
from core.experiments import Experiment, Progress
from core.experiments.driver import Experiments
from core.experiments.planning import plan_search
from core.experiments.search import Search
from core.methods import get_method
from core.project import Project, Version
from core.settings import Settings
from core.training.run_folder import RunFolder
from core.training.runner import Runner
from core.workspace import Workspace
from tests.unit.conftest import toy_texts

WAIT = 120
EPOCHS = (sys.executable, str(Path(__file__).with_name("epochs_worker.py")))
"""A worker that reports epochs without learning anything."""


def by_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the workspaces of this test run that worker."""
    monkeypatch.setattr("core.workspace.Runner", partial(Runner, command=EPOCHS))


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so, which the driver sees to."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def a_search(project: Project, version: Version, **trial: Any) -> tuple[Experiment, Progress]:
    """A search that nobody drives, with changes to its first trial."""
    plan, progress = plan_search(project, version, "baseline", None, 9, None, "cpu", {}, ["C"])
    progress = progress.with_trial(progress.trials[0].model_copy(update=trial))
    return Experiment.create(project.workspace, plan, progress), progress


@pytest.fixture
def quiet(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project where runs are queued and never begin, and the driver looks often."""
    monkeypatch.setattr("core.experiments.driver.TICK", 0.02)
    project.workspace.pause_queue()
    return project


def toys(workspace: Workspace) -> tuple[Project, Version]:
    """A small project and a version of it."""
    project = workspace.create_project("Toys")
    project.add_items([{"text": text, "label": label} for text, label in toy_texts(60)])
    return project, project.freeze(test=0.2, dev=0.2)


def test_every_method_and_seed_is_trained_once(project: Project, version: Version) -> None:
    experiment = project.compare(version, ["baseline"], seeds=2).wait(WAIT)
    assert [trial.options["seed"] for trial in experiment.trials] == [0, 1]
    assert all(trial.ended and trial.value is not None for trial in experiment.trials)
    assert len({run.id for run in experiment.runs()}) == 2
    again = project.compare(version, ["baseline"], seeds=2).wait(WAIT)
    assert [trial.reused for trial in again.trials] == [True, True]
    assert again.spent == 0
    assert [run.id for run in again.runs()] == [run.id for run in experiment.runs()]


def test_it_goes_on_after_a_restart_with_what_was_left(home: Path, project: Project, version: Version) -> None:
    workspace = project.workspace
    experiment = project.compare(version, ["baseline"], seeds=3)
    workspace.close()
    with Workspace.open(home, Settings(home=home, offline=True, device="cpu")) as reopened:
        found = reopened.experiments.get(experiment.id).wait(WAIT)
        assert [trial.ended for trial in found.trials] == [True] * 3
        assert len({run.id for run in found.runs()}) == 3
        assert len(reopened.runs(project.id)) == 3, "no run was started twice"


def test_a_stopped_one_starts_nothing_more_and_goes_on_when_asked(project: Project, version: Version) -> None:
    experiment = project.compare(version, ["baseline"], seeds=3)
    experiment.stop()
    assert experiment.state == "stopped"
    for run in experiment.runs():
        run.wait(WAIT)
    begun = len(project.runs())
    assert begun < 3
    with pytest.raises(RefusedError, match="finished"):
        project.compare(version, ["baseline"]).wait(WAIT).resume()
    experiment.resume().wait(WAIT)
    assert all(trial.value is not None for trial in experiment.trials)


def test_what_does_not_fit_into_the_time_is_left_out_and_says_so(project: Project, version: Version) -> None:
    project.compare(version, ["baseline"]).wait(WAIT)
    experiment = project.compare(version, ["full", "baseline"], minutes=0.02).wait(WAIT)
    first, second = experiment.trials
    assert first.method == "baseline" and first.reused
    assert second.run_id is None and "minutes" in str(second.left_out)
    assert len(project.runs()) == 1


def test_the_models_that_finished_answer_together_in_the_end(project: Project, version: Version) -> None:
    project.train(version, "baseline", C=0.3).wait(WAIT)
    experiment = project.compare(version, ["ensemble", "baseline"]).wait(WAIT)
    assert [trial.method for trial in experiment.trials] == ["baseline", "ensemble"]
    alone = experiment.runs()[-1]
    assert alone.state == "failed" and "from two on" in alone.error, "only what this experiment trained counts"
    both = ",".join(run.id for run in project.runs() if run.state == "finished")
    run = project.train(version, "ensemble", members=both).wait(WAIT)
    assert run.model is not None, run.error
    assert run.model.evaluate("test").rows == version.rows("test")


def test_a_run_that_cannot_start_is_noted_and_the_others_go_on(project: Project, version: Version) -> None:
    experiment = project.compare(version, ["baseline", "features"], base="nobody/nothing").wait(WAIT)
    left_out = {trial.method: trial.left_out for trial in experiment.trials}
    assert left_out["baseline"] is None
    assert "offline" in str(left_out["features"]).lower()


def test_a_search_tries_other_options_and_keeps_what_was_given(project: Project, version: Version) -> None:
    experiment = project.search(version, "baseline", trials=3, varied=["C", "word_ngrams"], char_ngrams=3).wait(WAIT)
    trials = experiment.trials
    assert len(trials) == 3 and all(trial.value is not None for trial in trials)
    assert trials[0].options["C"] == 1.0 and trials[0].options["word_ngrams"] == 2, "first come the options as given"
    assert len({trial.options["C"] for trial in trials}) == 3
    assert {trial.options["char_ngrams"] for trial in trials} == {3}
    assert all(0.1 <= trial.options["C"] <= 10 for trial in trials)


def test_a_search_keeps_the_weights_of_the_best_and_of_what_is_used(
    project: Project, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.experiments.driver.KEPT_MODELS", 1)
    before = project.train(version, "baseline", C=0.5).wait(WAIT)  # not of the search
    values = iter([0.5, 0.9, 0.7, 0.1])
    monkeypatch.setattr("core.experiments.driver.dev_value", lambda run: next(values))
    tidied: list[bool] = []
    needed: list[str] = []
    usual = type(project.workspace).remove_weights

    def remove(workspace: Workspace, run_id: str) -> bool:
        if not needed:  # the first loser was promoted meanwhile
            needed.append(run_id)
            project.promote(run_id)
        tidied.append(usual(workspace, run_id))
        return tidied[-1]

    monkeypatch.setattr(type(project.workspace), "remove_weights", remove)
    experiment = project.search(version, "baseline", trials=4, varied=["C"]).wait(WAIT)
    first, best, third, last = experiment.runs()
    assert [run.has_weights for run in (before, first, best, third, last)] == [True, True, True, False, False]
    assert needed == [first.id] and False in tidied
    lean = third.model
    assert lean is not None and lean.evaluate("test").rows == version.rows("test"), "its figures stay"
    assert not lean.path.exists() and lean.id not in {model.id for model in project.models()}
    assert project.workspace.warnings == []
    with pytest.raises(ModelError, match="removed to save space"):
        lean.predict(["hello"])
    with pytest.raises(ModelError, match="removed to save space"):
        project.promote(lean.id)
    again = third.duplicate().wait(WAIT)
    assert again.id != third.id and again.has_weights and again.model is not None


def test_waiting_ends_when_the_queue_is_paused(project: Project, version: Version) -> None:
    project.workspace.pause_queue()
    experiment = project.compare(version, ["baseline"])
    with pytest.raises(RefusedError, match=r"experiment .* waits in it"):
        while True:  # until its run is queued
            experiment.wait()
    with pytest.raises(RefusedError, match=r"The queue is paused, and run .* waits in it") as caught:
        experiment.runs()[0].wait()
    assert "continue_queue" in caught.value.hint
    project.workspace.continue_queue()
    assert experiment.wait(WAIT).state == "finished"


def test_a_trial_that_falls_behind_is_stopped_and_told_as_pruned(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_epochs(monkeypatch)
    with Workspace.open(home, Settings(home=home, offline=True, device="cpu")) as workspace:
        project, version = toys(workspace)
        experiment = project.search(version, "baseline", trials=6, varied=["C"]).wait(WAIT)
        *good, last = experiment.trials
        assert [trial.value for trial in good] == [0.8] * 5 and all(trial.left_out is None for trial in good)
        assert str(last.left_out) == "Stopped: it fell behind the others." and last.value is None and last.ended
        assert experiment.runs()[-1].state == "stopped"
        study = Search(experiment.folder, get_method("baseline"), "classification", last.options, ["C"]).study
        assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 5 + ["PRUNED"]


def test_a_search_goes_on_after_a_restart_with_the_trials_it_had(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_epochs(monkeypatch)
    settings = Settings(home=home, offline=True, device="cpu")
    with Workspace.open(home, settings) as workspace:
        project, version = toys(workspace)
        experiment = project.search(version, "baseline", trials=3, varied=["C"])
        while not experiment.trials[0].run_id:
            time.sleep(0.05)
        before = experiment.trials
    with Workspace.open(home, settings) as workspace:
        found = workspace.experiments.get(experiment.id).wait(WAIT)
        assert found.plan.kind == "search" and [trial.value for trial in found.trials] == [0.8] * 3
        assert [trial.run_id for trial in found.trials][: len(before)] == [trial.run_id for trial in before]
        assert len({trial.options["C"] for trial in found.trials}) == 3 == len(workspace.runs())


def test_an_experiment_whose_time_was_used_up_goes_on_with_more(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_epochs(monkeypatch)
    with Workspace.open(home, Settings(home=home, offline=True, device="cpu")) as workspace:
        project, version = toys(workspace)
        experiment = project.search(version, "baseline", trials=3, minutes=1e-6, varied=["C"]).wait(WAIT)
        assert experiment.out_of_time and len(experiment.trials) < 3
        experiment.resume(minutes=5).wait(WAIT)
        assert not experiment.out_of_time and len(experiment.trials) == 3


def test_bad_questions_are_refused(project: Project, version: Version) -> None:
    with pytest.raises(InputError, match="without an end"):
        project.search(version, "baseline")
    with pytest.raises(InputError, match="nothing that a search could try"):
        project.search(version, "baseline", trials=2, varied=["seed"])
    with pytest.raises(InputError, match="Options belong to one method"):
        project.compare(version, ["baseline", "features"], max_length=9)
    with pytest.raises(InputError, match="0 seeds"):
        project.compare(version, ["baseline"], seeds=0)
    with pytest.raises(RefusedError, match="dev split"):
        project.search(project.freeze(test=0.2, dev=0.0, seed=0), "baseline", trials=2)
    assert project.experiments() == []


def test_forgotten_experiments_leave_their_runs(project: Project, version: Version) -> None:
    experiment = project.compare(version, ["baseline"]).wait(WAIT)
    experiment.delete()
    assert project.experiments() == [] and len(project.runs()) == 1
    with pytest.raises(NotFoundError):
        project.workspace.experiments.get(experiment.id)


def test_the_experiments_of_a_deleted_project_go_with_it(project: Project, version: Version) -> None:
    experiment = project.compare(version, ["baseline"]).wait(WAIT)
    project.delete()
    assert not experiment.folder.exists()


def test_a_full_disk_is_waited_for_and_nothing_hangs_unseen(
    project: Project, version: Version, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usual, failures = Experiment.write, [0]

    def full(self: Experiment, progress: object) -> None:
        failures[0] += 1
        if failures[0] <= 3:
            raise StorageError("The disk is full.", "Free some space.")
        usual(self, progress)  # type: ignore[arg-type]

    monkeypatch.setattr(Experiment, "write", full)
    experiment = project.compare(version, ["baseline"]).wait(WAIT)
    assert experiment.trials[0].value is not None and failures[0] > 3
    assert len([record for record in caplog.records if "waits" in record.message]) == 1, "said once"
    assert len(project.runs()) == 1, "the run that could not be noted is not started again"


def test_one_that_cannot_be_driven_is_stopped_and_the_others_go_on(
    quiet: Project, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any) -> None:
        raise ValueError("weird")

    bad = quiet.compare(version, ["baseline"])
    until(lambda: bool(bad.runs()))
    with monkeypatch.context() as patch:
        patch.setattr(Experiments, "_look", fail)
        patch.setattr(Runner, "stop", fail)
        until(lambda: bad.state == "stopped")
    good = quiet.compare(version, ["baseline"], C=0.5)
    until(lambda: bool(good.runs()))
    assert good.state == "running" and bad.state == "stopped"


@pytest.mark.parametrize("content", ["{", '{"state": "weird"}', "[]"])
def test_a_folder_that_cannot_be_read_is_not_looked_at_for_ever(
    quiet: Project, version: Version, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    experiments, experiment = quiet.workspace.experiments, quiet.compare(version, ["baseline"])
    until(lambda: bool(experiment.runs()))
    (experiment.folder / "state.json").write_text(content)
    until(lambda: experiment.id not in experiments._running)
    said = len(caplog.records)
    time.sleep(0.2)
    assert len(caplog.records) == said <= 3
    assert experiments.list() == []


def test_every_run_is_stopped_although_one_cannot_be(
    quiet: Project, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [quiet.train(version, "baseline", C=c) for c in (0.5, 0.7)]
    experiment, progress = a_search(quiet, version, run_id=runs[0].id)
    progress = progress.with_trial(progress.trials[0].model_copy(update={"number": 1, "run_id": runs[1].id}))
    experiment.write(progress)
    usual = Runner.stop

    def stop(self: Runner, run_id: str) -> None:
        if run_id == runs[0].id:
            raise StorageError("The disk is full while writing stop.json.", "Free some space.")
        usual(self, run_id)

    monkeypatch.setattr(Runner, "stop", stop)
    with pytest.raises(StorageError, match=r"stop\.json"):
        experiment.stop()
    assert experiment.state == "stopped" and runs[1].state == "stopped"


def test_a_disk_that_fills_up_in_the_study_is_waited_for(
    quiet: Project, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    from optuna.storages.journal import JournalFileBackend

    usual, calls = JournalFileBackend.append_logs, [0]

    def full(self: Any, logs: list[Any]) -> None:
        calls[0] += 1
        if calls[0] == 4:  # after the study was made and its first trial begun
            with Path(self._file_path).open("ab") as file:
                file.write(b'{"op_code":4,"half')
            raise OSError(errno.ENOSPC, "No space left on device")
        usual(self, logs)

    monkeypatch.setattr(JournalFileBackend, "append_logs", full)
    experiment = quiet.search(version, "baseline", trials=2, varied=["C", "word_ngrams"])
    until(lambda: bool(experiment.runs()))
    assert calls[0] > 4 and experiment.state == "running"
    assert all(json.loads(line) for line in (experiment.folder / "optuna.jsonl").read_bytes().splitlines())


def test_a_full_disk_ends_no_trial(quiet: Project, version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, failures = Project.train, [0]

    def full(self: Project, *given: Any, **options: Any) -> Any:
        failures[0] += 1
        if failures[0] <= 4:
            raise StorageError("The disk is full while writing config.json.", "Free some space.")
        return usual(self, *given, **options)

    monkeypatch.setattr(Project, "train", full)
    experiment = quiet.compare(version, ["baseline"], seeds=2)
    until(lambda: bool(experiment.runs()))
    assert failures[0] == 5 and experiment.state == "running"
    assert not any(trial.ended for trial in experiment.trials)


def test_a_search_whose_trials_cannot_begin_ends_and_may_try_them_again(
    quiet: Project, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: Any, **options: Any) -> Any:
        raise RefusedError("Not today.", "Come back.")

    with monkeypatch.context() as patch:
        patch.setattr(Project, "train", refuse)
        experiment = quiet.search(version, "baseline", minutes=5, varied=["C"]).wait(20)
    assert experiment.state == "stopped" and [trial.in_vain for trial in experiment.trials] == [True] * 3
    assert "Not today." in str(experiment.trials[0].left_out)
    asked = experiment.trials[0].options
    experiment.resume()
    until(lambda: bool(experiment.runs()))
    first, *others = experiment.trials
    assert first.options == asked == experiment.runs()[0].options
    assert not first.ended and [one.number for one in others] == [1, 2]


def test_a_search_ends_when_the_next_trial_would_take_too_long(quiet: Project, version: Version) -> None:
    plan, progress = plan_search(quiet, version, "lora", None, None, 5, "cpu", {}, None)
    slow = progress.with_trial(progress.trials[0].model_copy(update={"expected_seconds": 1e6}))
    experiment = quiet.workspace.experiments.start(plan, slow).wait(20)
    assert experiment.state == "finished" and experiment.out_of_time and len(experiment.trials) == 1


def test_more_minutes_are_refused_while_it_runs(quiet: Project, version: Version) -> None:
    experiment = quiet.compare(version, ["baseline"], minutes=5)
    with pytest.raises(RefusedError, match="running"):
        experiment.resume(10)
    assert experiment.plan.minutes == 5 and experiment.resume().state == "running"


@pytest.mark.parametrize("killed_at", ["core.experiments.driver.write_json", "core.experiments.Experiment.write"])
def test_minutes_count_once_although_it_was_killed_on_the_way(
    quiet: Project, version: Version, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    def kill(*given: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Experiments, "_budget", lambda *given: 0.0)
    experiment = quiet.compare(version, ["baseline"], minutes=1).wait(20)
    with monkeypatch.context() as patch, quiet.workspace.experiments._lock, pytest.raises(KeyboardInterrupt):
        patch.setattr(killed_at, kill)
        experiment.resume(10)
    quiet.workspace.experiments._wake.set()
    experiment.wait(20)
    assert experiment.out_of_time, "so that it can be asked for more again"
    experiment.resume(10)
    assert experiment.plan.minutes == 11


def test_a_left_out_trial_that_a_person_trained_to_its_end_keeps_its_model(quiet: Project, version: Version) -> None:
    run = quiet.train(version, "baseline")
    folder = quiet.workspace.runner.folder(run.id)
    experiment, progress = a_search(quiet, version, run_id=run.id, ended=True, left_out=Message(key="Slow."))
    run.stop()
    quiet.workspace.experiments._tidy(experiment, progress, progress)
    folder.unqueue()
    folder.model.mkdir()
    folder.write_result({"metrics": {"test": {"accuracy": 1.0}}})
    quiet.workspace.experiments._tidy(experiment, progress, progress)
    assert run.has_weights and folder.model.is_dir()


def test_a_left_out_trial_that_a_person_resumed_keeps_its_checkpoints(quiet: Project, version: Version) -> None:
    run = quiet.train(version, "baseline")
    run.stop()
    experiment, progress = a_search(quiet, version, run_id=run.id, ended=True, left_out=Message(key="Slow."))
    checkpoints = quiet.workspace.runner.folder(run.id).checkpoints
    checkpoints.mkdir()
    quiet.workspace.experiments._tidy(experiment, progress, progress)
    assert checkpoints.is_dir(), "what was written after the trial had ended"


def test_nothing_is_written_for_a_trial_that_left_nothing(quiet: Project, version: Version) -> None:
    run = quiet.train(version, "baseline")
    run.stop()
    experiment, progress = a_search(quiet, version, run_id=run.id, ended=True, left_out=Message(key="Slow."))
    RunFolder(quiet.workspace.path / "runs" / run.id).checkpoints.mkdir()
    before, noted = quiet.revision, progress.with_trial(progress.trials[0].model_copy(update={"ended": False}))
    for _ in range(3):
        quiet.workspace.experiments._tidy(experiment, noted, progress)
    assert quiet.revision == before + 1 and not quiet.workspace.runner.folder(run.id).checkpoints.exists()


def test_a_damaged_experiment_can_be_deleted_and_goes_with_its_project(quiet: Project, version: Version) -> None:
    experiments = quiet.workspace.experiments
    one, _ = a_search(quiet, version, ended=True)
    (one.folder / "state.json").write_text("[]")
    with pytest.raises(StorageError, match=r"no readable state\.json"):
        _ = one.progress
    experiments._running.add(one.id)
    with pytest.raises(RefusedError, match="is running"):
        one.delete()
    experiments._running.discard(one.id)
    one.delete()
    assert not one.folder.exists()
    other, _ = a_search(quiet, version, ended=True)
    (other.folder / "state.json").write_text("[]")
    experiments.forget(quiet.id + 1)
    assert other.folder.exists()
    experiments.forget(quiet.id)
    assert not other.folder.exists()
