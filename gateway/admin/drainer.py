"""What the drainer says of itself, on its own port: asked when an operator asks, and briefly."""

import asyncio

import aiohttp
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

ASK_SECONDS = 1.0
BYTES_MAX = 1 << 20
BREAKER_STATES = {0: "closed", 1: "half_open", 2: "open"}


class Drainer:
    """`url` of its port; empty: it is not asked."""

    def __init__(self, url):
        self._url = url.rstrip("/")
        self._session = None

    async def metrics(self):
        """-> {name: value} of its metrics without labels; None where it cannot be reached."""
        if not self._url:
            return None
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(ASK_SECONDS))
        try:
            async with self._session.get(self._url + "/metrics") as response:
                text = (await response.content.read(BYTES_MAX)).decode()
            families = list(text_string_to_metric_families(text))
        except (aiohttp.ClientError, asyncio.TimeoutError, ValueError):
            return None
        return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}

    async def close(self):
        if self._session is not None:
            await self._session.close()


def breaker_of(metrics):
    """-> state of the circuit breaker before the wallet; None where trades are not settled, or nothing is known."""
    return BREAKER_STATES.get((metrics or {}).get("settlement_breaker_state"))


DRAINER = web.AppKey("drainer", Drainer)


def make_drainer(app, url):
    app[DRAINER] = Drainer(url)
    app.on_cleanup.append(lambda app: app[DRAINER].close())
