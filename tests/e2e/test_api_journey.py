"""A program and the really started app: a token from the Settings page, a docs page from this server alone."""

from __future__ import annotations

import httpx
from playwright.sync_api import Page, expect

from tests.e2e.server import Server, settled


def test_from_the_settings_page_to_a_first_call(server: Server, page: Page) -> None:
    api = httpx.Client(base_url=f"{server.url}/api/v1")
    assert api.get("/health").json()["status"] == "ok"
    refused = api.get("/projects")
    assert refused.status_code == 401 and refused.headers["www-authenticate"].startswith("Bearer")
    page.goto(f"{server.url}/settings?setup=tokens")
    settled(page)
    page.get_by_label("What will use the token?").fill("help desk <b>")
    page.get_by_role("button", name="Create a token").click()
    token = page.get_by_test_id("stCode").locator("code").inner_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    assert api.get("/projects", headers=headers).json() == []
    assert api.post("/projects", headers=headers, json={"name": "By program"}).status_code == 201
    assert token not in server.log()


def test_the_docs_page_asks_nobody_else(server: Server, page: Page) -> None:
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{server.url}/api/docs")
    expect(page.locator(".opblock")).not_to_have_count(0)
    # A call from the page itself: health needs no token.
    page.locator("[id*=health_v1_health]").get_by_role("button").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table tbody .response-col_status").first).to_contain_text("200")
    assert all(url.startswith(server.url) for url in asked) and not said
