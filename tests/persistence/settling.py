"""Trades for settlement to settle: in a database as the drainer would leave them, with a wallet that has the money.

`python -m tests.persistence.settling DATABASE WALLET` settles until it is killed.
"""

import asyncio
import contextlib
import functools
import sys
from decimal import Decimal

import attrs
import psycopg2
from prometheus_client import CollectorRegistry

from persistence.settlement import Policy, Settlement
from persistence.settlement_metrics import SettlementMetrics
from protocol.messages import FEES_ACCOUNT
from tests.harness import LoggedProcess, eventually
from tests.postgres import query

VENUE = 18_000_000_000_000_000_001  # beyond bigint, as a venue's number may be
ACCOUNTS = (1, 2, 3, 4, 5, 6)
IN_A_HURRY = Policy(backoff_seconds=0.01, breaker_seconds=0.05)

_BEGINNING = """
    INSERT INTO position (venue_id, rules_version, seq, event_seq, chain, time) VALUES (%d, 1, 9, 9, 0, now());
    INSERT INTO assets VALUES (1, 'BTC', 8, 1), (2, 'USDT', 8, 2);
    INSERT INTO instruments (instrument, symbol, base, quote, price_scale, quantity_scale, tick, lot, collar_bps, state,
        event_seq) VALUES (1, 'BTC-USDT', 1, 2, 2, 6, 0.01, 0.000001, 500, 'open', 3);
    INSERT INTO accounts (account, user_id, opened_at, event_seq)
        SELECT n, 'user-' || n, now(), 4 FROM generate_series(1, %d) n;
    SELECT make_partitions(now(), now());
"""

_TRADE = """
    WITH made AS (
        INSERT INTO trades (trade_id, time, event_seq, instrument, maker_order_id, taker_order_id, maker_account,
            taker_account, taker_side, settlement_status, price, quantity, maker_fee, taker_fee)
        VALUES (%s, clock_timestamp(), 9, 1, 1, 2, %s, %s, %s, 'PENDING', %s, %s, %s, %s) RETURNING trade_id, time
    ) INSERT INTO settlement_queue (trade_id, time) SELECT * FROM made
"""


@attrs.frozen
class Made:
    """A trade as it was inserted."""

    trade_id: int
    buyer: int
    seller: int
    quantity: Decimal
    price: Decimal
    buyer_fee: Decimal
    seller_fee: Decimal
    taker_side: str


class Books:
    """The database's side: trades, and what a test asks of them."""

    def __init__(self, url):
        self.url = url
        self.trades = []
        query(url, _BEGINNING % (VENUE, len(ACCOUNTS)))

    def trade(
        self,
        buyer=1,
        seller=2,
        quantity="1",
        price="100",
        buyer_fee="0.2",
        seller_fee="0.1",
        taker_side="buy",
        cursor=None,
    ):
        """A trade that waits to be settled. -> Made"""
        amounts = map(Decimal, (quantity, price, buyer_fee, seller_fee))
        made = Made(len(self.trades) + 1, buyer, seller, *amounts, taker_side)
        self.trades.append(made)
        taker = (buyer, made.buyer_fee) if taker_side == "buy" else (seller, made.seller_fee)
        maker = (seller, made.seller_fee) if taker_side == "buy" else (buyer, made.buyer_fee)
        row = (made.trade_id, maker[0], taker[0], taker_side, made.price, made.quantity, maker[1], taker[1])
        (cursor.execute if cursor else functools.partial(query, self.url))(_TRADE, row)
        return made

    def random_trades(self, random, count):
        """With fees and rebates."""
        with contextlib.closing(psycopg2.connect(self.url)) as connection, connection, connection.cursor() as cursor:
            for _ in range(count):
                buyer, seller = random.sample(ACCOUNTS, 2)
                price = Decimal(random.randint(1, 10_000)) / 100
                quantity = Decimal(random.randint(1, 1_000)) / 1_000_000
                fees = [Decimal(random.randint(least, 9_000)).scaleb(-8) for least in (1_000, -1_000)]
                self.trade(buyer, seller, quantity, price, *fees, random.choice(("buy", "sell")), cursor)

    def statuses(self):
        """-> {trade_id: settlement status}"""
        return dict(query(self.url, "SELECT trade_id, settlement_status FROM trades ORDER BY trade_id"))

    def left(self):
        """-> how many are in the queue."""
        return query(self.url, "SELECT count(*) FROM settlement_queue")[0][0]

    def dead(self):
        """-> [(trade_id, stage, attempts, error), ...]"""
        return query(self.url, "SELECT trade_id, stage, attempts, error FROM dead_letters ORDER BY trade_id")

    def expected(self, start, trade_ids=None):
        """-> {(account, asset): Decimal} of the wallet's balances that are not zero, once these trades (None: all) are
        settled, for `start` = {asset: what each account had}."""
        balances = {(str(account), asset): amount for account in ACCOUNTS for asset, amount in start.items()}
        balances[str(FEES_ACCOUNT), "USDT"] = Decimal(0)
        for made in self.trades:
            if trade_ids is None or made.trade_id in trade_ids:
                paid = made.price * made.quantity
                balances[str(made.buyer), "BTC"] += made.quantity
                balances[str(made.buyer), "USDT"] -= paid + made.buyer_fee
                balances[str(made.seller), "BTC"] -= made.quantity
                balances[str(made.seller), "USDT"] += paid - made.seller_fee
                balances[str(FEES_ACCOUNT), "USDT"] += made.buyer_fee + made.seller_fee
        return {key: balance for key, balance in balances.items() if balance}


def fund(wallet, **amounts):
    """Give every account so much of each asset. -> {asset: Decimal}"""
    for asset, amount in amounts.items():
        for account in ACCOUNTS:
            assert wallet.post("fund-%d-%s" % (account, asset), str(account), asset, "credit", amount)[0] == 201
    return {asset: Decimal(amount) for asset, amount in amounts.items()}


def balances(wallet):
    return {key: Decimal(balance) for key, balance in wallet.balances().items()}


@contextlib.asynccontextmanager
async def settling(database, wallet_url, policy=IN_A_HURRY, **more):
    """A Settlement that runs, its metrics in `registry`."""
    settlement = Settlement(database, wallet_url, SettlementMetrics(CollectorRegistry()), policy=policy, **more)
    running = asyncio.create_task(settlement.run())
    try:
        yield settlement
        assert not running.done(), running.exception()
    finally:
        settlement.stop()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def shows(settlement, name, value, **labels):
    """Wait until a metric has a value."""
    await eventually(lambda: settlement.metrics.registry.get_sample_value("settlement_" + name, labels) == value)


class SettlingProcess(LoggedProcess):
    def __init__(self, database, wallet_url):
        super().__init__([sys.executable, "-m", "tests.persistence.settling", database, wallet_url])


async def _main(database, wallet_url):
    async with settling(database, wallet_url):
        print("ready", file=sys.stderr, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(_main(*sys.argv[1:]))
    except psycopg2.Error as error:
        sys.exit(str(error))
