"""What describes the API: the pages, in a browser, which ask nobody else for anything; and the codes of errors."""

import ast
import shutil
from pathlib import Path

import pytest
from playwright.async_api import async_playwright
from yarl import URL

import gateway

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
        await page.get_by_text("Place an order").wait_for()
        await browser.close()
    outside = [url for url in asked if not url.startswith("data:") and URL(url).authority != URL(live.url).authority]
    assert (outside, problems) == ([], [])
    assert {URL(url).path for url in asked if url.startswith("http")} >= {"/docs", "/openapi.json", "/docs/start.js"}


def codes_of(path):
    """-> the codes of the ApiErrors that a file makes, where they stand in it as text."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ApiError":
            for constant in ast.walk(node.args[1]):
                if isinstance(constant, ast.Constant) and not constant.value.endswith(("%d", "_")):
                    yield constant.value


def test_every_code_of_an_error_is_documented():
    root = Path(gateway.__file__).parent
    text = "".join(
        (root.parent / "docs" / name).read_text("utf-8") for name in ("gateway.md", "admin.md", "streams.md")
    )
    codes = {code for path in root.rglob("*.py") for code in codes_of(path)}
    assert {"invalid_json", "unknown_order"} <= codes
    assert [code for code in sorted(codes) if "`%s`" % code not in text] == []
