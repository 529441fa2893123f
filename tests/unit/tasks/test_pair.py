"""The pair task: what cells mean, how values are kept, and when a version makes sense."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError, RefusedError
from core.tasks import get_task
from core.tasks.pair import Pair, correlations, grades, is_graded

IDS, NAMES = {"match": 4, "no match": 7}, {4: "match", 7: "no match"}
LABELS = ["match", "no match"]


@pytest.fixture
def task() -> Pair:
    return Pair()


@pytest.mark.parametrize(
    ("cell", "value"),
    [("match", "match"), (" No  Match ", "no match"), ("not_duplicate", "no match"), ("YES", "match"), ("", None),
     (None, None), ("0.25", 0.25), ("1", 1.0), ("4.6", 4.6), ("是", "match")],
)  # fmt: skip
def test_cells(task, cell, value):
    assert task.parse(cell) == value


@pytest.mark.parametrize("cell", ["entailment", "-0.1", "5.1", "nan", "inf", "0,8", "1e9"])
def test_other_cells_are_refused_with_the_cell(task, cell):
    with pytest.raises(InputError, match=cell):
        task.parse(cell)


def test_numbers_of_a_file_are_read_beside_each_other(task):
    assert task.settle([1.0, 0.0, "match"])[0] == ["match", "no match", "match"]
    assert task.settle([1.0, 0.5]) == ([1.0, 0.5], [])
    values, notes = task.settle([3.8, 1.0, "no match"])
    assert values == [0.76, 0.2, "no match"] and "divided by 5" in notes[0]
    assert task.settle(["match"]) == (["match"], []) and task.settle([]) == ([], [])


@pytest.mark.parametrize("value", ["match", "no match", 0.0, 0.3, 0.76, 1.0, 1])
def test_values_survive_storage(task, value):
    payload, ids = task.encode(value, IDS)
    assert task.decode(payload, ids, NAMES) == value
    assert [NAMES[i] for i in ids] == list(task.names(value))


@pytest.mark.parametrize("value", ["refund", 1.2, -0.1, float("nan"), True, None, ["match"]])
def test_other_values_are_refused(task, value):
    with pytest.raises(InputError, match="Use 'match'"):
        task.encode(value, IDS)


def test_a_grade_counts_as_a_match_from_half_on(task):
    assert task.names(0.5) == ("match",) and task.names(0.49) == ("no match",) and task.names(None) == ()
    assert task.targets([0.9, "no match", 0.1], LABELS).tolist() == [0, 1, 1]
    assert grades(["match", "no match", 0.3]).tolist() == pytest.approx([1, 0, 0.3])
    assert is_graded(["match", 0.3]) and not is_graded(["match"])


def test_strata_are_grades_in_steps_where_there_are_enough(task):
    assert task.strata(["match", "no match"]) == ["match", "no match"]
    assert task.strata([0.1] * 3 + [1.0] * 3) == ["grade 0.0"] * 3 + ["grade 0.8"] * 3
    assert task.strata([0.1, 0.3, 0.4, 0.9, 0.8, 1.0]) == ["no match"] * 3 + ["match"] * 3
    assert task.strata([0.1, 0.9, 0.8, 1.0]) == ["graded"] * 4


def test_versions_without_matches_are_refused_and_only_matches_noted(task):
    with pytest.raises(RefusedError, match=r"0 matches, 5 others"):
        task.check_version({"train": {"no match": 5}})
    assert "stand in" in task.check_version({"train": {"match": 5}, "test": {"match": 2}})[0]
    assert task.check_version({"train": {"match": 5, "no match": 5}, "test": {"match": 2}}) == [
        "'no match' has no example in the test split; its scores there cannot be measured."
    ]


def test_metrics_of_labels_and_of_grades(task):
    found = task.metrics(["match", "no match", "match"], ["match", "no match", "no match"], LABELS)
    assert next(iter(found)) == "accuracy" and found["accuracy"] == pytest.approx(2 / 3)
    scores = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    graded = task.metrics([1.0, 0.7, 0.3, 0.1], ["match", "match", "no match", "no match"], LABELS, scores)
    assert next(iter(graded)) == "spearman" and graded["spearman"] == pytest.approx(0.8) and graded["accuracy"] == 1.0
    assert correlations(np.ones(4), scores[:, 0]) == {"spearman": 0.0, "pearson": 0.0}


def test_it_is_registered():
    assert get_task("pair").title and get_task("pair").paired and not get_task("classification").paired
