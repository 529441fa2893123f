"""The study behind a search: the same questions after a resume, and hopeless trials are told from good ones."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from core.experiments.search import Search, bounds, words
from core.methods import get_method
from core.methods.base import Range, options_for


def first_options() -> dict[str, Any]:
    return options_for(get_method("lora"), "classification")().model_dump(mode="json")


def search(folder: Path, *varied: str) -> Search:
    folder.mkdir(exist_ok=True)
    return Search(folder, get_method("lora"), "classification", first_options(), list(varied))


def test_a_resumed_search_asks_what_it_would_have_asked(tmp_path: Path) -> None:
    asked = []
    for resumed in (False, True):
        one = search(tmp_path / str(resumed), "learning_rate", "rank")
        found = []
        for number in range(5):
            if resumed:
                one = search(tmp_path / str(resumed), "learning_rate", "rank")
            options = one.ask(number)
            found.append((options["learning_rate"], options["rank"]))
            one.tell(number, 0.5 + number / 100)
        asked.append(found)
    assert asked[0] == asked[1]
    assert asked[0][0] == (first_options()["learning_rate"], first_options()["rank"])


def test_a_question_that_was_asked_before_a_kill_is_asked_again(tmp_path: Path) -> None:
    before = [search(tmp_path / "s", "rank", "dropout").ask(number) for number in range(3)]
    assert [search(tmp_path / "s", "rank", "dropout").ask(number) for number in range(3)] == before


def test_only_a_trial_below_the_others_is_hopeless(tmp_path: Path) -> None:
    one = search(tmp_path / "s", "dropout")
    for number in range(5):
        one.ask(number)
        assert not one.hopeless(number, {1: 0.8, 2: 0.85, 3: 0.9})
        one.tell(number, 0.9)
    one.ask(5)
    assert not one.hopeless(5, {1: 0.1}), "the first epoch says little"
    assert one.hopeless(5, {1: 0.1, 2: 0.2})
    one.tell(5, None, pruned=True)
    one.ask(6)
    assert not one.hopeless(6, {1: 0.9, 2: 0.95})
    one.tell(6, None)
    one.tell(6, None)  # told twice after a restart


def test_ranges_follow_the_default_where_they_should() -> None:
    assert bounds(Range(0.1, 5, of_default=True), 1e-3) == (1e-4, 5e-3)
    assert bounds(Range(0.0, 0.3), 0.1) == (0.0, 0.3)
    assert words(Range(choices=(16, 32)), 16) == "16, 32"
    assert words(Range(0.1, 5, of_default=True), 1e-3) == "0.0001 to 0.005"


def test_half_a_line_and_a_lock_of_a_killed_process_do_not_end_the_search(tmp_path: Path) -> None:
    first = search(tmp_path / "s", "rank", "dropout").ask(0)
    journal = tmp_path / "s" / "optuna.jsonl"
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"half')
    (tmp_path / "s" / "optuna.jsonl.lock").symlink_to(journal)
    again = search(tmp_path / "s", "rank", "dropout")
    assert again.ask(0) == first
    again.tell(0, 0.5)
    search(tmp_path / "s", "rank", "dropout").ask(1)


def test_what_a_full_disk_glued_together_does_not_end_the_search(tmp_path: Path) -> None:
    one = search(tmp_path / "s", "rank", "dropout")
    first = one.ask(0)
    one.tell(0, 0.5)
    journal = tmp_path / "s" / "optuna.jsonl"
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"half{"op_code":4,"worker_id":"x"}\n7\n{"op_code":99,"worker_id":"x"}\n')
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:-4], *lines[-3:-1], lines[-4]]))  # in the middle, not only at the end
    again = search(tmp_path / "s", "rank", "dropout")
    assert again.ask(0) == first and again.study.trials[0].value == 0.5
    again.ask(1)
    assert len(again.study.trials) == 2


@pytest.mark.parametrize("appends", [0, 1, 2, 3])
def test_a_question_that_a_full_disk_cut_short_is_the_same_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appends: int
) -> None:
    from optuna.storages.journal import JournalFileBackend

    search(tmp_path / "s", "rank", "dropout").ask(0)
    journal, usual, left = tmp_path / "s" / "optuna.jsonl", JournalFileBackend.append_logs, [appends]

    def full(self: Any, logs: list[Any]) -> None:
        left[0] -= 1
        if left[0] < 0:
            with journal.open("ab") as file:
                file.write(b'{"op_code":4,"half')
            raise OSError(errno.ENOSPC, "No space left on device")
        usual(self, logs)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(JournalFileBackend, "append_logs", full)
        search(tmp_path / "s", "rank", "dropout").ask(1)
    again = search(tmp_path / "s", "rank", "dropout")
    asked = again.ask(1)
    assert len(again.study.trials) == 2
    assert again.study.trials[1].params == {name: asked[name] for name in ("rank", "dropout")}
    assert all(json.loads(line) for line in journal.read_bytes().splitlines())
