"""Experiments train what was asked, keep to their time, survive a restart, and never do the same work twice."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

import pytest

from core.errors import InputError, ModelError, NotFoundError, RefusedError
from core.experiments.search import Search
from core.methods import get_method
from core.project import Project, Version
from core.settings import Settings
from core.training.runner import Runner
from core.workspace import Workspace
from tests.unit.conftest import toy_texts

WAIT = 120
EPOCHS = (sys.executable, str(Path(__file__).with_name("epochs_worker.py")))
"""A worker that reports epochs without learning anything."""


def by_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the workspaces of this test run that worker."""
    monkeypatch.setattr("core.workspace.Runner", partial(Runner, command=EPOCHS))


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
