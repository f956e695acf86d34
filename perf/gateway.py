"""The gateway over HTTP: orders and order books, closed and open loop, on a core of its own. CPython runs this, and the
gateway; `--core-python` the core.

Orders are durable before they are answered. Sellers and buyers take turns at one price: half of the orders rest, half
fill. Every order is another's request: nothing is answered from memory.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import time

from protocol.client import TradingClient
from tools.load.core import HOST, ROOT, own_core
from tools.load.report import print_figures
from tools.token import make_token, new_secret_key, write_jwks
from tools.up.demo import make_demo

ACCOUNTS = (1, 2)
CONNECTIONS = 64
WARM_UP_SECONDS = 2
START_SECONDS_MAX = 60


async def prepare(core):
    key, secret = core.trusted_login
    async with TradingClient(HOST, core.trusted_port, key=key, secret=secret) as client:
        await make_demo(client, ACCOUNTS)
        for account in ACCOUNTS:
            for asset, amount in ((1, 10**13), (3, 10**18)):  # BTC, USDT: for millions of orders
                await client.deposit(account, asset, amount, "load-%d-%d" % (account, asset))


@contextlib.contextmanager
def own_gateway(core, jwks, access_log="on"):
    """-> port of a gateway on the core, without rate limits."""
    paths = {name: os.path.join(core.directory, name) for name in ("jwt.json", "gateway.secret", "gateway.log")}
    write_jwks(paths["jwt.json"], jwks)
    key, secret = core.trusted_login
    with open(paths["gateway.secret"], "w", encoding="utf-8") as file:
        file.write(secret)
    command = [sys.executable, "-m", "gateway", "--port=0", "--core-port=%d" % core.trusted_port, "--core-key=%d" % key]
    command += ["--core-secret-file", paths["gateway.secret"], "--jwt-keys", paths["jwt.json"]]
    command += ["--user-rate=0", "--address-rate=0", "--access-log=%s" % access_log]
    with open(paths["gateway.log"], "wb") as log:
        process = subprocess.Popen(command, stderr=log, cwd=ROOT)
    try:
        deadline_s = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline_s:
            with open(paths["gateway.log"], encoding="utf-8") as file:
                found = re.search(r"ready: http://[^ ]+:(\d+)", file.read())
            if found:
                break
            time.sleep(0.05)
        time.sleep(1)  # to log in to the core
        yield process, int(found.group(1))
    finally:
        process.terminate()
        process.wait()


def orders_of(jwks):
    """-> requests: sell and buy in turn at one price."""
    tokens = [make_token(jwks, "demo-%d" % account, seconds=86_400)[0] for account in ACCOUNTS]
    order = {"symbol": "BTC-USDT", "type": "limit", "price": "60000.00", "quantity": "0.0001"}
    return [
        ("POST", "/api/v1/orders", HOST, token, {**order, "side": side})
        for token, side in zip(tokens, ("sell", "buy"), strict=True)
    ]


def load(directory, port, requests, **options):
    """Run perf.http_load in a process of its own. -> figures."""
    path = os.path.join(directory, "requests.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(requests, file)
    command = [sys.executable, "-m", "perf.http_load", path, "--port", str(port), "--warm-up", str(WARM_UP_SECONDS)]
    command += ["--%s=%s" % (name.replace("_", "-"), value) for name, value in options.items()]
    return json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)


def run(core_python, seconds=10, access_log="on", durability="sync"):
    """-> {what: figures}."""
    jwks = {"keys": [new_secret_key("load")]}
    book = [("GET", "/api/v1/orderbook/BTC-USDT?depth=20", HOST, None, None)]
    orders = orders_of(jwks)
    with own_core(".", python=core_python, durability=durability, accounts=2) as core:
        asyncio.run(prepare(core))
        with own_gateway(core, jwks, access_log) as (process, port):
            figures = {}
            for name, requests, rate in (
                ("POST /orders, closed loop", orders, 0),
                ("POST /orders, open loop of 500/s", orders, 500),
                ("GET /orderbook, closed loop", book, 0),
                ("GET /orderbook, open loop of 3,000/s", book, 3_000),
            ):
                options = {"seconds": seconds, "connections": CONNECTIONS, "rate": rate}
                before = processor_seconds(process), sum(core.processor_seconds())
                found = figures[name] = load(core.directory, port, requests, **options)
                found["gateway_busy"] = round((processor_seconds(process) - before[0]) / (seconds + WARM_UP_SECONDS), 2)
                found["core_busy"] = round((sum(core.processor_seconds()) - before[1]) / (seconds + WARM_UP_SECONDS), 2)
            with open("/proc/%d/status" % process.pid, encoding="ascii") as file:
                resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))
            figures["gateway_resident_mb"] = round(resident / 1024)
            return figures


def processor_seconds(process):
    with open("/proc/%d/stat" % process.pid, encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core-python", default=".venv-pypy/bin/python")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--access-log", default="on")
    parser.add_argument("--durability", default="sync")
    given = parser.parse_args()
    print_figures(run(given.core_python, given.seconds, given.access_log, given.durability))
