"""How fast persistence drains: a backlog of mixed commands into a Postgres beside it, and the same rows inserted bare.

`python -m perf.persistence JOURNAL` (made by perf.journal). Bare: the statements of every batch, made beforehand, sent
one after another over the same kind of connection into an empty database of the same schema; so what is compared is
reading the journal, deciding and keeping state, beside nothing at all.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

import uvloop

from perf.machine import describe
from persistence.cluster import Cluster
from persistence.depth import DepthRecorder
from persistence.migrate import migrate
from persistence.rows import Builder
from persistence.state import State
from persistence.store import Store
from persistence.tail import RULES_VERSION, Frontier, Position, Tail

PORT = 17_004  # of metrics and health
POLL_SECONDS = 0.05
POLLS_MAX = 12_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("journal", help="directory of a journal, from its first command")
    parser.add_argument("--batch-events", type=int, default=60_000)
    parser.add_argument(
        "--bare-commands", type=int, default=10**9, help="of the journal, for the bare insert (default: all)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="perf-", ignore_cleanup_errors=True) as directory, Cluster(directory) as it:
        results = {"machine": describe(directory, {})}
        for name, measure in (("drained", drained), ("bare", bare)):
            url = _database(it, name)
            results[name] = uvloop.run(measure(arguments, url))
    ratio = results["drained"]["rows_per_second"] / results["bare"]["rows_per_second"]
    results["drained to bare"] = round(ratio, 3)
    print(json.dumps(results, indent=1))


def _database(cluster, name):
    import psycopg2

    connection = psycopg2.connect(cluster.url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE %s" % name)
    connection.close()
    url = cluster.url.rpartition("/")[0] + "/" + name
    migrate(url)
    return url


async def drained(arguments, url):
    """The real process, from when it has its lock until all is committed."""
    last_seq = _last_seq(arguments.journal)
    command = [
        sys.executable, "-m", "persistence", "--journal", arguments.journal, "--metrics-port", str(PORT),
        "--batch-events", str(arguments.batch_events),
    ]  # fmt: skip
    process = subprocess.Popen(command, env={**os.environ, "DATABASE_URL": url}, stderr=subprocess.DEVNULL)
    try:
        await _until(lambda health: health["state"] == "draining")
        started_s = time.perf_counter()
        await _until(lambda health: health["seq"] >= last_seq)
        seconds = time.perf_counter() - started_s
        rows = int(float(re.search(r"^persistence_rows_total (\S+)$", _get("/metrics"), re.M).group(1)))
    finally:
        process.terminate()
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    return {
        "commands": last_seq,
        "commands_per_second": round(last_seq / seconds),
        "rows": rows,
        "rows_per_second": round(rows / seconds),
        "seconds": round(seconds, 2),
        "python_cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "memory_mib": usage.ru_maxrss // 1024,
    }


def _last_seq(journal):
    frontier, before = Frontier(journal), -1
    while frontier.durable_seq != before:  # so many records are looked at in one go
        before = frontier.durable_seq
        frontier.look()
    return before


async def _until(is_so):
    for _ in range(POLLS_MAX):
        with contextlib.suppress(OSError):
            if is_so(json.loads(_get("/healthz"))):
                return
        await asyncio.sleep(POLL_SECONDS)
    raise SystemExit("persistence did not come so far in %d s" % (POLLS_MAX * POLL_SECONDS))


def _get(path):
    with urllib.request.urlopen("http://127.0.0.1:%d%s" % (PORT, path), timeout=60) as answer:
        return answer.read().decode()


async def bare(arguments, url):
    tail = Tail(arguments.journal, Position())
    builder = Builder(State(), DepthRecorder(10, 50))
    store = await Store.connect(url)
    await store.load()
    seconds = rows = commands = 0
    while commands < arguments.bare_commands:
        while builder.batch.events < arguments.batch_events and (record := tail.next()) is not None:
            builder.take(record)
        batch = builder.finish()
        if not batch.commands:
            break
        batch.chain, batch.venue_id, batch.rules_version = tail.chain, tail.venue_id, RULES_VERSION
        await store.make_partitions(batch.months)  # so that it is not in the figure
        script = store.prepare(batch)
        started_s = time.perf_counter()
        await store.write(batch.months, script)
        seconds += time.perf_counter() - started_s
        rows += batch.row_count()
        commands += batch.commands
    store.close()
    tail.close()
    return {"commands": commands, "rows": rows, "rows_per_second": round(rows / seconds), "seconds": round(seconds, 2)}


if __name__ == "__main__":
    main()
