"""What every group of API routes is built on: strict JSON, the open workspace, the token on the docs page."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic_core import from_json
from starlette.exceptions import HTTPException

from core.workspace import Workspace
from studio.api_problems import MEDIA_TYPE, Problem

GetWorkspace = Callable[[], Workspace]
PROBLEM: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Everything that is not a success: what happened, and what to do next.",
        "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    }
}


class _StrictRequest(Request):
    """JSON as the standard has it: no NaN, no half characters that could not be stored, no endless nesting."""

    async def json(self) -> Any:
        try:
            return from_json(await self.body(), allow_inf_nan=False)
        except ValueError as error:
            raise HTTPException(400, f"The body is not valid JSON: {error}.") from error


class StrictRoute(APIRoute):
    """A route that reads its body strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler behind a strict request."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(_StrictRequest(request.scope, request.receive))

        return strict


def open_workspace(request: Request) -> Workspace:
    """The workspace of this installation. Raises StudioError when it cannot be opened."""
    opened: Workspace = request.app.state.get_workspace()
    return opened


Open = Annotated[Workspace, Depends(open_workspace)]
# The dependency only tells the docs page about the token; what keeps callers out is the gate.
_bearer = HTTPBearer(auto_error=False, description="A token from the Settings page.")


def protected(prefix: str = "") -> APIRouter:
    """A router whose calls need a token and read strict JSON."""
    return APIRouter(prefix=prefix, route_class=StrictRoute, responses=PROBLEM, dependencies=[Depends(_bearer)])
