"""The REST API on a workspace of its own, with and without a token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient as Client

from core.settings import Settings
from core.workspace import Workspace
from studio.api import create_api


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    home = tmp_path_factory.mktemp("home")
    with Workspace.open(home, Settings(home=home, demo=False, offline=True, device="cpu")) as opened:
        yield opened


@pytest.fixture(scope="module")
def app(workspace: Workspace) -> FastAPI:
    return create_api(lambda: workspace)


@pytest.fixture(scope="module")
def stranger(app: FastAPI) -> Client:
    """A caller without a token."""
    return Client(app, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def caller(app: FastAPI, workspace: Workspace) -> Client:
    """A caller with a token."""
    token = workspace.create_token("tests")
    return Client(app, headers={"Authorization": f"Bearer {token}"}, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def project(caller: Client) -> str:
    """Address of a project with two labels, to which tests add what they like."""
    made = caller.post("/v1/projects", json={"name": "Shared", "labels": [{"name": "refund"}, {"name": "delivery"}]})
    assert made.status_code == 201, made.text
    return f"/v1/projects/{made.json()['id']}"
