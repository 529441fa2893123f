"""The one door of the API: every request passes here before any route is looked up, and is refused unless it carries a
valid token. A new route, a mounted application and an address that does not exist are protected without a word.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import StudioError
from core.workspace import Workspace
from studio.api_problems import SAFE_HEADERS, too_large, unauthorized, unavailable

LARGEST_BODY = 32 * 2**20
"""Bytes of one request's body."""
LONGEST_TOKEN = 200
"""Characters; what is longer is no token of ours and is not even hashed."""
OPEN = frozenset({"/v1/health", "/docs", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"})
"""All that a GET may have without a token: a sign of life, and the page that describes the API."""


class Gate:
    """ASGI middleware that asks for the token and bounds the body."""

    def __init__(self, app: ASGIApp, get_workspace: Callable[[], Workspace]) -> None:
        self.app = app
        self.get_workspace = get_workspace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it here."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, _careful(send))
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if not (scope["method"] == "GET" and path in OPEN):
            secret = _secret(headers)
            try:
                known = secret is not None and await run_in_threadpool(self._check, secret)
            except StudioError as error:
                await unavailable(error)(scope, receive, send)
                return
            if not known:
                await unauthorized()(scope, receive, send)
                return
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            await too_large(LARGEST_BODY)(scope, receive, send)
            return
        await self.app(scope, _bounded(receive), send)

    def _check(self, secret: str) -> bool:
        return self.get_workspace().check_token(secret)


def _secret(headers: Headers) -> str | None:
    """The token of the one Authorization header; None when there is none, or more than one."""
    values = headers.getlist("authorization")
    if len(values) != 1:
        return None
    scheme, _, secret = values[0].partition(" ")
    secret = secret.strip()
    return secret if scheme.lower() == "bearer" and 0 < len(secret) <= LONGEST_TOKEN else None


def _bounded(receive: Receive) -> Receive:
    """Refuse a body that turns out longer than it said, or did not say how long it is."""
    read = 0

    async def bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > LARGEST_BODY:
            raise HTTPException(413, str(LARGEST_BODY))
        return message

    return bounded


def _careful(send: Send) -> Send:
    """Add the safe headers to every answer, and leave those alone that a route chose itself."""

    async def careful(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SAFE_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return careful
