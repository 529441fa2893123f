"""Full disks, kills and damaged folders: an experiment goes on or ends, and loses nothing."""

from __future__ import annotations

import errno
import json
import time
from pathlib import Path
from typing import Any

import pytest

from core.errors import RefusedError, StorageError
from core.evaluation.messages import Message
from core.experiments import Experiment, Progress
from core.experiments.driver import Experiments
from core.experiments.planning import plan_search
from core.project import Project, Version
from core.training.run_folder import RunFolder
from core.training.runner import Runner
from tests.unit.experiments.conftest import until


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
    experiment = project.compare(version, ["baseline"]).wait(120)
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
