"""Who gets in: every route but health and the docs page asks for a token."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient as Client

from core.workspace import Workspace
from studio.api import create_api
from studio.api_gate import OPEN
from tests.ui.api.answers import assert_problem


def addresses(app: FastAPI) -> list[tuple[str, str]]:
    """(method, address) of everything the application answers, with 1 for each parameter."""
    found = {(method.upper(), path) for path, calls in app.openapi()["paths"].items() for method in calls}
    for route in app.routes:
        found |= {(method, path) for method in getattr(route, "methods", ()) if (path := getattr(route, "path", ""))}
    return sorted(
        (method, "/".join("1" if "{" in part else part for part in path.split("/"))) for method, path in found
    )


def test_every_route_but_health_and_the_docs_page_needs_a_token(app: FastAPI, stranger: Client) -> None:
    asked = addresses(app)
    assert len(asked) > 25 and ("POST", "/v1/projects/1/predict") in asked and ("GET", "/openapi.json") in asked
    open_ones = {(method, path) for method, path in asked if stranger.request(method, path).status_code != 401}
    assert open_ones == {("GET", path) for path in OPEN}


def test_a_new_route_is_protected_by_itself(workspace: Workspace) -> None:
    app = create_api(lambda: workspace)
    app.get("/v1/new")(lambda: "secret")
    app.mount("/v1/inner", create_api(lambda: workspace))
    client = Client(app)
    for path in ("/v1/new", "/v1/inner/v1/health", "/v1/nothing", "/v1/health/", "//v1/health", "/v1/health/../new"):
        assert client.get(path).status_code == 401, path
    assert client.post("/v1/health").status_code == 401
    assert client.options("/v1/projects").status_code == 401


def test_mounted_under_a_prefix(workspace: Workspace) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    client = Client(Starlette(routes=[Mount("/api", app=create_api(lambda: workspace))]))
    assert client.get("/api/v1/health").json()["status"] == "ok"
    for path in ("/api/v1/projects", "/api/openapi.json", "/api/api/v1/health"):
        assert client.get(path).status_code == 401
    token = {"Authorization": f"Bearer {workspace.create_token('prefix')}"}
    assert client.get("/api/v1/projects", headers=token).status_code == 200
    assert client.get("/api/openapi.json", headers=token).json()["servers"] == [{"url": "/api"}]
    assert 'src="/api/docs/swagger-ui-bundle.js"' in client.get("/api/docs").text


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic d3N0Xzp4",
        "Bearer " + "a" * 100_000,
        "Bearer wst_\xff' OR 1=1 --",
        "Token {token}",
        "{token}",
        "Bearer {token}x",
        "Bearer {token} {token}",
    ],
)
def test_all_refusals_look_alike(stranger: Client, workspace: Workspace, header: str) -> None:
    value = header.replace("{token}", workspace.create_token("used wrongly")).encode("latin-1")
    refused = stranger.get("/v1/projects", headers={b"Authorization": value})
    assert_problem(refused, 401, "Settings")
    assert refused.headers["www-authenticate"] == 'Bearer realm="whetstone"'
    assert refused.content == stranger.get("/v1/projects").content


def test_a_token_counts_only_in_its_header_and_until_it_is_revoked(stranger: Client, workspace: Workspace) -> None:
    token = workspace.create_token("short-lived")
    for name in ("token", "access_token", "authorization"):
        assert stranger.get("/v1/projects", params={name: token}).status_code == 401
    twice = [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer other")]
    assert stranger.get("/v1/projects", headers=twice).status_code == 401
    assert stranger.get("/v1/projects", headers={"authorization": f"bearer {token}"}).status_code == 200
    workspace.revoke_token(next(known.id for known in workspace.tokens() if known.name == "short-lived"))
    assert stranger.get("/v1/projects", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_no_token_in_logs(caller: Client, stranger: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        caller.get("/v1/projects/999")
        stranger.get("/v1/projects", headers={"Authorization": "Bearer wst_visible"})
    secret = str(caller.headers["authorization"]).removeprefix("Bearer ")
    assert secret not in caplog.text and "wst_visible" not in caplog.text
