"""How fast persistence drains: a backlog of mixed commands into a Postgres beside it, and the same rows inserted bare.

`python -m perf.persistence JOURNAL` (made by perf.journal). Bare: the statements of every batch, made beforehand, sent
one after another over the same kind of connection into an empty database of the same schema; so what is compared is
reading the journal, deciding and keeping state, beside nothing at all.
"""

import argparse
import asyncio
import json
import resource
import tempfile
import time

import uvloop

from perf.machine import describe
from persistence.cluster import Cluster
from persistence.config import Config
from persistence.depth import DepthRecorder
from persistence.drainer import Drainer
from persistence.metrics import Metrics
from persistence.migrate import migrate
from persistence.rows import Builder
from persistence.state import State
from persistence.store import Store
from persistence.tail import RULES_VERSION, Position, Tail


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("journal", help="directory of a journal, from its first command")
    parser.add_argument("--batch-events", type=int, default=20_000)
    parser.add_argument("--bare-commands", type=int, default=200_000, help="of the journal, for the bare insert")
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
    config = Config(journal=arguments.journal, database_url=url, batch_events=arguments.batch_events)
    drainer = Drainer(config, Metrics())
    task = asyncio.create_task(drainer.run())
    while drainer.state != "draining":
        await asyncio.sleep(0.001)
    started_s, cpu_s = time.perf_counter(), time.process_time()
    while not task.done():
        drainer.frontier.look()
        if drainer.seq and drainer.seq >= drainer.frontier.durable_seq:
            break
        await asyncio.sleep(0.02)
    seconds = time.perf_counter() - started_s
    drainer.stop()
    await task
    rows = drainer.metrics.registry.get_sample_value("persistence_rows_total")
    return {
        "commands": drainer.seq,
        "commands_per_second": round(drainer.seq / seconds),
        "rows": int(rows),
        "rows_per_second": round(rows / seconds),
        "seconds": round(seconds, 2),
        "python_cpu_seconds": round(time.process_time() - cpu_s, 2),
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


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
        await store.make_partitions(batch.months)
        after = Position(batch.venue_id, batch.rules_version, batch.seq, batch.event_seq, batch.chain)
        script = store._script(store.position, after, batch)
        started_s = time.perf_counter()
        async with store._connection.cursor() as cursor:
            await cursor.execute(*script)
        seconds += time.perf_counter() - started_s
        store.position = after
        rows += batch.row_count()
        commands += batch.commands
    store.close()
    tail.close()
    return {"commands": commands, "rows": rows, "rows_per_second": round(rows / seconds), "seconds": round(seconds, 2)}


if __name__ == "__main__":
    main()
