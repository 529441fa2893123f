"""The train page: version, method cards, options, start, the queue."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from safetensors.numpy import save_file
from streamlit.testing.v1 import AppTest

from core.methods import USUAL, all_methods
from core.methods.base import options_for
from core.project import Project
from core.run import Run
from core.training.run_folder import REMOVED, WorkerStatus
from core.workspace import Workspace
from studio import session

Open = Callable[..., AppTest]


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_without_a_version_the_page_names_the_next_step(open_page: Open, project: Project, language: str) -> None:
    app = open_page("train", lang=language)
    assert len([b for b in app.button if (b.key or "").startswith("empty_data")]) == 1


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_every_method_has_a_card_with_its_cost(open_trained: Open, language: str) -> None:
    app = open_trained("train", lang=language)
    assert not app.error
    cards = [b.key for b in app.button if (b.key or "").startswith("choose_")]
    usual = [method for method in all_methods("classification") if method.name in USUAL]
    assert len(cards) == len(usual) - 1, "all but the chosen one offer themselves"
    assert len([c for c in app.caption if "MB" in c.value or "GB" in c.value]) >= len(usual)


@pytest.mark.parametrize("method", [method.name for method in all_methods("classification")])
def test_the_form_of_every_method_is_made_from_its_options(open_trained: Open, method: str) -> None:
    app = open_trained("train", method=method)
    assert not app.error
    keys = {w.key for w in (*app.number_input, *app.selectbox, *app.toggle, *app.text_input, *app.text_area)}
    chosen = next(m for m in all_methods() if m.name == method)
    offered = {f"option_{method}_0_{name}" for name in options_for(chosen, "classification").model_fields}
    assert offered == {key for key in keys if key and key.startswith(f"option_{method}_0_")}


def put_base(project: Project, name: str, config: dict[str, Any]) -> None:
    """A base model that can be chosen, though not trained."""
    folder = project.workspace.runner.bases / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file({"weight": np.zeros((2, 2), np.float32)}, folder / "model.safetensors")


def test_a_method_that_does_not_fit_the_base_is_pale_and_says_why(open_trained: Open, trained: Project) -> None:
    put_base(trained, "distil", {"model_type": "distilbert", "dim": 8, "vocab_size": 9})
    app = open_trained("home")
    app.session_state[f"base_{trained.id}"] = "local:distil"
    app.query_params["method"] = "prefix_tuning"
    app.switch_page(str(Path(__file__).parents[2] / "pages" / "train.py")).run()
    assert not app.exception and not app.error
    reason = "Prefix tuning does not work with base models of the type 'distilbert'"
    assert any(reason in one.value.replace("\\", "") for one in app.warning)
    assert any(reason in one.value.replace("\\", "") for one in app.caption)
    assert app.button(key="train_start").disabled and not app.button(key="choose_lora").disabled


def test_changed_options_are_named_and_can_be_reset(open_trained: Open) -> None:
    app = open_trained("train", method="baseline")
    app.number_input(key="option_baseline_0_seed").set_value(7).run()
    assert any("seed = 7" in caption.value.replace("\\", "") for caption in app.caption)
    next(b for b in app.button if b.label == "Back to the defaults").click().run()
    assert app.number_input(key="option_baseline_1_seed").value == 0


def test_an_option_out_of_bounds_is_named_and_nothing_can_start(open_trained: Open) -> None:
    app = open_trained("train", method="lora")
    app.number_input(key="option_lora_0_learning_rate").set_value(0.0).run()
    assert "learning" in app.error[0].value
    assert app.button(key="train_start").disabled


def test_a_base_model_that_is_no_name_is_refused_in_words(open_trained: Open, trained: Project) -> None:
    app = open_trained("home")
    app.session_state[f"base_{trained.id}"] = "../../etc/passwd"
    app.query_params["method"] = "lora"
    app.switch_page(str(Path(__file__).parents[2] / "pages" / "train.py")).run()
    assert app.error and not app.exception


def test_a_double_start_gives_one_run_and_it_can_be_taken_back(
    open_page: Open, workspace: Workspace, project: Project
) -> None:
    project.add_items([{"text": f"{label} {i}", "label": label} for i in range(9) for label in ("refund", "delivery")])
    project.freeze()
    app = open_page("train", method="baseline")
    app.button(key="train_start").click().run()
    app.button(key="train_start").click().run()
    assert len(project.runs()) == 1
    run = project.runs()[0]
    if run.active:
        app.run()
        stop = next((b for b in app.button if b.key == f"stop_{run.id}"), None)
        if stop is not None:
            stop.click().run()
    run.wait(timeout=60)
    app = open_page("train")
    assert app.get_by_key(f"run_{run.id}")
    app.session_state[f"run_details_{run.id}"] = True
    app.run()
    app.button(key=f"delete_{run.id}").click().run()
    assert project.runs() == [] and not app.exception


def test_the_queue_is_paused_reordered_and_goes_on(open_trained: Open, trained: Project) -> None:
    version, workspace = trained.versions()[0], trained.workspace
    workspace.pause_queue()
    first, second = (trained.train(version, method="baseline", seed=seed) for seed in (11, 12))
    try:
        app = open_trained("train")
        assert any("queue is paused" in info.value for info in app.info)
        keys = {button.key for button in app.button}
        assert f"next_{second.id}" in keys and not keys & {f"next_{first.id}", f"now_{first.id}", "queue_pause"}
        app.button(key=f"next_{second.id}").click().run()
        assert [run.id for run in workspace.queue()] == [second.id, first.id]
        assert app.button(key=f"up_{second.id}").disabled and app.button(key=f"down_{first.id}").disabled
        app.button(key=f"up_{first.id}").click().run()
        assert [run.id for run in workspace.queue()] == [first.id, second.id]
        app.button(key=f"down_{first.id}").click().run()
        assert [run.id for run in workspace.queue()] == [second.id, first.id]
        app.selectbox(key=f"place_{second.id}_1_2").set_value(2).run()
        assert [run.id for run in workspace.queue()] == [first.id, second.id] and not app.exception
        for run in (first, second):
            app.button(key=f"stop_{run.id}").click().run()
            assert run.state == "stopped"
        app.button(key="queue_continue").click().run()
        assert not workspace.queue_paused and not app.exception
    finally:
        workspace.continue_queue()
        for run in (first, second):
            run.stop()
            run.delete()


def test_an_urgent_run_can_begin_at_once_and_a_run_that_trains_can_be_paused(
    open_trained: Open, trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(Run, "run_now", lambda self: told.append(f"now {self.id}"))
    trained.workspace.pause_queue()
    run = trained.train(trained.versions()[0], method="baseline", seed=13)
    monkeypatch.setattr(Workspace, "queue_paused", False)
    try:
        app = open_trained("train")
        app.button(key=f"now_{run.id}").click().run()
        assert told == [f"now {run.id}"] and not app.exception
        running = run.status.model_copy(update={"state": "running", "stopping": True, "message": "Saving its work."})
        monkeypatch.setattr(Run, "status", running)
        app = open_trained("train")
        assert app.button(key=f"stop_{run.id}").disabled and app.button(key=f"stop_{run.id}").label == "Stop"
    finally:
        monkeypatch.undo()
        monkeypatch.setenv("WHETSTONE_HOME", str(trained.workspace.path))
        trained.workspace.continue_queue()
        run.stop()
        run.wait(60).delete()


def test_a_copy_of_a_run_fills_the_form(open_trained: Open, trained: Project) -> None:
    trained.workspace.pause_queue()
    put_base(trained, "mine", {"model_type": "bert", "hidden_size": 8, "vocab_size": 9})
    options = {"rank": 3, "targets": "all", "learning_rate": 7e-4, "half_precision": False}
    run = trained.train(trained.versions()[0], method="lora", base="local:mine", device="cpu", **options)
    try:
        app = open_trained("train", method="baseline")
        app.button(key=f"copy_{run.id}").click().run()
        assert not app.exception and not app.error and not app.warning
        assert app.session_state[session.TRAIN_METHOD] == "lora"
        assert app.selectbox(key=f"base_{trained.id}").value == "local:mine"
        assert app.selectbox(key="train_device").value == "cpu"
        changed = next(c.value for c in app.caption if c.value.startswith("Changed")).replace("\\", "")
        assert all(word in changed for word in ("rank = 3", "learning", "targets = all", "False"))
        app.number_input(key="option_lora_1_rank").set_value(5).run()
        app.button(key="train_start").click().run()
        copy = next(one for one in trained.runs() if one.options.get("rank") == 5)
        assert copy.options == {**run.options, "rank": 5} and copy.base == run.base
        next(b for b in app.button if b.label == "Back to the defaults").click().run()
        assert app.number_input(key="option_lora_2_rank").value == 16
    finally:
        for one in trained.runs():
            if one.active:
                one.stop()
                one.delete()
        trained.workspace.continue_queue()


def test_a_worker_without_a_sign_of_life_is_explained_until_it_goes_on(
    open_trained: Open, trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.training.run_state.STALLED_AFTER", 0.2)
    trained.workspace.pause_queue()
    run = trained.train(trained.versions()[0], method="baseline", seed=21)
    folder = trained.workspace.runner.folder(run.id)
    with psutil.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as silent:
        try:
            folder.write_process(silent.pid, silent.create_time())
            folder.write_status(WorkerStatus(message="faking"))
            folder.unqueue()
            time.sleep(0.3)
            app = open_trained("train")
            (said,) = [error.value for error in app.error]
            assert "no sign of life for" in said and "goes on by itself" in said and "stop the run" in said
            os.utime(folder.path / "status.json", (time.time() + 60, time.time() + 60))  # it beats again
            assert run.state == "running" and not app.run().error
        finally:
            silent.kill()
    run.wait(timeout=10)
    run.delete()
    trained.workspace.continue_queue()


def test_labels_that_changed_after_a_version_was_frozen_are_named(open_page: Open, project: Project) -> None:
    project.add_items([{"text": f"{label} {i}", "label": label} for i in range(9) for label in ("refund", "delivery")])
    project.freeze()
    assert not open_page("train").warning
    project.rename_label("refund", "money back")
    (warning,) = [one.value for one in open_page("train").warning]
    assert "The labels changed since this version was frozen" in warning and "gives refund" in warning
    project.freeze()
    assert not open_page("train").warning


def test_the_finished_run_opens_its_report(open_trained: Open, trained: Project) -> None:
    run = next(run for run in trained.runs() if run.state == "finished")
    app = open_trained("train")
    assert any(b.key == f"report_{run.id}" for b in app.button)
    assert app.session_state[session.TRAIN_METHOD] == "features"
    app.session_state[f"run_details_{run.id}"] = True
    app.run()
    assert "TensorBoard" in app.selectbox(key=f"curves_as_{run.id}").options and not app.exception
    mark = run.workspace.runner.folder(run.id).path / REMOVED
    try:
        mark.touch()
        assert any("removed to save space" in one.value for one in app.run().caption)
    finally:
        mark.unlink()


def test_methods_are_started_with_one_button_and_ranked_in_words(open_trained: Open, trained: Project) -> None:
    app = open_trained("train", how="several")
    assert not app.error and not app.exception
    chosen = next(w for w in app.multiselect if (w.key or "").startswith("experiment_methods_"))
    chosen.set_value(["baseline"]).run()
    next(w for w in app.number_input if w.key == "experiment_seeds").set_value(2).run()
    app.button(key="experiment_start").click().run()
    assert not app.error and not app.exception
    experiment = trained.experiments()[0].wait(120)
    assert experiment.trials[0].reused and all(trial.value is not None for trial in experiment.trials)
    app.run()
    best = [b for b in app.button if (b.key or "").startswith("best_")]
    assert len(best) == 1 and not app.exception
    assert len(app.dataframe) == 1 and len(app.dataframe[0].value) == 1
    assert app.dataframe[0].value["spread"][0].endswith("(2)")


@pytest.mark.parametrize(("ask", "language"), [("methods", "zh_CN"), ("seeds", "en"), ("options", "zh_CN")])
def test_every_question_has_its_form(open_trained: Open, trained: Project, ask: str, language: str) -> None:
    before = len(trained.experiments())
    app = open_trained("train", how="several", ask=ask, lang=language)
    assert not app.error and not app.exception
    assert app.button(key="experiment_start").disabled is False
    assert len(trained.experiments()) == before


def charts_of(app: AppTest) -> list[dict[str, Any]]:
    """The Plotly figures of a page, in order."""
    found: Any = app.get("plotly_chart")
    return [json.loads(chart.proto.spec) for chart in found]


def test_a_finished_search_shows_its_way_and_its_best_options(open_trained: Open, trained: Project) -> None:
    experiment = trained.search(trained.versions()[0], "baseline", trials=2, varied=["C"]).wait(120)
    app = open_trained("train", how="several", experiment=experiment.id)
    assert not app.error and not app.exception
    history, options = charts_of(app)[:2]
    assert len(history["data"][0]["x"]) == 2 and len(options["data"][0]["x"]) == 2
    shown = [text.value.replace("\\", "").replace("\u2060", "") for text in app.markdown]
    assert any(text.startswith("Best: C ") for text in shown)
    best = max(experiment.trials, key=lambda trial: trial.value or 0.0)
    assert [b.key for b in app.button if (b.key or "").startswith("best_")] == [f"best_{best.run_id}"]
    assert not [b for b in app.button if (b.key or "").startswith("more_time_")]


def test_a_search_ends_by_trials_or_by_minutes_and_one_of_them_is_needed(open_trained: Open, trained: Project) -> None:
    trained.workspace.pause_queue()
    try:
        app = open_trained("train", how="several", ask="options")
        method = next(box for box in app.selectbox if (box.key or "").startswith("experiment_method_options"))
        method.set_value("baseline").run()
        app.number_input(key="experiment_search_minutes").set_value(None).run()
        assert not app.button(key="experiment_start").disabled
        app.button(key="experiment_start").click().run()
        assert not app.error and not app.exception
        started = trained.experiments()[0]
        assert started.plan.kind == "search" and started.plan.minutes is None and started.plan.most_trials == 20
        started.stop()
        app.number_input(key="experiment_trials").set_value(None).run()
        assert app.button(key="experiment_start").disabled
        assert any("needs an end" in one.value for one in app.warning)
        started.delete()
    finally:
        forget_active(trained)


def test_an_experiment_that_ran_out_of_time_can_be_given_more(open_trained: Open, trained: Project) -> None:
    version = trained.versions()[0]
    experiment = trained.search(version, "baseline", trials=9, minutes=1e-4, varied=["C"]).wait(120)
    assert experiment.out_of_time
    app = open_trained("train", how="several", experiment=experiment.id)
    app.number_input(key=f"more_{experiment.id}").set_value(3).run()
    trained.workspace.pause_queue()
    try:
        app.button(key=f"more_time_{experiment.id}").click().run()
        assert not app.exception and experiment.plan.minutes == pytest.approx(3, abs=0.01)
        assert experiment.state == "running"
        experiment.stop()
        experiment.delete()
    finally:
        forget_active(trained)


def forget_active(project: Project) -> None:
    """Let the queue go on without the runs that a test left in it."""
    for run in project.runs():
        if run.active:
            run.stop()
            run.wait(60).delete()
    project.workspace.continue_queue()


def test_runs_at_work_are_drawn_in_one_picture_and_the_next_goes_first(open_trained: Open, trained: Project) -> None:
    trained.workspace.pause_queue()
    version = trained.versions()[0]
    try:
        runs = [trained.train(version, method="baseline", seed=seed) for seed in (21, 22)]
        for run in runs:
            folder = trained.workspace.runner.folder(run.id)
            for step in (1, 2):
                folder.append_event({"kind": "step", "step": step, "loss": 1.0 / step})
                folder.append_event({"kind": "epoch", "epoch": step, "step": step, "dev": {"accuracy": step / 4}})
        for how in ("one", "several"):
            app = open_trained("train", how=how, method="baseline", experiment="all")
            assert not app.error and not app.exception
            charts = charts_of(app)
            drawn = next(chart for chart in charts if len({trace.get("name") for trace in chart["data"]}) == 2)
            assert len(drawn["data"]) == 4, "loss and dev figure of each"
            choice = next(box for box in app.multiselect if box.key == f"curves_of_{runs[-1].id}")
            choice.set_value(choice.value[:1]).run()
            charts = charts_of(app)
            assert not [chart for chart in charts if len({trace.get("name") for trace in chart["data"]}) == 2]
        app = open_trained("train", how="one", method="baseline")
        app.toggle(key="train_first").set_value(True).run()
        app.number_input(key="option_baseline_0_seed").set_value(23).run()
        app.button(key="train_start").click().run()
        assert trained.workspace.queue()[0].options["seed"] == 23 and not app.exception
    finally:
        forget_active(trained)
