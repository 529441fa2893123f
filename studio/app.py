"""Entry point: ``streamlit run studio/app.py``. One process serves the pages and the REST API under /api."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import streamlit as st
from starlette.routing import Mount

from core.errors import StudioError
from studio.api import create_api
from studio.guard import on_script_error
from studio.services import close_workspace, get_workspace

logger = logging.getLogger("whetstone")


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[dict[str, Any]]:
    """Open the workspace before the first visitor and close it at the end.

    A workspace that cannot be opened does not stop the server: each page says why, and tries again.
    """
    try:
        workspace = await anyio.to_thread.run_sync(get_workspace)
        logger.info("workspace %s", workspace.path)
    except StudioError as error:
        logger.error("%s: %s", error.title, error)
        yield {}
        return
    try:
        yield {}
    finally:
        await anyio.to_thread.run_sync(close_workspace)


app = st.App(
    "main.py",
    lifespan=lifespan,
    routes=[Mount("/api", app=create_api(get_workspace))],
    on_script_error=on_script_error,
)
