from __future__ import annotations

import random

import pytest

from core.data.duplicates import exact_groups, jaccard, near_groups, shingles


def test_exact_groups_list_places_in_order() -> None:
    assert exact_groups(["a", "b", "a", "c", "b", "a"]) == [[0, 2, 5], [1, 4]]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Where is my parcel?", "where  is my PARCEL!!"),
        ("Ｆｕｌｌ width letters here", "Full width letters here"),
        ("送餐很快，味道也不错。", "送餐很快！味道也不错"),
    ],
)
def test_case_punctuation_and_width_do_not_count(a: str, b: str) -> None:
    assert jaccard(shingles(a), shingles(b)) == 1.0
    assert [(group.keep, group.others) for group in near_groups([a, b])] == [(0, [(1, 1.0)])]


def test_chinese_texts_that_differ_in_a_word_are_near() -> None:
    texts = [
        "送餐速度很快，味道也很不错，下次还会再来的",
        "送餐速度很快，味道也很不错，下次还会再来",
        "太难吃了，再也不会点这家",
    ]
    assert [(group.keep, [place for place, _ in group.others]) for group in near_groups(texts)] == [(0, [1])]


@pytest.mark.parametrize("seed", [0, 1])
def test_nearly_all_true_pairs_are_found_and_no_false_one(seed: int) -> None:
    chance = random.Random(seed)
    words = ["".join(chance.choices("abcdefghij", k=6)) for _ in range(300)]
    texts = [" ".join(chance.choices(words, k=12)) for _ in range(300)]
    changed = [text[:-4] + "zzzz" for text in texts]
    groups = near_groups(texts + changed)
    pairs = {(group.keep, place) for group in groups for place, _ in group.others}
    true = {(place, place + 300) for place in range(300)}
    assert pairs <= true
    assert len(pairs) >= 285
    assert all(score >= 0.8 for group in groups for _, score in group.others)


def test_many_variations_of_one_template_stay_cheap() -> None:
    texts = [f"Your order {n:06d} has been shipped today, thank you for shopping with us" for n in range(2_000)]
    groups = near_groups(texts)
    assert sum(len(group.others) for group in groups) > 1_900


def test_texts_without_a_letter_are_not_compared() -> None:
    assert near_groups(["", "!!!", "???", "  "]) == []


def test_progress_may_stop_the_search() -> None:
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        near_groups(["a"], progress=stop)
