from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from core.data.splitting import split, split_imported
from core.errors import InputError, RefusedError


def _random(seed: int, rows: int = 2_000, classes: int = 20, groups: int | None = None) -> tuple[list[str], np.ndarray]:
    random = np.random.RandomState(seed)
    strata = [f"class {n}" for n in random.zipf(1.5, rows).clip(1, classes)]
    return strata, random.randint(0, groups or rows * 10, rows)


@pytest.mark.parametrize("seed", range(6))
def test_shares_groups_and_rare_classes_hold_for_any_input(seed: int) -> None:
    strata, groups = _random(seed, groups=[20_000, 1_500, 300][seed % 3])
    names = split(strata, groups, test=0.2, dev=0.1, seed=seed).names
    counts = Counter(names.tolist())
    assert counts["test"] == pytest.approx(400, abs=30) and counts["dev"] == pytest.approx(200, abs=30)
    for group in np.unique(groups):
        assert len(set(names[groups == group])) == 1
    first = {group: strata[place] for place, group in reversed(list(enumerate(groups.tolist())))}
    per_class = Counter(first.values())
    if seed % 3 == 0:  # hardly any group has rows of two classes
        for name, held in per_class.items():
            found = {part for part, label in zip(names, strata, strict=True) if label == name}
            if held >= 3:
                assert found == {"train", "dev", "test"}, name


def test_without_groups_the_shares_are_exact_and_stratified() -> None:
    strata = ["a"] * 700 + ["b"] * 200 + ["c"] * 100
    names = split(strata, np.arange(1000), test=0.2, dev=0.1).names
    counts = Counter(zip(strata, names.tolist(), strict=True))
    assert [counts[label, part] for label in "abc" for part in ("train", "dev", "test")] == [
        490, 70, 140, 140, 20, 40, 70, 10, 20,
    ]  # fmt: skip


def test_small_classes_go_where_they_are_needed_most() -> None:
    names = split(["a"] * 3 + ["b"] * 2 + ["c"], np.arange(6), test=0.2, dev=0.1).names.tolist()
    assert sorted(names[:3]) == ["dev", "test", "train"]
    assert sorted(names[3:5]) == ["test", "train"]
    assert names[5] == "train"


def test_the_same_seed_gives_the_same_split_everywhere() -> None:
    names = split(["x"] * 12, np.arange(12), test=0.25, dev=0.25, seed=7).names.tolist()
    assert "".join({"train": "r", "dev": "d", "test": "t"}[name] for name in names) == "ddtrrdrtrrtr"


def test_another_seed_gives_another_split() -> None:
    strata, groups = _random(1)
    assert (split(strata, groups, seed=1).names != split(strata, groups, seed=2).names).any()


@pytest.mark.parametrize(("test", "dev"), [(0.9, 0.1), (-0.1, 0.1), (1.0, 0.0)])
def test_shares_must_leave_something_to_train_on(test: float, dev: float) -> None:
    with pytest.raises(InputError):
        split(["a"], np.arange(1), test=test, dev=dev)


def test_a_share_of_zero_takes_nothing() -> None:
    assert set(split(["a"] * 9, np.arange(9), test=0.0, dev=0.3).names) == {"train", "dev"}
    assert split([], np.arange(0)).names.shape == (0,)


def test_a_large_group_does_not_swallow_the_test_split() -> None:
    groups = np.array([0] * 50 + list(range(1, 51)))
    names = split(["a"] * 100, groups, test=0.2, dev=0.1).names
    assert Counter(names.tolist()) == {"train": 70, "test": 20, "dev": 10}


def test_the_imported_split_is_kept_and_dev_is_carved_out_of_train() -> None:
    imported = ["train"] * 20 + ["test"] * 5 + [None] * 2
    found = split_imported(imported, ["a"] * 27, np.arange(27), dev=0.1, seed=3)
    assert found.names[20:25].tolist() == ["test"] * 5
    assert Counter(found.names.tolist()) == {"train": 20, "dev": 2, "test": 5}
    assert any("without an imported split" in warning for warning in found.warnings)


def test_the_imported_split_warns_of_texts_in_two_parts() -> None:
    groups = np.array([0, 1, 2, 0])
    found = split_imported(["train", "dev", "train", "test"], ["a"] * 4, groups)
    assert found.names.tolist() == ["train", "dev", "train", "test"]
    assert found.warnings == ["1 texts are in two of the imported splits; scores on them are too good to be true."]


@pytest.mark.parametrize("imported", [["train"] * 4, ["test"] * 4, [None] * 4])
def test_an_imported_split_needs_train_and_test(imported: list[str | None]) -> None:
    with pytest.raises(RefusedError, match=r"has no (test|train) part"):
        split_imported(imported, ["a"] * 4, np.arange(4))
