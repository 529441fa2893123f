"""Every refusal is a problem that people can read and that lets nothing out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient as Client

from core.errors import InputError, StudioError, WorkspaceBusyError
from core.workspace import Workspace
from studio import api_gate
from studio.api import create_api
from tests.ui.api.answers import assert_problem


@pytest.mark.parametrize(
    "address", ["/v1/runs/..%2f..%2fetc", "/v1/models/%2e%2e/card", "/v1/runs/%00", "/v1/runs/a%0ab"]
)
def test_ids_are_no_paths(caller: Client, address: str) -> None:
    assert_problem(caller.get(address), 404)


@pytest.mark.parametrize("address", ["/v1/projects/0", f"/v1/projects/{10**40}", "/v1/projects/one"])
def test_unusable_numbers(caller: Client, address: str) -> None:
    assert_problem(caller.get(address), 422)


def test_what_does_not_exist_or_is_not_allowed(caller: Client, project: str) -> None:
    assert_problem(caller.get("/v1/projects/999999"), 404)
    assert_problem(caller.get(f"{project}/items/999999"), 404)
    assert_problem(caller.get("/v1/nothing"), 404)
    assert_problem(caller.delete(project), 405)
    assert_problem(caller.post("/v1/projects", json={"name": " \u0000 "}), 422, "name")
    assert_problem(caller.post(f"{project}/labels", json={"labels": [{"name": "refund"}]}), 422, "refund")
    assert_problem(caller.post(f"{project}/labels", json={"labels": [{"name": "a", "colour": "red;x:url()"}]}), 422)
    assert_problem(caller.post(f"{project}/versions", json={}), 409)
    assert_problem(caller.post(f"{project}/runs", json={"version_id": 999, "method": "baseline"}), 404)


def test_a_body_is_bounded_whether_it_says_its_length_or_not(caller: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_gate, "LARGEST_BODY", 2**20)
    json_type = {"content-type": "application/json"}
    assert_problem(caller.post("/v1/projects", content=b" " * (2**20 + 1), headers=json_type), 413, "1 MiB")

    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 2**16

    assert_problem(caller.post("/v1/projects", content=chunks(), headers=json_type), 413, "1 MiB")


def test_a_workspace_that_cannot_be_opened_says_so_without_naming_folders() -> None:
    def locked() -> Workspace:
        raise WorkspaceBusyError("/home/ann/.whetstone is open in process 17.", "Close it.")

    client = Client(create_api(locked))
    for answer in (client.get("/v1/health"), client.get("/v1/projects", headers={"Authorization": "Bearer x"})):
        assert_problem(answer, 503)
        assert "/home" not in answer.text and "17" not in answer.text


def test_errors_of_core_and_of_nobody(workspace: Workspace) -> None:
    app = create_api(lambda: workspace)

    @app.get("/v1/known")
    def known() -> None:
        raise InputError("Row 3 is odd.", "Leave it out.")

    @app.get("/v1/base")
    def base() -> None:
        raise StudioError("Hm.")

    @app.get("/v1/unknown")
    def unknown() -> None:
        raise RuntimeError("/home/ann/core/secret.py")

    token = workspace.create_token("errors")
    client = Client(app, headers={"Authorization": f"Bearer {token}"}, raise_server_exceptions=False)
    answer = client.get("/v1/known")
    assert_problem(answer, 422, "Row 3 is odd.", "Leave it out.")
    assert answer.json()["title"] == InputError.title
    assert_problem(client.get("/v1/base"), 500)
    answer = client.get("/v1/unknown")
    assert_problem(answer, 500)
    assert "secret" not in answer.text and answer.headers["x-content-type-options"] == "nosniff"
