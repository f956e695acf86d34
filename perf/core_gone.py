"""The core is killed under a gateway that is busy: how soon is that said? `python -m perf.core_gone --help`. CPython
runs this, and the gateway; `--core-python` the core."""

import argparse
import asyncio
import time

import aiohttp

from perf.gateway import orders_of, own_gateway, prepare
from tools.load.core import HOST, own_core
from tools.load.report import print_figures
from tools.token import new_secret_key

WORKERS = 16  # of each kind, one request at a time each
BEFORE_SECONDS, AFTER_SECONDS = 3.0, 8.0  # an order that was under way is settled or given up in between
PAUSE_SECONDS = 0.01  # after a 503


class Asked:
    """One request: what it was, when it went out and when it was answered, with which status or error."""

    def __init__(self, kind, sent_s, answered_s, outcome):
        self.kind = kind
        self.sent_s = sent_s
        self.answered_s = answered_s
        self.outcome = outcome


async def ask(session, kind, request, until_s, asked):
    method, path, _, token, body = request
    headers = {"Authorization": "Bearer " + token} if token else {}
    while (sent_s := time.perf_counter()) < until_s:
        async with session.request(method, path, headers=headers, json=body) as response:
            answer = await response.json()
        outcome = str(response.status) if answer["success"] else "%d %s" % (response.status, answer["error"]["code"])
        asked.append(Asked(kind, sent_s, time.perf_counter(), outcome))
        if response.status == 503:
            await asyncio.sleep(PAUSE_SECONDS)


async def measure(core, port, requests):
    """-> ([Asked, ...], when the core was killed)."""
    asked = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession("http://%s:%d" % (HOST, port), connector=connector) as session:
        until_s = time.perf_counter() + BEFORE_SECONDS + AFTER_SECONDS
        workers = [
            asyncio.create_task(ask(session, kind, request, until_s, asked))
            for kind, request in requests.items()
            for _ in range(WORKERS)
        ]
        await asyncio.sleep(BEFORE_SECONDS)
        killed_s = time.perf_counter()
        core.process.kill()
        await asyncio.gather(*workers)
    return asked, killed_s


def figures_of(asked, killed_s):
    """-> {what: figures}, milliseconds."""
    figures = {}
    for kind in dict.fromkeys(one.kind for one in asked):
        own = [one for one in asked if one.kind == kind]
        for name, chosen, since in (
            ("under way", [one for one in own if one.sent_s <= killed_s < one.answered_s], lambda one: killed_s),
            ("sent later", [one for one in own if one.sent_s > killed_s], lambda one: one.sent_s),
        ):
            outcomes = {}
            for one in chosen:
                outcomes.setdefault(one.outcome, []).append((one.answered_s - since(one)) * 1_000)
            figures["%s, %s" % (kind, name)] = {outcome: _summary(found) for outcome, found in outcomes.items()}
        first_s = min((one.answered_s for one in own if one.outcome.startswith("503")), default=None)
        if first_s is not None:
            figures["%s, first 503 after the kill" % kind] = {"ms": round((first_s - killed_s) * 1_000, 1)}
    return figures


def _summary(milliseconds):
    milliseconds.sort()
    return {
        "count": len(milliseconds),
        "median_ms": round(milliseconds[len(milliseconds) // 2], 1),
        "p99_ms": round(milliseconds[len(milliseconds) * 99 // 100], 1),
        "max_ms": round(milliseconds[-1], 1),
    }


def run(core_python):
    jwks = {"keys": [new_secret_key("load")]}
    sell, _ = orders_of(jwks)
    token = sell[3]
    requests = {
        "GET /orderbook": ("GET", "/api/v1/orderbook/BTC-USDT?depth=20", HOST, None, None),
        "GET /balances": ("GET", "/api/v1/balances", HOST, token, None),
        "GET /orders?open=true": ("GET", "/api/v1/orders?open=true&symbol=ETH-USDT", HOST, token, None),
        "POST /orders": sell,
    }
    with own_core(".", python=core_python, accounts=2) as core:
        asyncio.run(prepare(core))
        with own_gateway(core, jwks, access_log="off") as (_, port):
            return figures_of(*asyncio.run(measure(core, port, requests)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core-python", default=".venv-pypy/bin/python")
    print_figures(run(parser.parse_args().core_python))
