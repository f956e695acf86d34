"""The drainer's connection: takes the database for itself, reads what a Builder starts from, writes a Batch whole.

Every error of Postgres ends the connection's use: what was not committed is gone, and whoever reconnects reads the
position again.
"""

import decimal
import select

import aiopg
import attrs

from persistence import tables
from persistence.rows import MONTH_NS
from persistence.state import Instrument, Order, State
from persistence.tail import Position
from protocol.messages import Side

#: Held by the one drainer that works; in the database's own number space, beside migrate.LOCK.
LOCK = 7_253_002
_ADVANCE = "SELECT advance_position(%s, %s, %s, %s, %s, %s, to_timestamp(%s::float8 / 1000000))"
TIMEOUT_SECONDS = 600  # for one statement: a batch, with a checkpoint in its way
PAGE_ROWS = 20_000  # of open orders, when they are read at the start
#: So that Postgres notices a host that is gone, and gives what its connection had locked to the one that waits.
KEEPALIVES = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
#: Rows that change are found by the keys of a batch: the planner, who takes a table that has just been filled for an
#: empty one, would read all of it instead.
SETTINGS = (
    KEEPALIVES
    + """;
    SET timezone = 'UTC'; SET synchronous_commit = on; SET jit = off;
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off
"""
)
#: Exact for any amount there is.
_EXACT = decimal.Context(prec=60)


class Store:
    """Made by connect(); to be closed."""

    def __init__(self, connection, cursor):
        self._connection = connection
        self._cursor = cursor  # one for all: aiopg's are cycles, which would keep their last statement for long
        self.position = None  # of the last batch that was prepared
        self._months = set()  # that have partitions

    @classmethod
    async def connect(cls, url):
        """Raises psycopg2.Error."""
        connection = await aiopg.connect(
            url, timeout=TIMEOUT_SECONDS, enable_hstore=False, application_name="persistence drainer",
            keepalives_idle=10, keepalives_interval=5, keepalives_count=3,
        )  # fmt: skip
        store = cls(connection, await connection.cursor())
        try:
            await store._fetch(SETTINGS)
        except BaseException:
            store.close()
            raise
        return store

    def close(self):
        self._connection.close()

    async def try_lock(self):
        """-> whether this is the drainer of the database now, as long as the connection lasts."""
        return (await self._fetch("SELECT pg_try_advisory_lock(%s)", (LOCK,)))[0][0]

    async def _fetch(self, statement, parameters=None):
        await self._cursor.execute(statement, parameters)
        return await self._cursor.fetchall() if self._cursor.description else []

    # --- reading -----------------------------------------------------------------------------------------------------

    async def load(self):
        """-> (Position, State, time in ns) that the database is at."""
        rows = await self._fetch(
            "SELECT venue_id, rules_version, seq, event_seq, chain, (extract(epoch FROM time) * 1000000)::bigint"
            " FROM position"
        )
        self.position, time_ns = Position(), 0
        if rows:
            venue_id, rules_version, seq, event_seq, chain, time_us = rows[0]
            self.position = Position(int(venue_id), rules_version, seq, event_seq, chain)
            time_ns = time_us * 1000
        state = State()
        state.assets = dict(await self._fetch("SELECT asset, scale FROM assets"))
        state.tiers.update(await self._fetch("SELECT account, tier FROM accounts"))
        await self._load_instruments(state)
        await self._load_orders(state)
        return self.position, state, time_ns

    async def _load_instruments(self, state):
        rows = await self._fetch(
            "SELECT instrument, symbol, price_scale, quantity_scale, collar_bps, coalesce(base, 0), coalesce(quote, 0),"
            " last_price, (extract(epoch FROM book_changed_at) * 1000000)::bigint FROM instruments"
        )
        for number, symbol, price_scale, quantity_scale, collar_bps, base, quote, last_price, changed_us in rows:
            scales = state.assets.get(base, 0), state.assets.get(quote, 0)
            instrument = Instrument(number, symbol, price_scale, quantity_scale, collar_bps, base, quote, *scales)
            instrument.last_price = _units(last_price, price_scale)
            instrument.book_changed_ns = (changed_us or 0) * 1000
            state.instruments[number] = instrument
        for number, tier, maker_ppm, taker_ppm in await self._fetch(
            "SELECT instrument, tier, maker_ppm, taker_ppm FROM fees"
        ):
            state.instruments[number].fees[tier] = (maker_ppm, taker_ppm, max(maker_ppm, taker_ppm, 0))

    async def _load_orders(self, state):
        last = 0
        while True:
            rows = await self._fetch(
                "SELECT order_id, account, instrument, side, price, stop_price, quantity, open_quantity,"
                " stop_price IS NOT NULL AND triggered_at IS NULL, filled_quantity, filled_notional, fee, reserved,"
                " maker_ppm, taker_ppm, fee_ppm_max, fee_surplus,"
                " (extract(epoch FROM triggered_at) * 1000000)::bigint, status"
                " FROM orders WHERE ended_at IS NULL AND order_id > %s ORDER BY order_id LIMIT %s",
                (last, PAGE_ROWS),
            )
            for row in rows:
                order = _order(state, row)
                state.orders[order.order_id] = order
            if len(rows) < PAGE_ROWS:
                return
            last = rows[-1][0]

    # --- writing -----------------------------------------------------------------------------------------------------

    async def make_partitions(self, months):
        """Those that rows of these months (of MONTH_NS) may be for, and the one after: made ahead."""
        for month in months:
            if month not in self._months:
                start_s = month * MONTH_NS // 10**9
                end_s = start_s + 2 * MONTH_NS // 10**9
                await self._fetch("SELECT make_partitions(to_timestamp(%s), to_timestamp(%s))", (start_s, end_s))
                self._months.add(month)

    def prepare(self, batch):
        """-> bytes of SQL that write the batch and the position, after the batch prepared before. Takes no part
        in what the connection is doing: while one batch is written, the next is prepared."""
        before = self.position
        after = Position(batch.venue_id, batch.rules_version, batch.seq, batch.event_seq, batch.chain)
        statements = [
            self._filled("BEGIN"),
            self._filled(_ADVANCE, [before.seq, *attrs.astuple(after), batch.time_ns // 1000]),
        ]
        for what, columns in batch.changes:
            statements.append(self._filled(tables.CHANGES[what], columns))
        for name, statement in tables.STATEMENTS:
            rows = getattr(batch, name)
            if rows:
                statements.append(self._filled(statement, rows.arrays()))
        statements.append(self._filled("COMMIT"))
        self.position = after
        return b";\n".join(statements)

    def _filled(self, statement, parameters=None):
        """-> the statement with its parameters in it."""
        return self._connection.raw.cursor().mogrify(statement, parameters)

    def is_sending(self):
        """-> whether a script is on its way that the connection does not take all at once: it goes on only when the
        event loop has its turn, and Postgres waits for it."""
        if self._connection.closed:
            return False
        poll = select.poll()
        poll.register(self._connection.raw.fileno(), select.POLLOUT)
        return not poll.poll(0)

    async def write(self, months, script):
        """A batch, whose rows are of these months, in one transaction and one round trip. Raises psycopg2.Error."""
        await self.make_partitions(months)
        await self._cursor.execute(script)


def _units(value, scale):
    """-> a numeric as the int that the protocol has; 0 for null."""
    return int(value.scaleb(scale, _EXACT)) if value is not None else 0


def _order(state, row):
    (
        order_id, account, number, side, price, stop_price, quantity, open_quantity, is_waiting, filled_quantity,
        filled_notional, fee, reserved, maker_ppm, taker_ppm, fee_ppm_max, fee_surplus, triggered_us, status,
    ) = row  # fmt: skip
    instrument = state.instruments[number]
    price_scale, quantity_scale = instrument.price_scale, instrument.quantity_scale
    is_buy = side == "buy"
    order = Order(
        order_id, account, instrument, Side.BUY if is_buy else Side.SELL, _units(price, price_scale),
        _units(stop_price, price_scale), _units(quantity, quantity_scale), _units(open_quantity, quantity_scale),
    )  # fmt: skip
    order.is_waiting = is_waiting
    order.filled_quantity = _units(filled_quantity, quantity_scale)
    order.filled_notional = _units(filled_notional, price_scale + quantity_scale)
    order.fee = _units(fee, instrument.quote_scale)
    order.reserved = _units(reserved, instrument.quote_scale if is_buy else instrument.base_scale)
    order.maker_ppm, order.taker_ppm, order.fee_ppm_max = maker_ppm, taker_ppm, fee_ppm_max
    order.fee_surplus = fee_surplus
    order.triggered_us, order.status = triggered_us or 0, status
    if not is_waiting:
        order.enter_book(order.open_quantity)
    return order
