"""What a run is asked to do: a run like another one, and options that are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.errors import InputError
from core.project import Project
from core.run import Run
from core.workspace import Workspace

Add = Callable[..., list[int]]


@pytest.fixture
def run(workspace: Workspace, project: Project, add: Add) -> Run:
    """A run that waits."""
    add(30, labelled=30)
    workspace.pause_queue()
    return project.train(project.freeze(), method="baseline", device="cpu", C=0.5, seed=3)


def test_a_run_is_repeated_with_what_is_given_changed(run: Run, project: Project) -> None:
    again = run.duplicate(seed=4)
    assert again.id != run.id and again.options == {**run.options, "seed": 4} and again.options["C"] == 0.5
    assert (again.method, again.base, again.version_id) == ("baseline", None, run.version_id)
    assert again.config.device == "cpu" and again.config.labels == run.config.labels
    assert run.duplicate().id == run.id, "the same work that waits already is not queued twice"
    run.stop()
    assert run.duplicate().id not in (run.id, again.id)


def test_another_version_or_method_takes_what_still_fits(run: Run, project: Project, add: Add) -> None:
    add(36, labelled=36)
    newer = project.freeze()
    assert run.duplicate(newer).version_id == newer.id != run.version_id
    other = run.duplicate(method="features", device="auto")
    assert (other.method, other.base, other.config.device) == ("features", "minilm", "auto")
    assert other.options["C"] == 0.0, "options of another method are not taken over"
    based = other.duplicate(base="minilm", max_length=64)
    assert based.base == "minilm" and based.options["max_length"] == 64


def test_an_option_that_the_method_does_not_have_is_refused(run: Run, project: Project) -> None:
    with pytest.raises(InputError, match="option 'rank' of 'baseline' is not usable"):
        run.duplicate(rank=4)
    assert [one.id for one in project.runs()] == [run.id]


@pytest.mark.parametrize(
    ("task", "method", "options", "said"),
    [
        ("generation", "lora", {"class_weights": True}, "'class_weights' of 'lora' does nothing for the task"),
        ("generation", "full", {"oversampling": True}, "'oversampling' of 'full' does nothing"),
        ("tagging", "baseline", {"C": 2.0}, "'C' of 'baseline' does nothing"),
        ("classification", "lora", {"train_word_embeddings": True}, "'train_word_embeddings' of 'lora' does nothing"),
        ("generation", "full", {"r_drop": 1.0}, "R-Drop compares two answers under dropout, and dropout is 0"),
        ("classification", "full", {"r_drop": 1.0, "dropout": 0.0}, "dropout is 0"),
        (
            "classification",
            "zero_shot",
            {"engine": "language_model", "prompt": "{context}"},
            "The prompt lacks the place {text}",
        ),
        ("classification", "full", {"colour": 1}, "option 'colour' of 'full' is not usable"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    workspace: Workspace, task: str, method: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as caught:
        workspace.check_options(method, options, task)
    assert said in caught.value.message and caught.value.hint


def test_what_does_nothing_may_have_its_default(workspace: Workspace) -> None:
    checked = workspace.check_options("lora", {"class_weights": False, "rank": 4}, "generation")
    assert "class_weights" not in checked.model_dump() and checked.model_dump()["rank"] == 4
    assert workspace.check_options("full", {"r_drop": 1.0, "dropout": 0.1}, "generation").model_dump()["r_drop"] == 1.0
