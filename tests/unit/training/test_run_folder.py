from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import NotFoundError, StorageError
from core.training.run_folder import RunFolder, WorkerStatus


@pytest.fixture
def folder(tmp_path: Path, toy_version, make_config) -> RunFolder:
    return RunFolder.create(tmp_path / "runs", make_config(id="one"), toy_version())


def test_a_new_run_is_whole_and_queued(folder, tmp_path):
    assert {path.name for path in folder.path.iterdir()} == {
        "config.json", "queued.json", "train.parquet", "dev.parquet", "test.parquet",
    }  # fmt: skip
    assert folder.queued_at is not None and folder.status() is None and folder.result() is None
    assert (folder.path / "train.parquet").samefile(tmp_path / "version" / "train.parquet")
    data = folder.data()
    assert [len(data.train), len(data.dev), len(data.test)] == [60, 12, 12]
    assert data.train.values[0] == "refund" and data.train.texts_b is None


def test_a_version_without_all_splits_makes_no_folder(tmp_path, toy_version, make_config):
    version = toy_version()
    (version / "dev.parquet").unlink()
    with pytest.raises(NotFoundError, match="dev"):
        RunFolder.create(tmp_path / "runs", make_config(id="one"), version)
    assert not (tmp_path / "runs").exists()


def test_a_torn_last_event_is_skipped_and_the_next_one_starts_on_its_own_line(folder):
    folder.append_event({"kind": "step", "step": 1})
    with (folder.path / "events.jsonl").open("ab") as file:
        file.write(b'{"kind": "step", "st')
    assert [event["step"] for event in folder.events()] == [1]
    folder.mend_events()
    folder.append_event({"kind": "step", "step": 2})
    assert [event["step"] for event in folder.events()] == [1, 2]


def test_steps_repeated_after_a_resume_are_shown_once(folder):
    for step in (1, 2, 3):
        folder.append_event({"kind": "step", "step": step, "loss": 1.0})
    folder.append_event({"kind": "resumed", "step": 1})
    folder.append_event({"kind": "step", "step": 2, "loss": 0.5})
    assert [(e["step"], e["loss"]) for e in folder.events() if e["kind"] == "step"] == [(1, 1.0), (2, 0.5)]


def test_a_run_of_a_moved_workspace_looks_where_it_is_now(folder, tmp_path):
    before = folder.config()
    folder.place(tmp_path / "cache", tmp_path / "bases")
    after = folder.config()
    assert (after.cache, after.bases) == (str(tmp_path / "cache"), str(tmp_path / "bases"))
    assert after.same_work(before) and (after.id, after.snapshot) == (before.id, before.snapshot)


def test_marks_of_stop_and_queue(folder):
    folder.ask_stop(5.0)
    folder.ask_stop(9.0)
    assert folder.stop_at == 5.0  # the grace counts from the first press
    folder.queue(10.0)
    assert folder.stop_at is None and folder.queued_at == 10.0
    folder.unqueue()
    assert folder.queued_at is None


def test_a_run_that_steps_aside_comes_back_unless_it_is_stopped_too(folder):
    folder.ask_stop(5.0, back=7.5)
    assert (folder.stop_at, folder.returns_to) == (5.0, 7.5)
    folder.ask_stop(9.0)
    folder.ask_stop(9.5, back=1.0)
    assert (folder.stop_at, folder.returns_to) == (5.0, None)


def test_the_log_tail_is_the_last_lines_also_of_a_progress_bar(folder):
    folder.log.write_bytes(b"a\nb\n10%\r20%\rdone\xff\n")
    assert folder.log_tail(3) == ["10%", "20%", "done\ufffd"]


def test_a_damaged_config_is_a_clear_error(folder):
    (folder.path / "config.json").write_text("{")
    with pytest.raises(StorageError, match="Run one has no readable"):
        folder.config()


def test_rankings_survive_a_round_trip(folder):
    assert folder.ranking("test") is None
    (folder.path / "predictions").mkdir()
    folder.write_ranking("test", np.array([2, 0, 0]), np.array([7, 4, 1]), 3, 9)
    assert folder.ranking("test") == ([[1, 4], [], [7]], 9)


def test_status_survives_a_round_trip_and_beats(folder):
    assert folder.heartbeat() is None
    (folder.path / "status.json").write_text('{"state": "weird"}')
    assert folder.status() is None
    folder.write_status(WorkerStatus(done=3, total=9, message="epoch 1 of 2"))
    status = folder.status()
    assert status is not None and (status.done, status.message) == (3, "epoch 1 of 2")
    assert folder.heartbeat() is not None


@pytest.mark.parametrize("content", ['{"project_id": "no number"}', "[]", '{"id": '])
def test_a_config_that_is_none_is_damage_that_is_told(folder, content):
    (folder.path / "config.json").write_text(content)
    with pytest.raises(StorageError, match=r"Run one has no readable config\.json"):
        folder.config()


def test_a_removal_that_was_killed_is_finished(folder, monkeypatch):
    folder.write_result({})
    for one in (folder.model, folder.checkpoints, folder.path / ".model.deleted"):
        one.mkdir()
        (one / "weights").write_text("heavy")
    folder.finish_removal()
    assert folder.holds_weights and not folder.weights_removed, "only leftovers are removed without the mark"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", killed_before("model"))
        folder.remove_weights()
    assert folder.weights_removed and folder.holds_weights
    folder.finish_removal()
    assert not folder.holds_weights and not list(folder.path.glob(".*.deleted"))
    assert folder.result() == {}


def killed_before(name):
    usual = Path.replace

    def replace(self, target):
        if self.name == name:
            raise KeyboardInterrupt
        return usual(self, target)

    return replace
