"""What the routes of every scenario share: setups to make and to change, and work that is streamed line by line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from fastapi.responses import StreamingResponse
from pydantic import Field

from core.errors import StudioError
from core.records import Record
from studio.api_models import User
from studio.jobs import Work
from studio.services import get_jobs

LINES = "application/x-ndjson"
PAUSE_SECONDS = 0.3


class NewSetup(Record):
    """A setup to make."""

    name: str = Field(max_length=1000)
    config: dict[str, Any] = Field(default_factory=dict, description="As in a setup file; what is missing is default.")
    user: User = "api"


class ChangedSetup(Record):
    """A setup as it should be."""

    revision: int = Field(description="Revision that was read; an older one is refused.")
    config: dict[str, Any]
    user: User = "api"


def stream_job(key: str, title: str, work: Work, show: Callable[[Any], Any]) -> StreamingResponse:
    """Start work under a key, or follow it where it runs already: one JSON line a step, the last says how it ended.

    A caller who hangs up does not stop it. ``show`` makes plain values of its result.
    """
    job = get_jobs().get(key)
    if job is None or job.state != "running":
        job = get_jobs().start(key, title, work)

    def lines() -> Iterator[str]:
        while job.state == "running":
            yield _line(job.progress.model_dump())
            time.sleep(PAUSE_SECONDS)
        if job.state == "stopped":
            yield _line({"state": "stopped"})
            return
        try:
            yield _line({"state": "done", "result": show(job.result())})
        except StudioError as error:
            yield _line({"state": "failed", "detail": error.message, "hint": error.hint})

    return StreamingResponse(lines(), media_type=LINES)


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"
