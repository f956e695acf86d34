"""The web page at `/`, in a real browser."""

import contextlib
import os

import pytest
from playwright.async_api import async_playwright, expect

from tests.gateway.live import until

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MILLISECONDS_MAX = 30_000
expect.set_options(timeout=MILLISECONDS_MAX)

pytestmark = pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="no Chromium at %s" % CHROMIUM)


@contextlib.asynccontextmanager
async def browser_page(url):
    """-> (page, [what went wrong in it], [requests to elsewhere])"""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            page = await browser.new_page()
            page.set_default_timeout(MILLISECONDS_MAX)
            problems, elsewhere = [], []
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
            page.on("request", lambda request: elsewhere.append(request.url) if not is_ours(request.url, url) else None)
            await page.goto(url + "/")
            yield page, problems, elsewhere
        finally:
            await browser.close()


def is_ours(address, url):
    return address.startswith((url + "/", url.replace("http", "ws", 1) + "/", "data:"))


def limit(market, side, quantity, price):
    return {"symbol": market.symbol, "side": side, "type": "limit", "quantity": quantity, "price": price}


async def test_the_page_shows_a_market_and_places_an_order(exchange):
    market = await exchange.market()
    alice, bob = await exchange.trader("alice"), await exchange.trader("bob")
    await alice.post("/orders", limit(market, "sell", "0.3", "50000"))
    await bob.post("/orders", limit(market, "buy", "0.2", "49000"))
    await bob.post("/orders", limit(market, "buy", "0.01", "50000"))  # a trade of before
    path = "/historical/trades/" + market.symbol
    await until(lambda: bob.get(path), lambda answer: answer.status == 200 and answer.data["trades"])
    async with browser_page(exchange.live.url) as (page, problems, elsewhere):

        def shows(selector, text):
            return expect(page.locator(selector)).to_contain_text(text)

        await page.select_option("#symbol", market.symbol)
        await shows("#status", "live")
        await shows("#asks", "50000.000.290000")
        await shows("#trades", "50000.000.010000")
        await shows("#bids", "49000.000.200000")
        await shows("#spread", "1000.00")
        await bob.post("/orders", limit(market, "buy", "0.1", "50000"))  # a live trade
        await shows("#trades", "50000.000.100000")
        await expect(page.locator("#trades tr")).to_have_count(2)
        await shows("#asks", "50000.000.190000")
        await shows("#last", "50000.00")
        await expect(page.locator("#chart canvas").first).to_be_visible()

        await expect(page.locator("#place")).to_be_disabled()
        await page.fill("#token", bob.token)
        await page.click("#token-form button")
        await shows("#user", bob.user)
        await shows("#own-orders", "OPEN")
        await page.select_option("#side", "buy")
        await page.fill("#quantity", "0.05")
        await page.fill("#price", "48000")
        await page.click("#place")
        await shows("#answer", "OPEN")
        await shows("#bids", "48000.000.050000")
        await expect(page.locator("#own-orders tr")).to_have_count(2)
        await page.click("#own-orders tr:first-child button")
        await shows("#own-orders tr:first-child", "CANCELLED")
        await page.fill("#quantity", "nonsense")
        await page.click("#place")
        await shows("#answer", "invalid")
        assert elsewhere == []
        assert [problem for problem in problems if "422" not in problem and "503" not in problem] == []


async def test_a_bad_token_signs_nobody_in(exchange):
    await exchange.market()
    async with browser_page(exchange.live.url) as (page, _, elsewhere):
        await expect(page.locator("#status")).to_contain_text("live")
        await page.fill("#token", "not.a.token")
        await page.click("#token-form button")
        await expect(page.locator("#user")).to_contain_text("not a valid token")
        await expect(page.locator("#place")).to_be_disabled()
        assert elsewhere == []


async def test_the_page_names_whose_charts_they_are(exchange):
    async with exchange.session.get(exchange.live.url + "/") as response:
        text = await response.text()
        policy = response.headers["Content-Security-Policy"]
    assert "TradingView Lightweight Charts" in text and "https://www.tradingview.com/" in text
    assert "default-src 'none'" in policy and "script-src 'self'" in policy
