"""The page that describes the API: Swagger UI from an installed package, nothing fetched from another host."""

from __future__ import annotations

import json
import secrets
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse

ASSETS = Path(str(files("fastapi_offline"))) / "static"
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{root}/docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<div id="description"></div>
<script src="{root}/docs/swagger-ui-bundle.js"></script>
<script nonce="{nonce}">
SwaggerUIBundle({{
  spec: {document}, dom_id: "#description", validatorUrl: null, deepLinking: true, docExpansion: "list",
  defaultModelsExpandDepth: 0, persistAuthorization: false
}});
</script>
</body>
</html>
"""


def add_docs_page(app: FastAPI) -> None:
    """Serve the description of ``app`` at /docs. The document is part of the page: /openapi.json asks for a token."""

    @app.get("/docs", include_in_schema=False)
    def docs(request: Request) -> HTMLResponse:
        nonce = secrets.token_urlsafe(16)
        page = PAGE.format(
            title=app.title,
            root=request.scope.get("root_path", ""),
            nonce=nonce,
            document=json.dumps(app.openapi()).replace("<", "\\u003c"),
        )
        policy = (
            f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
            "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})

    @app.get("/docs/swagger-ui.css", include_in_schema=False)
    def style() -> FileResponse:
        return FileResponse(ASSETS / "swagger-ui.css", headers={"Cache-Control": "max-age=3600"})

    @app.get("/docs/swagger-ui-bundle.js", include_in_schema=False)
    def script() -> FileResponse:
        return FileResponse(ASSETS / "swagger-ui-bundle.js", headers={"Cache-Control": "max-age=3600"})
