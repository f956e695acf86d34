"""The pages that describe the API, in a browser: they show it, and ask nobody else for anything."""

import shutil

import pytest
from playwright.async_api import async_playwright
from yarl import URL

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
async def test_the_api_can_be_browsed_without_an_outside_asset(live):
    asked, problems = [], []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        await page.goto(live.url + "/docs")
        await page.get_by_text("/api/v1/orderbook/{symbol}").wait_for()
        assert await page.get_by_text("Place an order").is_visible()
        await browser.close()
    outside = [url for url in asked if not url.startswith("data:") and URL(url).authority != URL(live.url).authority]
    assert (outside, problems) == ([], [])
    assert {URL(url).path for url in asked if url.startswith("http")} >= {"/docs", "/openapi.json", "/docs/start.js"}
