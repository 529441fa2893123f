"""The docs page, the OpenAPI document and the guide say everything and fetch nothing."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient as Client

from studio.api_docs import ASSETS
from studio.api_problems import STATUS, _kind


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


def test_files_of_the_docs_page_are_there() -> None:
    assert Path(ASSETS / "swagger-ui.css").is_file()


def test_the_guide_names_every_call_and_every_kind_of_problem(app: FastAPI) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
    for path in app.openapi()["paths"]:
        pattern = re.sub(r"\{\w+\}", "[^/ ]+", path.removeprefix("/v1"))
        assert re.search(rf"\$WHETSTONE{pattern}(?![/\w])", guide), path
    for error in STATUS:
        assert f"`{_kind(error.__name__.removesuffix('Error'))}`" in guide, error
