"""From acknowledged to committed: orders sent at a steady rate to a core, and the moment that each is in Postgres as
another connection sees it. `python -m perf.live` starts a core (of this interpreter), Postgres and persistence."""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import aiopg
import psycopg2

from persistence.cluster import Cluster
from protocol.client import TradingClient
from tests.harness import CoreProcess, Venue

POLL_SECONDS = 0.001


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=1_000, help="orders a second (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="perf-", ignore_cleanup_errors=True) as directory:
        os.chmod(directory, 0o755)  # whoever runs Postgres for root has to get in
        with Cluster(os.path.join(directory, "postgres")) as cluster:
            venue = Venue(directory)
            with CoreProcess(venue, "--segment-bytes", str(64 << 20)) as core:
                core.ready()
                command = [sys.executable, "-m", "persistence", "--journal", venue.journal, "--metrics-port", "-1"]
                environment = dict(os.environ, DATABASE_URL=cluster.url)
                process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
                try:
                    result = asyncio.run(measure(arguments, venue, core, cluster.url))
                finally:
                    process.terminate()
                    process.wait()
    print(json.dumps(result, indent=1))


async def measure(arguments, venue, core, url):
    acknowledged = {}  # order id -> when its acceptance came; ids grow in the order of acceptance
    committed = []  # (newest order id, when it was seen)
    trader = TradingClient("127.0.0.1", core.port, key=venue.traders[0][0], secret=venue.traders[0][1])
    trusted = TradingClient("127.0.0.1", core.trusted_port, key=venue.trusted[0], secret=venue.trusted[1])
    async with trader, trusted:
        await trusted.define_instrument(1, "LIVE", price_scale=2, quantity_scale=2, collar_bps=500)
        watching = asyncio.create_task(_watch(url, committed))
        while not committed:
            await asyncio.sleep(0.01)
        started_s = time.perf_counter()
        sending = []
        for number in range(arguments.rate * arguments.seconds):
            due_s = started_s + number / arguments.rate
            if (wait_s := due_s - time.perf_counter()) > 0:
                await asyncio.sleep(wait_s)
            sending.append(asyncio.create_task(_place(trader, number, acknowledged)))
        await asyncio.gather(*sending)
        newest = max(acknowledged)
        while not committed or committed[-1][0] < newest:
            await asyncio.sleep(0.01)
        watching.cancel()
    return {"rate": arguments.rate, "orders": len(acknowledged), **_delays(acknowledged, committed)}


async def _place(trader, number, acknowledged):
    side, price = (("buy", 9_000 - number % 50), ("sell", 9_100 + number % 50))[number % 2]
    order = await trader.place(instrument=1, side=side, price=price, quantity=1 + number % 5)
    acknowledged[order.order_id] = time.perf_counter()


async def _watch(url, committed):
    async with aiopg.connect(url) as connection, connection.cursor() as cursor:
        while True:
            try:
                await cursor.execute("SELECT coalesce(max(order_id), 0) FROM orders")
                row = await cursor.fetchone()
            except psycopg2.errors.UndefinedTable:
                row = None
            if row and row[0] is not None and (not committed or row[0] > committed[-1][0]):
                committed.append((row[0], time.perf_counter()))
            await asyncio.sleep(POLL_SECONDS)


def _delays(acknowledged, committed):
    milliseconds = []
    steps = iter(committed)
    seq, seen_s = next(steps)
    for order_id in sorted(acknowledged):
        while seq < order_id:
            seq, seen_s = next(steps)
        milliseconds.append(max(0.0, seen_s - acknowledged[order_id]) * 1000)
    milliseconds.sort()
    p99 = milliseconds[len(milliseconds) * 99 // 100]
    return {"median_ms": round(statistics.median(milliseconds), 1), "p99_ms": round(p99, 1), "batches": len(committed)}


if __name__ == "__main__":
    main()
