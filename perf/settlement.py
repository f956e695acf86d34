"""Trades settled with a wallet of record in a second: settlement in this process, a wallet and Postgres beside it.
`python -m perf.settlement`, of CPython. `--profile FILE` writes what cProfile saw of this process."""

import argparse
import asyncio
import contextlib
import cProfile
import json
import os
import random
import resource
import tempfile
import time

import uvloop

from persistence.cluster import Cluster
from persistence.migrate import migrate
from persistence.settlement import Policy
from tests.persistence.settling import ACCOUNTS, Books, balances, fund, settling
from tests.tools.wallet.wallets import wallet

POLL_SECONDS = 0.05


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trades", type=int, default=2_000, help="(default %(default)s)")
    parser.add_argument("--one-account", action="store_true", help="one account is in all of them")
    parser.add_argument("--profile", metavar="FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="perf-", ignore_cleanup_errors=True) as directory:
        os.chmod(directory, 0o755)  # whoever runs Postgres for root has to get in
        with Cluster(os.path.join(directory, "postgres")) as cluster, wallet(directory, "--overdraft") as process:
            migrate(cluster.url)
            books = Books(cluster.url)
            start = fund(process, BTC="1000", USDT="1000000")
            if arguments.one_account:
                _of_one_account(books, arguments.trades)
            else:
                books.random_trades(random.Random(1), arguments.trades)
            with contextlib.nullcontext() if not arguments.profile else cProfile.Profile() as profile:
                result = uvloop.run(measure(books, process))
            if arguments.profile:
                profile.dump_stats(arguments.profile)
            assert balances(process) == books.expected(start), "the wallet has something else"
            assert set(books.statuses().values()) == {"SETTLED"}
    print(json.dumps(dict(result, one_account=arguments.one_account), indent=1))


def _of_one_account(books, count):
    """As a market maker's: against each of the others in turn."""
    import psycopg2

    with contextlib.closing(psycopg2.connect(books.url)) as connection, connection, connection.cursor() as cursor:
        for number in range(count):
            parties = (ACCOUNTS[0], ACCOUNTS[1 + number % (len(ACCOUNTS) - 1)])
            buyer, seller = parties if number % 2 else parties[::-1]
            books.trade(buyer, seller, "0.001", "100", "0.0002", "0.0001", cursor=cursor)


async def measure(books, process):
    started_s, cpu_s = time.perf_counter(), _cpu_s()
    async with settling(books.url, process.url, Policy()):
        while await asyncio.to_thread(books.left):
            await asyncio.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - started_s
    trades = len(books.trades)
    return {
        "trades": trades,
        "seconds": round(seconds, 2),
        "trades_per_second": round(trades / seconds),
        "cpu_us_per_trade_here": round((_cpu_s() - cpu_s) / trades * 1e6),
    }


def _cpu_s():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
