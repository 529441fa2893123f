"""The REST API on a workspace of its own: the whole loop, who gets in, and what hostile callers get."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from core.errors import InputError, StudioError, WorkspaceBusyError
from core.settings import Settings
from core.workspace import Workspace
from studio import api_gate
from studio.api import create_api
from studio.api_gate import OPEN
from studio.api_problems import STATUS, _kind

Client = TestClient
WORDS = {
    "refund": "money back please refund charge twice bill card pay return",
    "delivery": "parcel late where arrives courier street door box track post",
}


def texts(rows: int) -> list[tuple[str, str]]:
    """(text, label) pairs with words that only their label uses, all different."""
    pairs = []
    for index in range(rows):
        label = ["refund", "delivery"][index % 2]
        words = WORDS[label].split()
        pairs.append((f"{words[index % 10]} {words[(index * 3 + 1) % 10]} number {index}", label))
    return pairs


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
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def caller(app: FastAPI, workspace: Workspace) -> Client:
    """A caller with a token."""
    token = workspace.create_token("tests")
    return TestClient(app, headers={"Authorization": f"Bearer {token}"}, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def project(caller: Client) -> str:
    """Address of a project with two labels, to which tests add what they like."""
    made = caller.post("/v1/projects", json={"name": "Shared", "labels": [{"name": "refund"}, {"name": "delivery"}]})
    assert made.status_code == 201, made.text
    return f"/v1/projects/{made.json()['id']}"


def assert_problem(answer: Any, status: int, *words: str) -> None:
    """The answer is a problem that people can read, and lets nothing out."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status and body["title"] and body["type"].startswith("urn:whetstone:problem:")
    for word in words:
        assert word in body["detail"] + body["hint"]
    assert "Traceback" not in answer.text and "core/" not in answer.text


# ------------------------------------------------------------ the loop


def test_whole_loop(caller: Client, workspace: Workspace) -> None:
    made = caller.post("/v1/projects", json={"name": "Support", "labels": [{"name": "refund", "colour": "#0F766E"}]})
    address = f"/v1/projects/{made.json()['id']}"
    assert caller.post(f"{address}/labels", json={"labels": [{"name": "delivery"}]}).status_code == 201
    assert [label["name"] for label in caller.get(f"{address}/labels").json()] == ["refund", "delivery"]

    rows: list[dict[str, Any]] = [{"text": text, "label": label, "channel": "mail"} for text, label in texts(40)]
    report = caller.post(f"{address}/items", json={"items": [*rows, {"text": "my parcel", "id": 7}, rows[0]]}).json()
    assert (report["added"], report["duplicates"], report["labelled"]) == (41, 1, 40)
    page = caller.get(f"{address}/items", params={"labelled": False}).json()
    assert page["total"] == 1 and page["items"][0]["external_id"] == "7"
    item = page["items"][0]["id"]
    labelled = caller.put(f"{address}/items/{item}/label", json={"label": "delivery", "user": "bot"}).json()
    assert (labelled["label"], labelled["label_source"], labelled["annotator"]) == ("delivery", "api", "bot")
    assert caller.get(f"{address}/items/{item}").json() == labelled
    assert caller.get(f"{address}/progress").json()["per_label"] == {"delivery": 21, "refund": 20}
    second = caller.get(f"{address}/items", params={"labels": ["refund", "delivery"], "offset": 1, "limit": 2}).json()
    assert second["total"] == 41 and [i["position"] for i in second["items"]] == [1, 2]
    assert second["items"][0]["meta"] == {"channel": "mail"}

    version = caller.post(f"{address}/versions", json={"test": 0.25, "dev": 0.1}).json()
    assert "path" not in version and caller.get(f"{address}/versions").json() == [version]
    assert_problem(caller.post(f"{address}/predict", json={"texts": ["x"]}), 409, "Promote")

    run = caller.post(f"{address}/runs", json={"version_id": version["id"], "method": "baseline"})
    assert run.status_code == 202
    model = wait_for(caller, run.json()["id"])
    assert caller.get(f"/v1/runs/{model}/events").status_code == 200
    assert_problem(caller.post(f"/v1/runs/{model}/resume"), 409)
    assert [r["id"] for r in caller.get(f"{address}/runs").json()] == [model]

    assert caller.get(f"/v1/models/{model}").json()["metrics"]["accuracy"] > 0.5
    assert "path" not in caller.get(f"{address}/models").json()[0]
    answer = caller.post(f"/v1/models/{model}/predict", json={"texts": ["refund my money", "parcel late"]}).json()
    assert [p["label"] for p in answer["predictions"]] == ["refund", "delivery"]
    assert sum(answer["predictions"][0]["scores"].values()) == pytest.approx(1, abs=1e-4)
    assert caller.post(f"/v1/models/{model}/promote").json()["champion"] is True
    assert caller.post(f"{address}/predict", json={"texts": ["refund my money"]}).json()["model"] == model

    card = caller.get(f"/v1/models/{model}/card")
    assert card.text == workspace.model(model).card() and "baseline" in card.text
    assert card.headers["content-type"] == "text/markdown; charset=utf-8"
    assert card.headers["x-content-type-options"] == "nosniff"


def wait_for(caller: Client, run: str) -> str:
    """Ask until the run has finished and its model is registered; returns the model's id."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state = caller.get(f"/v1/runs/{run}").json()
        if state["state"] == "finished" and caller.get(f"/v1/models/{run}").status_code == 200:
            return run
        assert state["state"] in ("queued", "running", "finished"), state
        time.sleep(0.2)
    raise AssertionError(state)


def test_stop_a_run(caller: Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"/v1/projects/{caller.post('/v1/projects', json={'name': 'Stopped'}).json()['id']}"
    caller.post(f"{address}/items", json={"items": [{"text": t, "label": label} for t, label in texts(20)]})
    version = caller.post(f"{address}/versions", json={}).json()["id"]
    run = caller.post(f"{address}/runs", json={"version_id": version, "method": "baseline"}).json()
    assert "pid" not in run and run["options"]["seed"] == 0
    assert caller.post(f"/v1/runs/{run['id']}/stop").status_code == 202
    state = workspace.run(run["id"]).wait(60).state
    # A baseline takes a second or two: it may have finished before it heard of the stop.
    assert state in ("stopped", "finished")
    if state == "stopped":
        assert caller.post(f"/v1/runs/{run['id']}/resume").status_code == 202
        wait_for(caller, run["id"])


def test_choices(caller: Client) -> None:
    methods = {method["name"]: method for method in caller.get("/v1/methods").json()}
    assert {"baseline", "features", "full", "lora"} <= set(methods)
    assert methods["lora"]["needs_base"] and methods["lora"]["options"]["properties"]["seed"]["description"]
    assert caller.get("/v1/methods", params={"task": "nonsense"}).json() == []
    bases = {base["id"]: base for base in caller.get("/v1/bases").json()}
    assert bases["minilm"]["available"] is True


# ------------------------------------------------------------ who gets in


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
    client = TestClient(app)
    for path in ("/v1/new", "/v1/inner/v1/health", "/v1/nothing", "/v1/health/", "//v1/health", "/v1/health/../new"):
        assert client.get(path).status_code == 401, path
    assert client.post("/v1/health").status_code == 401
    assert client.options("/v1/projects").status_code == 401


def test_mounted_under_a_prefix(workspace: Workspace) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    client = TestClient(Starlette(routes=[Mount("/api", app=create_api(lambda: workspace))]))
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


def test_a_workspace_that_cannot_be_opened_says_so_without_naming_folders() -> None:
    def locked() -> Workspace:
        raise WorkspaceBusyError("/home/ann/.whetstone is open in process 17.", "Close it.")

    client = TestClient(create_api(locked))
    for answer in (client.get("/v1/health"), client.get("/v1/projects", headers={"Authorization": "Bearer x"})):
        assert_problem(answer, 503)
        assert "/home" not in answer.text and "17" not in answer.text


def test_the_docs_page_needs_nothing_from_elsewhere(stranger: Client) -> None:
    page = stranger.get("/docs")
    assert page.status_code == 200 and "/v1/projects/{project_id}/predict" in page.text
    assert "http://" not in page.text and "https://" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert len(stranger.get("/docs/swagger-ui-bundle.js").content) > 1_000_000
    assert stranger.get("/docs/swagger-ui.css").headers["content-type"].startswith("text/css")


def test_every_call_and_field_is_described(app: FastAPI) -> None:
    document = app.openapi()
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            assert call["description"], (method, path)
            assert path == "/v1/health" or call["security"] == [{"HTTPBearer": []}]
    assert "pid" not in document["components"]["schemas"]["PublicRun"]["properties"]


# ------------------------------------------------------------ hostile and clumsy callers


HOSTILE = ["'; DROP TABLE items; --", "../../etc/passwd", "<script>alert(1)</script>", ":red[x] **b** $x$", "\u202ea"]


@pytest.mark.parametrize("text", HOSTILE)
def test_user_text_is_only_text(caller: Client, project: str, text: str) -> None:
    rows = [{"text": text + " row", "label": None, "id": text, text: text}]
    added = caller.post(f"{project}/items", json={"items": rows, "source": text, "user": text})
    assert added.status_code == 201 and added.json()["added"] == 1, added.text
    item = caller.get(f"{project}/items", params={"newest_first": True, "limit": 1}).json()["items"][0]
    assert (item["external_id"], item["source"]) == (text, text)
    assert item["text"] == text + " row" and list(item["meta"].values()) == [text]
    found = caller.get(f"{project}/items", params={"text": text}).json()
    assert found["total"] == 1 and caller.get(f"{project}/items", params={"sources": text}).json()["total"] == 1
    for query in ({"labels": text}, {"splits": text}, {"annotators": text}):
        assert caller.get(f"{project}/items", params=query).status_code in (200, 422)
    assert_problem(caller.put(f"{project}/items/{item['id']}/label", json={"label": text}), 422)
    for address in (f"/v1/runs/{text}", f"/v1/models/{text}/card"):
        assert caller.get(address).status_code == 404
    run = {"version_id": 1, "method": text}
    assert caller.post(f"{project}/runs", json=run).status_code == 404


@pytest.mark.parametrize(
    "address", ["/v1/runs/..%2f..%2fetc", "/v1/models/%2e%2e/card", "/v1/runs/%00", "/v1/runs/a%0ab"]
)
def test_ids_are_no_paths(caller: Client, address: str) -> None:
    assert_problem(caller.get(address), 404)


def test_nul_and_huge_texts(caller: Client, project: str) -> None:
    rows = [{"text": "with\u0000nul"}, {"text": "x" * 3_000_000}, {"text": ""}, {"text": "fine"}]
    answer = caller.post(f"{project}/items", json={"items": rows})
    assert answer.status_code == 201, answer.text
    report = answer.json()
    assert report["added"] + len(report["rejected"]) == 4 and report["added"] >= 1
    assert all(row["reason"] for row in report["rejected"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"", 422),
        (b"[]", 422),
        (b"\xff\xfe", 400),
        (b'{"items": [{"text": "\\ud800"}]}', 400),
        (b'{"items": [{"text": "a", "x": NaN}]}', 400),
        (b'{"items": ' + b"[" * 100_000, 400),
        (b'{"items": []}', 422),
        (b'{"items": [{"text": 7}]}', 422),
        (b'{"items": [{"text": "a"}], "more": 1}', 422),
        (b'{"items": [{"text": "a"}], "user": "  "}', 422),
        (json.dumps({"items": [{"text": "a"}] * 10_001}).encode(), 422),
    ],
    ids=lambda value: str(value)[:30],
)
def test_unusable_bodies(caller: Client, project: str, body: bytes, status: int) -> None:
    before = caller.get(f"{project}/progress").json()["total"]
    answer = caller.post(f"{project}/items", content=body, headers={"content-type": "application/json"})
    assert_problem(answer, status)
    assert caller.get(f"{project}/progress").json()["total"] == before


def test_unusable_input_names_the_field_and_repeats_nothing(caller: Client, project: str) -> None:
    answer = caller.post(f"{project}/items", json={"items": [{"text": "ok"}, {"text": {"secret": 1}}]})
    assert_problem(answer, 422, "body.items.1.text")
    assert answer.json()["errors"][0]["field"] == "body.items.1.text" and "secret" not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 1001},
        {"offset": -1},
        {"offset": 10**30},
        {"ids": 10**30},
        {"labelled": "maybe"},
        {"tect": "typo"},
    ],
    ids=str,
)
def test_unusable_queries(caller: Client, project: str, query: dict[str, Any]) -> None:
    assert_problem(caller.get(f"{project}/items", params=query), 422)


@pytest.mark.parametrize("address", ["/v1/projects/0", f"/v1/projects/{10**40}", "/v1/projects/one"])
def test_unusable_numbers(caller: Client, address: str) -> None:
    assert_problem(caller.get(address), 422)


@pytest.mark.parametrize(
    ("options", "word"),
    [({"version": 1}, "version"), ({"self": 1}, "self"), ({"seed": -1}, "seed"), ({"seed": "x"}, "seed")],
    ids=str,
)
def test_unusable_options(caller: Client, project: str, options: dict[str, Any], word: str) -> None:
    answer = caller.post(f"{project}/runs", json={"version_id": 1, "method": "baseline", "options": options})
    assert_problem(answer, 422, word)


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


def test_a_base_model_is_no_path(caller: Client) -> None:
    address = f"/v1/projects/{caller.post('/v1/projects', json={'name': 'Bases'}).json()['id']}"
    caller.post(f"{address}/items", json={"items": [{"text": t, "label": label} for t, label in texts(20)]})
    version = caller.post(f"{address}/versions", json={}).json()["id"]
    for base in ("../../etc", "/etc/passwd", "local:../x", "a/b/c", "http://host/x"):
        run = {"version_id": version, "method": "features", "base": base}
        assert_problem(caller.post(f"{address}/runs", json=run), 422, "base model")
    assert caller.get(f"{address}/runs").json() == []


def test_prediction_limits(caller: Client) -> None:
    bodies: list[dict[str, Any]] = [
        {"texts": []},
        {"texts": ["x"] * 1001},
        {"texts": ["x" * 100_001]},
        {"texts": ["a"], "texts_b": ["b", "c"]},
        {"texts": "not a list"},
    ]
    for body in bodies:
        assert caller.post("/v1/models/none/predict", json=body).status_code in (404, 422)
        assert_problem(caller.post("/v1/models/none/predict", json={"texts": ["a"]}), 404)


def test_a_body_is_bounded_whether_it_says_its_length_or_not(caller: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_gate, "LARGEST_BODY", 2**20)
    json_type = {"content-type": "application/json"}
    assert_problem(caller.post("/v1/projects", content=b" " * (2**20 + 1), headers=json_type), 413, "1 MiB")

    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 2**16

    assert_problem(caller.post("/v1/projects", content=chunks(), headers=json_type), 413, "1 MiB")


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
    client = TestClient(app, headers={"Authorization": f"Bearer {token}"}, raise_server_exceptions=False)
    answer = client.get("/v1/known")
    assert_problem(answer, 422, "Row 3 is odd.", "Leave it out.")
    assert answer.json()["title"] == InputError.title
    assert_problem(client.get("/v1/base"), 500)
    answer = client.get("/v1/unknown")
    assert_problem(answer, 500)
    assert "secret" not in answer.text and answer.headers["x-content-type-options"] == "nosniff"


def test_files_of_the_docs_page_are_there() -> None:
    from studio.api_docs import ASSETS

    assert Path(ASSETS / "swagger-ui.css").is_file()


def test_the_guide_names_every_call_and_every_kind_of_problem(app: FastAPI) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    for path in app.openapi()["paths"]:
        pattern = re.sub(r"\{\w+\}", "[^/ ]+", path.removeprefix("/v1"))
        assert re.search(rf"\$WHETSTONE{pattern}(?![/\w])", guide), path
    for error in STATUS:
        assert f"`{_kind(error.__name__.removesuffix('Error'))}`" in guide, error
