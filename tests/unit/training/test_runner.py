from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.errors import NotFoundError, RefusedError, StorageError, StudioError
from core.settings import Settings
from core.training import processes
from core.training.run_folder import REMOVED, RunConfig, RunFolder
from core.training.runner import TICK, Runner

FAKE = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))
Make = Callable[..., Any]


@pytest.fixture
def make_runner(tmp_path: Path) -> Iterator[Make]:
    made: list[Runner] = []

    def make(**arguments: Any) -> Runner:
        device = arguments.pop("device", "cpu")
        settings = Settings(home=tmp_path, device=device, stop_grace_seconds=arguments.pop("grace", 5.0))
        runner = Runner(tmp_path / "runs", settings=settings, **{"command": FAKE, **arguments})
        made.append(runner)
        return runner

    yield make
    for runner in made:
        runner.close()
        for status in runner.list():
            if status.pid:
                os.kill(status.pid, signal.SIGKILL)


def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def order(runner: Runner, run_id: str, word: str) -> None:
    (runner.folder(run_id).path / "order").write_text(word)


@pytest.fixture
def started(make_runner: Make, make_config: Make, toy_version: Make) -> tuple[Runner, str, Path]:
    runner, version = make_runner(), toy_version()
    run_id = runner.submit(make_config(), version)
    until(lambda: runner.state(run_id).state == "running" and runner.state(run_id).done == 3)
    return runner, run_id, version


def test_a_run_is_queued_runs_and_finishes(started):
    runner, run_id, _ = started
    assert runner.state(run_id).active and runner.state(run_id).message == "faking"
    order(runner, run_id, "finish")
    status = runner.wait(run_id, 10)
    assert (status.state, status.metrics) == ("finished", {"accuracy": 0.5})
    assert not status.resumable


def test_one_run_at_a_time_in_the_order_of_submission(started, make_config):
    runner, first, version = started
    second = runner.submit(make_config(options={"seed": 2}), version)
    third = runner.submit(make_config(options={"seed": 3}), version)
    time.sleep(0.6)
    assert [runner.state(run).state for run in (first, second, third)] == ["running", "queued", "queued"]
    assert [runner.state(run).queue_position for run in (second, third)] == [1, 2]
    order(runner, first, "finish")
    until(lambda: runner.state(second).state == "running")
    assert runner.state(third).queue_position == 1


def test_a_double_start_gives_one_run(started, make_config):
    runner, run_id, version = started
    assert runner.submit(make_config(), version) == run_id
    assert runner.submit(make_config(options={"seed": 9}), version) != run_id
    order(runner, run_id, "finish")
    runner.wait(run_id, 10)
    assert runner.submit(make_config(), version) != run_id


def test_wrong_options_are_refused_before_anything_is_written(make_runner, make_config, toy_version):
    runner = make_runner()
    with pytest.raises(StudioError, match="learning_rate"):
        runner.submit(make_config(options={"learning_rate": -1}), toy_version())
    assert runner.list() == []


def test_stop_saves_and_resume_goes_on(started):
    runner, run_id, _ = started
    runner.stop(run_id)
    assert runner.wait(run_id, 10).state == "stopped"
    runner.resume(run_id)
    until(lambda: runner.state(run_id).state == "running")
    order(runner, run_id, "finish")
    assert runner.wait(run_id, 10).state == "finished"
    assert (runner.folder(run_id).path / "starts").read_text() == "xx"
    with pytest.raises(RefusedError):
        runner.resume(run_id)


def test_stopping_a_queued_run_takes_it_out_of_the_queue(started, make_config):
    runner, _, version = started
    second = runner.submit(make_config(options={"seed": 2}), version)
    runner.stop(second)
    assert runner.wait(second, 5).state == "stopped"


def test_a_worker_that_does_not_stop_is_killed_after_the_grace(make_runner, make_config, toy_version, monkeypatch):
    runner, version = make_runner(grace=0.3), toy_version()
    monkeypatch.setattr(runner, "_launch", lambda *_: None)
    run_id = runner.submit(make_config(), version)
    (runner.folder(run_id).path / "stubborn").touch()
    monkeypatch.undo()
    until(lambda: runner.state(run_id).state == "running")
    runner.stop(run_id)
    assert runner.wait(run_id, 10).state == "stopped"


def test_a_killed_worker_is_interrupted_and_resumable(started):
    runner, run_id, _ = started
    os.kill(runner.state(run_id).pid, signal.SIGKILL)
    status = runner.wait(run_id, 10)
    assert status.state == "interrupted" and status.resumable and "last saved checkpoint" in status.hint
    assert "batch size 4" in status.hint
    runner.resume(run_id)
    until(lambda: runner.state(run_id).state == "running")


def test_a_suspended_worker_is_stalled_until_it_goes_on(started, monkeypatch):
    runner, run_id, _ = started
    monkeypatch.setattr("core.training.run_state.STALLED_AFTER", 0.5)
    pid = runner.state(run_id).pid
    os.kill(pid, signal.SIGSTOP)
    until(lambda: runner.state(run_id).state == "stalled")
    status = runner.state(run_id)
    assert "no sign of life for" in status.error and "suspended" in status.error
    assert "goes on by itself" in status.hint and "stop the run" in status.hint and status.active
    os.kill(pid, signal.SIGCONT)
    until(lambda: runner.state(run_id).state == "running")
    assert (runner.state(run_id).error, runner.state(run_id).hint) == ("", "")
    os.kill(pid, signal.SIGSTOP)
    runner.stop(run_id)  # stop also wakes it, so that it can save
    assert runner.wait(run_id, 10).state == "stopped"


def test_a_run_that_waited_long_is_not_stalled_when_it_begins(make_runner, make_config, toy_version, monkeypatch):
    monkeypatch.setattr("core.training.run_state.STALLED_AFTER", 0.5)
    runner, version = make_runner(command=(sys.executable, "-c", "import time; time.sleep(60)")), toy_version()
    runner.hold()
    run_id = runner.submit(make_config(), version)
    runner.folder(run_id).queue(time.time() - 3600)
    runner.release()
    until(lambda: runner.state(run_id).pid is not None)
    assert runner.state(run_id).state == "running"
    until(lambda: runner.state(run_id).state == "stalled")  # it never says a word


def test_a_waiting_run_can_be_put_first(started, make_config):
    runner, first, version = started
    second, third = (runner.submit(make_config(options={"seed": seed}), version) for seed in (2, 3))
    runner.move(third)
    assert runner.queue() == [third, second] and runner.state(third).queue_position == 1
    with pytest.raises(RefusedError, match="does not wait"):
        runner.move(first)
    order(runner, first, "finish")
    until(lambda: runner.state(third).state == "running")


def test_an_urgent_run_goes_first_and_the_other_one_goes_on_afterwards(started, make_config):
    runner, first, version = started
    second, urgent = (runner.submit(make_config(options={"seed": seed}), version) for seed in (2, 3))
    runner.run_now(urgent)
    until(lambda: runner.state(urgent).state == "running")
    assert runner.queue() == [first, second]
    assert runner.state(first).state == "queued" and runner.folder(first).stop_at is None
    order(runner, urgent, "finish")
    until(lambda: (runner.folder(first).path / "starts").read_text() == "xx")
    order(runner, first, "finish")
    assert runner.wait(first, 10).state == "finished"


def test_who_steps_aside_says_so_and_can_still_be_stopped(make_runner, make_config, toy_version, monkeypatch):
    runner, version = make_runner(grace=1.0), toy_version()
    runner.hold()
    first, urgent = (runner.submit(make_config(options={"seed": seed}), version) for seed in (1, 2))
    (runner.folder(first).path / "stubborn").touch()
    with pytest.raises(RefusedError, match="queue is paused"):
        runner.run_now(urgent)
    runner.release()
    until(lambda: runner.state(first).done == 3)
    runner.run_now(urgent)
    assert runner.state(first).stopping and "another run" in runner.state(first).message
    runner.stop(first)
    assert "then it stops" in runner.state(first).message
    assert runner.wait(first, 10).state == "stopped"
    until(lambda: runner.state(urgent).state == "running")


def test_stepping_aside_survives_the_end_of_the_app(started, make_runner, make_config):
    runner, first, version = started
    urgent = runner.submit(make_config(options={"seed": 2}), version)
    runner.close()  # what was asked a moment before the app was killed
    runner.run_now(urgent)
    process = psutil.Process(runner.folder(first).process()[0])
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    later = make_runner()
    until(lambda: later.state(urgent).state == "running")
    assert later.queue() == [first]


def test_a_paused_queue_starts_nothing_also_after_a_restart(started, make_runner, make_config):
    runner, first, version = started
    second = runner.submit(make_config(options={"seed": 2}), version)
    runner.hold()
    order(runner, first, "finish")
    assert runner.wait(first, 10).state == "finished"
    runner.close()
    later = make_runner()
    time.sleep(0.6)
    assert later.held and later.state(second).state == "queued"
    later.release()
    until(lambda: later.state(second).state == "running")


def test_a_run_on_every_gpu_waits_for_all_of_them_and_keeps_them(make_runner, make_config, toy_version, monkeypatch):
    from core.training import hardware

    gpus = hardware.read_gpus("0, A100, 81559, 570\n1, A100, 81559, 570\n")
    monkeypatch.setattr(hardware, "_gpus", lambda: tuple(gpus))
    monkeypatch.setattr(hardware, "_torch_has_cuda", lambda: True)
    runner, version = make_runner(device="auto"), toy_version()
    one = runner.submit(make_config(device="cuda:1"), version)
    until(lambda: runner.state(one).state == "running")
    both = runner.submit(make_config(device="auto", options={"seed": 2}), version)
    first = runner.submit(make_config(device="cuda:0", options={"seed": 3}), version)
    beside = runner.submit(make_config(device="cpu", options={"seed": 4}), version)
    until(lambda: runner.state(beside).state == "running")
    assert [runner.state(run).state for run in (both, first)] == ["queued", "queued"]
    order(runner, one, "finish")
    until(lambda: runner.state(both).state == "running")
    assert runner.state(first).state == "queued"
    runner.run_now(first)
    until(lambda: runner.state(first).state == "running")
    assert runner.state(both).state == "queued", "it steps aside, for it holds the device"


def test_a_run_that_cannot_be_started_keeps_no_other_device_waiting(
    make_runner, make_config, toy_version, monkeypatch, caplog
):
    from core.training import hardware

    monkeypatch.setattr(hardware, "_gpus", lambda: tuple(hardware.read_gpus("0, A100, 81559, 570\n")))
    monkeypatch.setattr(hardware, "_torch_has_cuda", lambda: True)
    runner, version, place = make_runner(), toy_version(), RunFolder.place

    def full(folder: RunFolder, *where: Path) -> None:
        if folder.config().device == "cuda:0":
            raise StorageError("The disk is full.")
        place(folder, *where)

    monkeypatch.setattr(RunFolder, "place", full)
    runner.hold()
    first = runner.submit(make_config(device="cuda:0"), version)
    second = runner.submit(make_config(), version)
    runner.release()
    until(lambda: runner.state(second).state == "running")
    time.sleep(3 * TICK)
    assert runner.state(first).state == "queued"
    assert len([record for record in caplog.records if first in record.getMessage()]) == 1
    monkeypatch.setattr(RunFolder, "place", place)
    until(lambda: runner.state(first).state == "running")


def test_a_damaged_config_ends_its_run_and_not_the_queue(started, make_config):
    runner, first, version = started
    runner.hold()
    damaged = runner.submit(make_config(options={"seed": 2}), version)
    path = runner.folder(damaged).path
    (path / "config.json").write_text("[]")
    assert [run.id for run in runner.list()] == [first]
    runner.release()
    until(lambda: not (path / "queued.json").exists())
    third = runner.submit(make_config(options={"seed": 3}), version)
    order(runner, first, "finish")
    until(lambda: runner.state(third).state == "running")
    runner.delete(damaged)
    assert not path.exists()


def test_waiting_for_a_run_in_a_paused_queue_ends(make_runner, make_config, toy_version):
    runner = make_runner()
    runner.hold()
    run_id = runner.submit(make_config(), toy_version())
    assert runner.wait(run_id).state == "queued"
    begun = time.monotonic()
    assert runner.wait(run_id, 0.3).state == "queued" and time.monotonic() - begun >= 0.3


def test_a_run_whose_device_is_gone_says_so(make_runner, make_config, toy_version):
    runner, version = make_runner(), toy_version()
    with pytest.raises(StudioError, match="cuda"):
        runner.submit(make_config(device="cuda"), version)
    runner.hold()
    run_id = runner.submit(make_config(), version)
    path = runner.folder(run_id).path / "config.json"
    path.write_text(path.read_text().replace('"device": "cpu"', '"device": "cuda:1"'))
    runner.release()
    status = runner.wait(run_id, 10)
    assert status.state == "failed" and "cuda:1" in status.error and status.hint


def test_a_failure_shows_error_and_next_step(started):
    runner, run_id, _ = started
    order(runner, run_id, "fail")
    status = runner.wait(run_id, 10)
    assert (status.state, status.error, status.hint, status.resumable) == ("failed", "It broke.", "Mend it.", True)


def test_a_worker_that_cannot_start_is_a_failed_run_with_its_last_words(make_runner, make_config, toy_version):
    runner = make_runner(command=(sys.executable, "-c", "raise SystemExit('no module named core')"))
    run_id = runner.submit(make_config(), toy_version())
    status = runner.wait(run_id, 10)
    assert status.state == "failed" and "no module named core" in status.error


def test_a_run_whose_spare_worker_dies_at_once_is_started_from_nothing(started, make_config, monkeypatch):
    monkeypatch.setattr(processes, "SPARE_AFTER", 0.0)
    runner, first, version = started
    order(runner, first, "finish")
    until(lambda: runner._workers._spare is not None)
    spare = runner._workers._spare
    os.kill(spare.pid, signal.SIGSTOP)  # it takes the run, but never begins
    second = runner.submit(make_config(options={"seed": 2}), version)
    until(lambda: runner.state(second).pid == spare.pid)
    os.kill(spare.pid, signal.SIGKILL)
    until(lambda: runner.state(second).done == 3)
    assert runner.state(second).pid != spare.pid and not runner._workers.spares


def test_close_leaves_no_spare_worker(started, monkeypatch):
    monkeypatch.setattr(processes, "SPARE_AFTER", 0.0)
    runner, run_id, _ = started
    order(runner, run_id, "finish")
    until(lambda: runner._workers._spare is not None)
    spare = runner._workers._spare
    runner.close()
    assert spare.poll() is not None


def test_the_next_runner_adopts_a_worker_and_the_queue(started, make_runner, make_config):
    runner, run_id, version = started
    second = runner.submit(make_config(options={"seed": 2}), version)
    runner.close()
    finished: list[str] = []
    later = make_runner(on_finished=finished.append)
    assert later.state(run_id).state == "running" and later.state(run_id).pid == runner.state(run_id).pid
    time.sleep(0.6)
    assert later.state(second).state == "queued"
    order(later, run_id, "finish")
    until(lambda: later.state(second).state == "running")
    assert finished == [run_id]
    assert (later.folder(run_id).path / "starts").read_text() == "x"


def test_a_run_that_finished_while_no_runner_watched_is_announced_once(started, make_runner):
    runner, run_id, _ = started
    process = psutil.Process(runner.state(run_id).pid)
    runner.close()
    order(runner, run_id, "finish")
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    told: list[str] = []
    for _ in range(2):
        later = make_runner(on_finished=told.append)
        later.wait(run_id, 10)
        later.close()
    assert told == [run_id]


def test_a_pid_that_now_belongs_to_another_process_is_no_ghost(started):
    runner, run_id, _ = started
    os.kill(runner.state(run_id).pid, signal.SIGKILL)
    runner.wait(run_id, 10)
    runner.folder(run_id).write_process(os.getpid(), psutil.Process().create_time() - 1000)
    assert runner.state(run_id).state == "interrupted"


def test_delete_removes_the_folder_but_not_of_an_active_run(started):
    runner, run_id, _ = started
    with pytest.raises(RefusedError):
        runner.delete(run_id)
    runner.stop(run_id)
    runner.wait(run_id, 10)
    runner.delete(run_id)
    assert not (runner.runs / run_id).exists() and runner.list() == []
    with pytest.raises(NotFoundError):
        runner.state(run_id)


@pytest.mark.parametrize("name", ["", "../runs", "/etc", "..", "nope", "a\0b", "a\\b"])
def test_ids_are_never_paths(make_runner, name):
    with pytest.raises(NotFoundError):
        make_runner().state(name)


def test_a_callback_that_fails_does_not_stop_the_queue(make_runner, make_config, toy_version):
    def fail(_: str) -> None:
        raise ValueError("no room in the register")

    runner, version = make_runner(on_finished=fail), toy_version()
    first = runner.submit(make_config(), version)
    second = runner.submit(make_config(options={"seed": 2}), version)
    for run_id in (first, second):
        order(runner, run_id, "finish")
        assert runner.wait(run_id, 15).state == "finished"


def test_config_is_frozen_and_complete(started, make_config):
    runner, run_id, _ = started
    config: RunConfig = runner.config(run_id)
    assert config.id == run_id and set(config.snapshot) == {"train", "dev", "test"}
    assert config.cache and config.bases and config.options["weight_decay"] == 0.01


def test_what_an_earlier_runner_was_removing_is_gone_except_where_a_worker_lives(
    make_runner, make_config, toy_version, tmp_path
):
    version = toy_version()
    ended, left, alive = (RunFolder.create(tmp_path / "runs", make_config(id=name), version) for name in "abc")
    for folder in (ended, left, alive):
        folder.unqueue()
        (folder.path / ".checkpoints.deleted").mkdir()
    ended.model.mkdir()
    ended.write_result({})
    (ended.path / REMOVED).write_text("{}")
    worker = psutil.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    alive.write_process(worker.pid, worker.create_time())
    try:
        make_runner()
    finally:
        worker.kill()
        worker.wait()
    assert not ended.model.exists() and ended.weights_removed
    assert [(folder.path / ".checkpoints.deleted").exists() for folder in (ended, left, alive)] == [False, False, True]
