"""What an API caller reads when a call fails: problem details (RFC 9457) with a title, what happened, and what to do.

Nothing else ever leaves: no traceback, no message of a driver, no echo of the request.
"""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.exceptions import HTTPException

from core import errors
from core.records import Record

logger = logging.getLogger("whetstone.api")

MEDIA_TYPE = "application/problem+json"
SAFE_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""Answers are never sniffed for another type, and kept by no cache unless they say so."""
MOST_FIELDS = 20
"""Unusable fields that one answer names."""
STATUS: dict[type[errors.StudioError], int] = {
    errors.InputError: 422,
    errors.NotFoundError: 404,
    errors.RefusedError: 409,
    errors.ModelError: 409,
    errors.TrainingError: 409,
    errors.OfflineError: 503,
    errors.WorkspaceBusyError: 503,
    errors.StorageError: 500,
}


class Problem(Record):
    """The body of every answer that is not a success."""

    type: str = Field(description="The kind of problem: a stable name for programs, not an address.")
    title: str = Field(description="The kind of problem in plain words.")
    status: int = Field(description="The HTTP status again.")
    detail: str = Field(default="", description="What happened and where.")
    hint: str = Field(default="", description="The next step that leads out; empty when there is none.")
    errors: list[dict[str, str]] = Field(
        default_factory=list, description="For input that cannot be used: each 'field' with its 'message'."
    )


def problem(
    status: int,
    kind: str,
    title: str,
    detail: str = "",
    hint: str = "",
    fields: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer for one problem."""
    body = Problem(
        type=f"urn:whetstone:problem:{kind}",
        title=title,
        status=status,
        detail=detail,
        hint=hint,
        errors=fields or [],
    )
    return JSONResponse(body.model_dump(), status, headers=SAFE_HEADERS | dict(headers or {}), media_type=MEDIA_TYPE)


def unauthorized() -> JSONResponse:
    """The one answer to a call without a valid token, whatever is wrong with it."""
    return problem(
        401,
        "unauthorized",
        "A token is needed",
        "This call has no valid token.",
        "Create one on the Settings page and send it as 'Authorization: Bearer TOKEN'.",
        headers={"WWW-Authenticate": 'Bearer realm="whetstone"'},
    )


def unavailable(error: errors.StudioError) -> JSONResponse:
    """The answer while the workspace cannot be opened. The reason names folders: it is for the log only."""
    logger.error("%s: %s", error.title, error)
    return problem(
        503,
        "unavailable",
        "The workspace cannot be used right now",
        "The workspace cannot be opened or read.",
        "The pages of the studio and its log say why.",
    )


def too_large(most: int) -> JSONResponse:
    """The answer to a body of more than ``most`` bytes."""
    return problem(
        413,
        "too-large",
        "The body is too large",
        f"A call may carry at most {most // 2**20} MiB.",
        "Send the rows in several calls.",
    )


def answer_studio_error(request: Request, error: Exception) -> JSONResponse:
    """A StudioError as a problem with the fitting status."""
    if not isinstance(error, errors.StudioError):
        return answer_unexpected(request, error)
    status, name = next(((STATUS[c], c.__name__) for c in type(error).__mro__ if c in STATUS), (500, "StudioError"))
    if status >= 500:
        logger.error("%s: %s", error.title, error)
    return problem(status, _kind(name.removesuffix("Error")), error.title, error.message, error.hint)


def answer_bad_request(request: Request, error: Exception) -> JSONResponse:
    """Name the fields that cannot be used, without repeating what was in them."""
    found: list[Any] = list(error.errors()) if isinstance(error, RequestValidationError) else []
    fields = [
        {"field": ".".join(str(part) for part in entry["loc"])[:200] or "body", "message": str(entry["msg"])[:500]}
        for entry in found[:MOST_FIELDS]
    ]
    first = f"{fields[0]['field']}: {fields[0]['message']}" if fields else "The request cannot be read."
    return problem(422, "input", errors.InputError.title, first, "The description of the call is at /api/docs.", fields)


def answer_http_error(request: Request, error: Exception) -> JSONResponse:
    """What routing and parsing refuse: unknown address, wrong method, body that is not JSON."""
    if not isinstance(error, HTTPException):
        return answer_unexpected(request, error)
    if error.status_code == 413:
        return too_large(int(error.detail))
    phrase = http.HTTPStatus(error.status_code).phrase
    detail = {404: "There is nothing at this address.", 405: "This address does not take this method."}
    return problem(
        error.status_code,
        _kind(phrase),
        phrase,
        detail.get(error.status_code, error.detail),
        "The addresses are listed at /api/docs.",
        headers=error.headers,
    )


def answer_unexpected(request: Request, error: Exception) -> JSONResponse:
    """The last resort; the server logs the error itself."""
    return problem(
        500,
        "unexpected",
        errors.StudioError.title,
        "The call failed for a reason that nobody expected.",
        "The server's log has the details.",
    )


def add_problem_handlers(app: FastAPI) -> None:
    """Let every failure of ``app`` leave as a problem."""
    app.add_exception_handler(errors.StudioError, answer_studio_error)
    app.add_exception_handler(RequestValidationError, answer_bad_request)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(Exception, answer_unexpected)


def _kind(words: str) -> str:
    """``NotFound`` and ``Not Found`` as ``not-found``."""
    spaced = "".join(f" {c}" if c.isupper() else c for c in words)
    return "-".join(spaced.lower().split())
