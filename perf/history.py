"""How long the gateway's queries take on five million trades and two million orders, and an insert of trades beside
them; with the plan of each. `python -m perf.history`: makes them in a private Postgres of its own, which takes minutes.
"""

import argparse
import json
import statistics
import tempfile
import time

import psycopg2

from gateway.streams.archive import UPDATES
from persistence.cluster import Cluster
from persistence.migrate import migrate

START = "timestamptz '2026-01-01 00:00:00Z'"
ACCOUNTS, INSTRUMENTS = 10_000, 10
FILL = """
    SELECT make_partitions('2026-01-01', '2026-03-31');
    INSERT INTO orders (order_id, account, instrument, created_event_seq, event_seq, created_at, updated_at, ended_at,
        post_only, side, type, time_in_force, self_trade_prevention, status, client_order_id, price, quantity,
        filled_quantity, open_quantity, filled_notional, fee, reserved)
    SELECT i, i::bigint * 7919 %% {accounts}, i %% {instruments}, i, i, {start} + i * interval '3 seconds', now(),
        CASE WHEN i %% 20 > 0 THEN now() END, false, CASE i %% 2 WHEN 0 THEN 'buy' ELSE 'sell' END, 'limit', 'GTC',
        'none', CASE WHEN i %% 20 > 0 THEN 'FILLED' ELSE 'OPEN' END, 'c' || i, (60000 + i %% 1009)::numeric(20, 2), 1,
        0, 1, 0, 0, 0
    FROM generate_series(1, {orders}) i;
    INSERT INTO trades (trade_id, time, event_seq, instrument, maker_order_id, taker_order_id, maker_account,
        taker_account, taker_side, price, quantity, maker_fee, taker_fee)
    SELECT i, {start} + i * interval '1.2 seconds', 2 * i, i %% {instruments}, i, i + 1, i::bigint * 7919 %% {accounts},
        i::bigint * 104729 %% {accounts}, 'buy', (60000 + i %% 1009)::numeric(20, 2), 0.01, 0.01, 0.02
    FROM generate_series(1, {trades}) i;
    INSERT INTO order_events (event_seq, time, order_id, account, instrument, type, side, liquidity, trade_id, price,
        quantity, open_quantity, fee)
    SELECT i, {start} + i * interval '3 seconds', i, i::bigint * 7919 %% {accounts}, i %% {instruments},
        CASE i / {accounts} %% 2 WHEN 1 THEN 'filled' ELSE 'accepted' END, 'buy', 'taker', i, 1, 1, 0, 0
    FROM generate_series(1, {orders}) i;
    INSERT INTO candles
    SELECT instrument, '1m', candle_start('1m', time), min(price), max(price), min(price), max(price), sum(quantity),
        sum(price * quantity), count(*) FROM trades WHERE time > {start} + interval '60 days' GROUP BY 1, 2, 3;
    INSERT INTO position VALUES (true, 1, 2, 1, 1, 1, (SELECT max(time) FROM trades))
"""

QUERIES = {
    "what a private stream has missed": UPDATES % {"account": 7, "after": 500_000, "up_to": 1_500_000, "limit": 5_001},
    "open orders of a user": "SELECT * FROM orders WHERE account = 7 AND ended_at IS NULL"
    " ORDER BY created_event_seq DESC LIMIT 100",
    "a page of a user's orders": "SELECT * FROM orders WHERE account = 7 AND created_event_seq < 1500000"
    " ORDER BY created_event_seq DESC LIMIT 100",
    "an order by its client id": "SELECT * FROM orders WHERE account = 7919 AND client_order_id = 'c1'",
    "open orders by market, side, price": "SELECT * FROM orders WHERE instrument = 2 AND side = 'buy'"
    " AND ended_at IS NULL AND price BETWEEN 60100 AND 60110 LIMIT 500",
    "an order's fills": "SELECT * FROM order_events WHERE order_id = 777777 AND type = 'filled' ORDER BY event_seq",
    "an order": "SELECT * FROM orders WHERE order_id = 777777",
    "a page of a user's fills": "SELECT * FROM order_events WHERE account = 7 AND type = 'filled'"
    " ORDER BY event_seq DESC LIMIT 100",
    "a page of a market's trades": "SELECT * FROM trades WHERE instrument = 2 AND time <= '2026-02-20'"
    " AND (time, trade_id) < ('2026-02-10', 3000000) ORDER BY time DESC, trade_id DESC LIMIT 100",
    "a trade": "SELECT * FROM trades WHERE trade_id = 4000000",
    "candles, 500 minutes": "SELECT * FROM candles_between(2, '1m', '2026-03-05', '2026-03-05 08:20')",
    "24 h statistics": "SELECT * FROM statistics_24h(2, '2026-03-08 11:22:33')",
    "24 h statistics, now": "SELECT * FROM statistics_24h(2, (SELECT time FROM position))",
}
INSERT = """
    INSERT INTO trades (trade_id, time, event_seq, instrument, maker_order_id, taker_order_id, maker_account,
        taker_account, taker_side, price, quantity, maker_fee, taker_fee)
    SELECT %s + i, timestamptz '2026-03-11 00:00:00Z', 1, 2, 1, 2, 3, 4, 'buy', 60000.00, 0.01, 0, 0
    FROM generate_series(1, %s) i
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trades", type=int, default=5_000_000)
    parser.add_argument("--orders", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--plans", action="store_true", help="print EXPLAIN ANALYZE of each")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="perf-", ignore_cleanup_errors=True) as directory, Cluster(directory) as it:
        migrate(it.url)
        connection = psycopg2.connect(it.url)
        connection.autocommit = True
        cursor = connection.cursor()
        sizes = dict(orders=arguments.orders, trades=arguments.trades)
        fill = FILL.format(start=START, accounts=ACCOUNTS, instruments=INSTRUMENTS, **sizes)
        for statement in fill.replace("%%", "%").split(";\n"):
            cursor.execute(statement)
        cursor.execute("VACUUM ANALYZE")
        results = {}
        for name, statement in QUERIES.items():
            results[name] = _median_ms(arguments.rounds, lambda statement=statement: _fetch(cursor, statement))
            if arguments.plans:
                cursor.execute("EXPLAIN (ANALYZE, BUFFERS) " + statement)
                print("\n-- %s\n%s\n%s" % (name, statement, "\n".join(line for (line,) in cursor.fetchall())))
        numbers = iter(range(10**7, 10**9, 100))
        for rows in (1, 100):
            name = "insert of %d trade%s, committed" % (rows, "" if rows == 1 else "s")
            results[name] = _median_ms(arguments.rounds, lambda n=rows: cursor.execute(INSERT, (next(numbers), n)))
        connection.close()
        print(json.dumps({"sizes": sizes, "median_ms": results}, indent=1))


def _fetch(cursor, statement):
    cursor.execute(statement)
    cursor.fetchall()


def _median_ms(rounds, work):
    seconds = []
    for _ in range(rounds):
        started_s = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started_s)
    return round(statistics.median(seconds) * 1000, 3)


if __name__ == "__main__":
    main()
