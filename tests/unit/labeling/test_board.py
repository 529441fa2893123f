"""The in-memory board: the queue, claims, counts."""

from __future__ import annotations

import numpy as np
import pytest

from core.labeling import board as board_module
from core.labeling.board import Board


def make(total: int = 6, labelled: tuple[int, ...] = (), excluded: tuple[int, ...] = ()) -> Board:
    """Items 10, 11, ...; ``labelled`` and ``excluded`` are ids."""
    ids = np.arange(10, 10 + total)
    return Board(ids, np.isin(ids, excluded), np.array(labelled, dtype=int), np.ones(len(labelled)), {1: (5,)}, {})


def test_next_is_the_first_open_item_and_stays_until_answered() -> None:
    board = make(labelled=(10,), excluded=(11,))
    assert board.next_id("ann") == 12
    assert board.next_id("ann") == 12
    board.set_label(12, [5])
    board.answered(12, "ann")
    assert board.next_id("ann") == 13


def test_two_annotators_never_get_the_same_item() -> None:
    board = make(total=2)
    assert {board.next_id("ann"), board.next_id("bob")} == {10, 11}
    assert board.next_id("eve") is None


def test_claim_of_somebody_who_left_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    board = make(total=1)
    assert board.next_id("ann") == 10
    assert board.next_id("bob") is None
    monkeypatch.setattr(board_module.time, "monotonic", lambda: 1e12)
    assert board.next_id("bob") == 10


def test_skipped_item_stays_away_until_asked_back() -> None:
    board = make(total=2)
    board.answered(10, "ann", skipped=True)
    assert board.next_id("ann") == 11
    board.set_label(11, [5])
    board.answered(11, "ann")
    assert board.next_id("ann") is None
    assert board.skipped("ann") == 1
    assert board.next_id("bob") == 10
    board.answered(10, "bob", skipped=True)
    board.forget_skipped("ann")
    assert board.next_id("ann") == 10


def test_queue_wraps_to_what_was_left_behind() -> None:
    board = make(total=3)
    board.go_to(12, "ann")
    assert board.next_id("ann") == 12
    board.set_label(12, [5])
    board.answered(12, "ann")
    assert board.next_id("ann") == 10


def test_go_to_shows_even_a_labelled_item() -> None:
    board = make(labelled=(11,))
    board.go_to(11, "ann")
    assert board.next_id("ann") == 11
    board.answered(11, "ann")
    assert board.next_id("ann") == 12


def test_counts_follow_every_change() -> None:
    board = make(labelled=(10, 11), excluded=(15,))
    assert (board.total, board.labelled, board.label_counts[5]) == (5, 2, 2)
    board.set_label(12, [6])
    board.set_label(10, [6])
    board.set_label(11, None)
    board.set_label(15, [6])  # excluded: kept, not counted
    assert (board.labelled, board.label_counts[5], board.label_counts[6]) == (2, 0, 2)


def test_unknown_items_are_not_found() -> None:
    board = make()
    assert board.position(9) is None
    assert board.position(99) is None
    assert board.position(15) == 5


def test_upcoming_leaves_out_what_others_hold() -> None:
    board = make(total=4)
    assert board.next_id("bob") == 10
    assert board.upcoming("ann", 2) == [11, 12]


def test_labels_of_unknown_items_are_left_out() -> None:
    ids = np.array([10, 12])
    board = Board(ids, np.zeros(2, bool), np.array([11, 12, 99]), np.array([1, 2, 1]), {1: (5,), 2: (6,)}, {})
    assert not board.is_labelled(10)
    assert dict(board.label_counts) == {6: 1}


def test_values_with_the_same_labels_do_not_share_a_number() -> None:
    """Two codes stand for label 5 (one value has more to it, a span say); a new label gets a third."""
    board = Board(np.array([10, 11]), np.zeros(2, bool), np.array([10]), np.array([2]), {1: (5,), 2: (5,)}, {})
    board.set_label(11, [6])
    board.set_label(10, None)
    assert dict(+board.label_counts) == {6: 1}


def test_what_comes_first_is_shown_before_all_others_and_leaves_the_place_alone() -> None:
    board = Board(np.arange(10, 16), np.zeros(6, bool), np.array([]), np.array([]), {}, {}, np.arange(6) >= 4)
    assert board.upcoming("ann", 4) == [14, 15, 10, 11]
    assert board.next_id("ann") == 14
    assert board.next_id("bob") == 15
    board.answered(14, "ann", skipped=True)
    assert board.next_id("ann") == 10
    board.set_label(10, [5])
    board.answered(10, "ann")
    board.set_label(15, [5])
    board.answered(15, "bob")
    assert board.next_id("bob") == 14
    assert board.next_id("ann") == 11


def test_extended_board_is_the_one_that_would_be_read() -> None:
    board = make(total=3, labelled=(10,))
    assert board.next_id("ann") == 11
    new = Board(
        np.arange(20, 24),
        np.array([False, True, False, False]),
        np.array([20, 21, 22]),
        np.array([1, 1, 2]),
        {1: (6,), 2: (5,)},
        {23: "look"},
        np.array([False, False, False, True]),
    )
    board.extend(new)
    assert (len(board), board.total, board.labelled) == (7, 6, 3)
    assert dict(board.label_counts) == {5: 2, 6: 1}
    assert board.flags == {23: "look"}
    assert board.next_id("ann") == 11
    assert board.next_id("bob") == 23
    assert board.is_excluded(21)
    board.set_label(20, [5])
    assert dict(+board.label_counts) == {5: 3}
