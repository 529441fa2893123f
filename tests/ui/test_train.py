"""The train page: version, method cards, options, start, the queue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.methods import USUAL, all_methods
from core.project import Project
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
    options = next(m for m in all_methods() if m.name == method).Options
    assert {f"option_{method}_0_{name}" for name in options.model_fields} <= keys


def test_a_method_that_does_not_fit_the_base_is_pale_and_says_why(open_trained: Open, trained: Project) -> None:
    import json

    import numpy as np
    from safetensors.numpy import save_file

    folder = trained.workspace.runner.bases / "distil"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "distilbert", "dim": 8, "vocab_size": 9}))
    save_file({"weight": np.zeros((2, 2), np.float32)}, folder / "model.safetensors")
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


def test_the_finished_run_opens_its_report(open_trained: Open, trained: Project) -> None:
    run = next(run for run in trained.runs() if run.state == "finished")
    app = open_trained("train")
    assert any(b.key == f"report_{run.id}" for b in app.button)
    assert app.session_state[session.TRAIN_METHOD] == "features"


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
