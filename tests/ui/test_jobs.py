"""Work in the background: one job a key, progress, stop, failure."""

from __future__ import annotations

import errno
import threading

import pytest

from core.errors import InputError, RefusedError, StorageError, StudioError
from core.records import Progressing
from studio.jobs import Jobs, Report


def test_a_job_returns_its_result_and_is_forgotten_on_request() -> None:
    jobs = Jobs()
    job = jobs.start("a", "Adding", lambda report: 1 + 1)
    assert job.result() == 2 and job.state == "done" and jobs.get("a") is job
    jobs.dismiss("a")
    assert jobs.get("a") is None


def test_a_second_start_is_refused_while_the_first_runs_and_a_stop_ends_it() -> None:
    jobs, go = Jobs(), threading.Event()

    def work(report: Report) -> None:
        report(Progressing(done=1, total=2, message="half"))
        go.wait(5)
        report(Progressing(done=2, total=2))
        raise AssertionError("a stopped job must not go on")

    job = jobs.start("a", "Waiting", work)
    with pytest.raises(RefusedError):
        jobs.start("a", "Again", work)
    jobs.dismiss("a")
    assert jobs.get("a") is job, "a running job cannot be forgotten"
    job.stop()
    go.set()
    job._future.exception(timeout=5)
    assert job.state == "stopped"


def test_a_failure_keeps_its_error() -> None:
    def work(report: Report) -> None:
        raise InputError("Row 3 is broken.")

    job = Jobs().start("a", "Reading", work)
    with pytest.raises(InputError, match="Row 3"):
        job.result()
    assert job.state == "failed"


@pytest.mark.parametrize(
    ("raised", "shown", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), StorageError, "disk is full"),
        (ZeroDivisionError("x"), StudioError, "'Reading' ended .*ZeroDivisionError"),
    ],
)
def test_an_error_nobody_expected_is_one_that_a_page_can_show(
    raised: Exception, shown: type[StudioError], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    def work(report: Report) -> None:
        raise raised

    job = Jobs().start("a", "Reading", work)
    with pytest.raises(shown, match=said):
        job.result()
    assert job.state == "failed"
    assert bool(caplog.records) == (shown is StudioError), "the log has what the page does not say"
