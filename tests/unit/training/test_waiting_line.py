from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import RefusedError
from core.training.run_folder import RunFolder
from core.training.waiting_line import WaitingLine


@pytest.fixture
def waiting(tmp_path: Path) -> Callable[[], list[RunFolder]]:
    """Four runs that wait, as the line orders them now."""
    folders = [RunFolder(tmp_path / name) for name in "dbca"]
    for at, folder in enumerate(sorted(folders, key=lambda one: one.path.name)):
        folder.path.mkdir()
        folder.queue(100.0 + at)
    return lambda: WaitingLine(tmp_path).order(folders)


def names(folders: list[RunFolder]) -> str:
    return "".join(folder.path.name for folder in folders)


@pytest.mark.parametrize(
    ("run", "position", "order"),
    [("c", 1, "cabd"), ("a", 3, "bcad"), ("b", 99, "acdb"), ("d", 2, "adbc"), ("b", 2, "abcd")],
)
def test_a_run_is_moved_and_the_others_keep_their_order(waiting, tmp_path, run, position, order):
    WaitingLine(tmp_path).move(waiting(), run, position)
    assert names(waiting()) == order
    assert [folder.queued_at for folder in waiting()] == [100.0, 101.0, 102.0, 103.0]


def test_only_who_waits_can_be_moved(waiting, tmp_path):
    waiting()[1].unqueue()
    assert names(waiting()) == "acd"
    with pytest.raises(RefusedError, match="b does not wait"):
        WaitingLine(tmp_path).move(waiting(), "b", 1)


def test_there_is_a_place_behind_every_run(waiting, tmp_path):
    line = WaitingLine(tmp_path)
    for run, order in [("a", "aebcd"), ("d", "abcde")]:
        late = RunFolder(tmp_path / "e")
        late.path.mkdir(exist_ok=True)
        late.queue(line.place_behind(waiting(), run))
        assert names(line.order([*waiting(), late])) == order


def test_the_queue_stays_held_for_the_next_one_who_looks(tmp_path):
    WaitingLine(tmp_path).hold()
    assert WaitingLine(tmp_path).held
    WaitingLine(tmp_path).release()
    WaitingLine(tmp_path).release()
    assert not WaitingLine(tmp_path).held
