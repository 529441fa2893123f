from __future__ import annotations

from collections.abc import Sequence

import pytest

from core.data.cleaning import KINDS, CleaningStopped, Entry, find_problems, repaired, without_controls
from core.errors import InputError
from core.records import Finding, Progressing

CLEAN = [
    Entry(1, "Where is my parcel? It should be here."),
    Entry(2, "I would like to cancel my subscription, please."),
    Entry(3, "¿Qué? No — “quoted” café naïve 👩‍👧 €5", value="a", split="train"),
    Entry(4, "می‌خواهم"),
]


def _find(entries: Sequence[Entry], kind: str, language: str = "en") -> Finding | None:
    found = find_problems(entries, language, kinds=[kind])
    return found[0] if found else None


def test_clean_texts_give_no_findings() -> None:
    assert find_problems(CLEAN) == []


def test_of_exact_copies_the_labelled_one_stays() -> None:
    entries = [Entry(1, "Same text"), Entry(2, " Same text\n", value="a"), Entry(3, "Same text"), Entry(4, "same text")]
    found = _find(entries, "exact_duplicate")
    assert found is not None
    assert (found.item_ids, found.groups, found.action) == ([1, 3], [[2, 1, 3]], "exclude")
    assert found.details[3] == "same text as item 2"


def test_decomposed_letters_are_the_same_text() -> None:
    found = _find([Entry(1, "caf\u00e9 olé"), Entry(2, "cafe\u0301 olé")], "exact_duplicate")
    assert found is not None and found.item_ids == [2]


def test_pairs_are_copies_only_when_both_texts_are() -> None:
    pairs = [Entry(1, "a b c", text_b="x"), Entry(2, "a b c", text_b="y"), Entry(3, "a b c", text_b="x")]
    found = _find(pairs, "exact_duplicate")
    assert found is not None and found.item_ids == [3]


def test_near_duplicates_come_as_groups_with_their_similarity() -> None:
    entries = [
        Entry(1, "Where is my parcel with the red shoes?"),
        Entry(2, "where is my parcel with the red shoes"),
        Entry(3, "Where is my parcel with the red shoe?", value="delivery"),
        Entry(4, "Where is my parcel with the red shoes?"),
        Entry(5, "Please cancel the order of yesterday."),
    ]
    found = _find(entries, "near_duplicate")
    assert found is not None
    assert found.groups == [[3, 1, 2]]  # the labelled one stays; item 4 is an exact copy and not listed again
    assert found.details[1].endswith("% like item 3")


def test_of_a_leaking_text_the_copy_that_measures_stays() -> None:
    entries = [
        Entry(1, "same", split="train"),
        Entry(2, "same", split="test"),
        Entry(3, "same", split="dev"),
        Entry(4, "same"),
        Entry(5, "other", split="train"),
        Entry(6, "other", split="train"),
    ]
    found = _find(entries, "leakage")
    assert found is not None
    assert (found.item_ids, found.groups) == ([3, 1], [[2, 3, 1]])
    assert found.details[1] == "also in test: item 2"


def test_conflicting_labels_are_left_to_people() -> None:
    entries = [Entry(1, "same", value="a"), Entry(2, "same", value="b"), Entry(3, "same"), Entry(4, "x y", value="a")]
    found = _find(entries, "conflicting_labels")
    assert found is not None
    assert (found.item_ids, found.action) == ([1, 2], "review")
    assert "item 2: b" in found.details[1]


@pytest.mark.parametrize(
    ("kind", "bad", "language"),
    [
        ("empty", "\u200b \u2060", "en"),
        ("too_short", "ok", "en"),
        ("too_short", "好", "zh"),
        ("too_long", "x" * 4_001, "en"),
        ("wrong_language", "Wo bleibt mein Paket, ich warte schon seit zwei Wochen darauf.", "en"),
        ("wrong_language", "Where is my parcel, I have been waiting for two weeks.", "zh"),
    ],
)
def test_single_texts_are_found(kind: str, bad: str, language: str) -> None:
    good = Entry(2, "我的包裹在哪里，已经等了两个星期了，请尽快处理" if language == "zh" else "Where is it, please?")
    found = _find([Entry(1, bad), good], kind, language)
    assert found is not None and found.item_ids == [1] and found.details[1]


def test_short_chinese_texts_are_no_problem() -> None:
    assert find_problems([Entry(1, "很好"), Entry(2, "不好吃")], "zh") == []


def test_an_unknown_language_is_not_judged() -> None:
    assert _find([Entry(1, "Where is my parcel, I have been waiting.")], "wrong_language", "tlh") is None


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("a\x07b\u200bc\u202ed", "abcd"),
        ("plain\ttext\r\n", None),
        ("\x00", None),
        ("می‌خواهم", None),
        ("full\u3000width space", None),
        ("👩\u200d👧", None),
    ],
)
def test_hidden_characters_are_taken_out(text: str, fixed: str | None) -> None:
    assert without_controls(text) == fixed


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("schÃ¶n", "schön"),
        ("Itâ€™s fine", "It’s fine"),
        ("å¾ˆå¥½", "很好"),
        ("schön", None),
        ("Ãlvaro?", None),
        ("plain", None),
    ],
)
def test_mojibake_is_repaired(text: str, fixed: str | None) -> None:
    assert repaired(text) == fixed


def test_repairs_are_offered_as_new_text() -> None:
    found = find_problems([Entry(1, "schÃ¶ne Grüße"), Entry(2, "a\x07 bell rings")], kinds=KINDS[:-1])
    assert [(finding.kind, finding.action) for finding in found] == [
        ("mojibake", "replace_text"),
        ("control_characters", "replace_text"),
    ]
    assert found[1].details == {2: "a bell rings"}


def test_control_characters_of_a_wrong_decoding_are_left_to_its_repair() -> None:
    found = find_problems([Entry(1, "cafÃ© â\x80\x99s are open")], kinds=["control_characters", "mojibake"])
    assert [(finding.kind, finding.details) for finding in found] == [("mojibake", {1: "café ’s are open"})]


def test_the_search_reports_and_can_be_stopped() -> None:
    seen: list[Progressing] = []
    find_problems(CLEAN, progress=seen.append)
    assert {step.message for step in seen} == {kind.replace("_", " ") for kind in KINDS}
    with pytest.raises(CleaningStopped):
        find_problems(CLEAN, cancelled=lambda: True)


def test_an_unknown_check_is_refused() -> None:
    with pytest.raises(InputError, match="'spelling'"):
        find_problems(CLEAN, kinds=["spelling"])
