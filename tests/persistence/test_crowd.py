"""Whatever a crowd does: the database says of orders, books, money and trades what the core says."""

import pytest

from persistence.administration import HANDLERS
from persistence.depth import DepthRecorder
from persistence.rows import Builder
from persistence.state import State
from persistence.store import Store
from protocol.messages import (
    CANCEL_REASONS,
    FEES_ACCOUNT,
    INSTRUMENT_STATES,
    MESSAGES,
    CommandRejected,
    Event,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
)
from tests.persistence.databases import drain
from tests.persistence.journals import CrowdJournal, balances, open_orders
from tests.postgres import query


@pytest.fixture(params=[1, 2, 3])
async def crowd(request, tmp_path, database):
    """A journal of the core, and the database that it was drained into."""
    made = CrowdJournal(tmp_path, seed=request.param).add(4_000)
    await drain(tmp_path, database, made.exchange.seq - 1, batch_events=700)
    yield made
    made.close()


def scaled(value, scale):
    return int(value.scaleb(scale)) if value is not None else 0


async def test_the_database_says_what_the_core_says(crowd, database):
    exchange, events = crowd.exchange, crowd.events
    # open orders
    found = {}
    for row in query(
        database,
        "SELECT order_id, account, instrument, side, type, price, stop_price, quantity, open_quantity, reserved, status"
        " FROM open_orders",
    ):
        order_id, account, number, side, kind, price, stop_price, quantity, open_quantity, reserved, status = row
        instrument = exchange.books[number].instrument
        price_scale, quantity_scale = instrument.price_scale, instrument.quantity_scale
        asset = instrument.quote_asset if side == "buy" else instrument.base_asset
        found[order_id] = dict(
            account=account,
            instrument=number,
            side=side,
            type=kind,
            price=scaled(price, price_scale),
            stop_price=scaled(stop_price, price_scale),
            quantity=scaled(quantity, quantity_scale),
            open_quantity=scaled(open_quantity, quantity_scale),
            reserved=scaled(reserved, asset.scale if asset else 0),
            is_waiting=status == "PENDING",
        )
    assert found == open_orders(exchange)
    waiting = query(database, "SELECT order_id FROM waiting_stops ORDER BY 1")
    assert [order_id for (order_id,) in waiting] == sorted(i for i, order in found.items() if order["is_waiting"])

    # money
    scales = {asset.number: asset.scale for asset in exchange.ledger.assets.values()}
    rows = query(database, "SELECT account, asset, available, reserved FROM balances WHERE account > 0")
    in_units = {(account, asset): (scaled(a, scales[asset]), scaled(r, scales[asset])) for account, asset, a, r in rows}
    assert {key: amounts for key, amounts in in_units.items() if amounts != (0, 0)} == balances(exchange)
    assert in_units[FEES_ACCOUNT, 2][0] > 0
    assert query(database, "SELECT asset FROM balances GROUP BY asset HAVING sum(available + reserved) <> 0") == []
    assert query(
        database,
        "SELECT event_seq FROM ledger_entries GROUP BY event_seq, asset"
        " HAVING sum(available_change + reserved_change) <> 0",
    ) == []  # fmt: skip
    assert query(
        database,
        "SELECT account, asset FROM balances FULL JOIN (SELECT account, asset, sum(available_change) AS a,"
        " sum(reserved_change) AS r FROM ledger_entries GROUP BY 1, 2) e USING (account, asset)"
        " WHERE (available, reserved) IS DISTINCT FROM (a, r)",
    ) == []  # fmt: skip

    # orders that have ended, trades
    fills = [event for event in events if type(event) is OrderFilled]
    filled, fees = {}, {}
    for fill in fills:
        filled[fill.order_id] = filled.get(fill.order_id, 0) + fill.quantity
        fees[fill.order_id] = fees.get(fill.order_id, 0) + fill.fee
    reasons = {event.order_id: CANCEL_REASONS[event.reason] for event in events if type(event) is OrderCancelled}
    accepted = [event for event in events if type(event) is OrderAccepted]
    rows = query(database, "SELECT order_id, filled_quantity, fee, status, reason FROM orders WHERE order_id > 0")
    assert sorted(row[0] for row in rows) == sorted(event.order_id for event in accepted)
    instruments = {event.order_id: exchange.books[event.instrument].instrument for event in accepted}
    for order_id, quantity, fee, status, reason in rows:
        instrument = instruments[order_id]
        assert scaled(quantity, instrument.quantity_scale) == filled.get(order_id, 0)
        assert scaled(fee, instrument.quote_asset.scale if instrument.base else 0) == fees.get(order_id, 0)
        assert reason == reasons.get(order_id)
        if order_id in found:
            expected = "PARTIALLY_FILLED" if filled.get(order_id) else "OPEN"
            assert status == ("PENDING" if found[order_id]["is_waiting"] else expected)
        elif reason:
            assert status == ("EXPIRED" if reason == "expired" else "CANCELLED")
        else:
            assert status == "FILLED"
    assert query(database, "SELECT count(*), count(DISTINCT trade_id) FROM trades") == [(exchange.trade_count,) * 2]
    takers = {fill.trade_id: fill for fill in fills if fill.liquidity == 2}
    makers = {fill.trade_id: fill for fill in fills if fill.liquidity == 1}
    for trade_id, maker, taker, fee, other_fee, price, quantity, number in query(
        database,
        "SELECT trade_id, maker_order_id, taker_order_id, maker_fee, taker_fee, price, quantity, instrument"
        " FROM trades",
    ):
        instrument = exchange.books[number].instrument
        assert (maker, taker) == (makers[trade_id].order_id, takers[trade_id].order_id)
        assert scaled(price, instrument.price_scale) == takers[trade_id].price
        assert scaled(quantity, instrument.quantity_scale) == takers[trade_id].quantity
        if instrument.base:
            scale = instrument.quote_asset.scale
            assert (scaled(fee, scale), scaled(other_fee, scale)) == (makers[trade_id].fee, takers[trade_id].fee)

    # rejects, and the whole list of what happened to orders
    rejected = [event for event in events if type(event) is CommandRejected]
    assert query(database, "SELECT count(*) FROM order_events WHERE type = 'rejected'") == [(len(rejected),)]
    assert query(database, "SELECT count(*) FROM orders WHERE status = 'REJECTED'")[0][0] > 0

    # instruments, accounts
    for number, state, last_price in query(database, "SELECT instrument, state, last_price FROM instruments"):
        book = exchange.books[number]
        assert state == INSTRUMENT_STATES[book.instrument.state]
        assert scaled(last_price, book.instrument.price_scale) == book.last_price
    rows = query(
        database,
        "SELECT account, user_id, tier, is_blocked, coalesce(open_orders_max, 0), coalesce(commands_per_second, 0)"
        " FROM accounts",
    )
    accounts = exchange.ledger.accounts.values()
    expected = {
        (a.number, a.user, a.tier, bool(a.is_blocked), a.open_orders_max, a.commands_per_second)
        for a in accounts
        if a.user
    }
    assert set(rows) == expected


def test_every_event_of_the_protocol_is_known():
    events = {number for number, message in MESSAGES.items() if issubclass(message, Event)}
    builder = Builder(State(), DepthRecorder(10, 50))
    assert events - {*builder._handlers, *HANDLERS} == set()


async def test_what_a_new_drainer_starts_from_is_what_the_core_has(crowd, database):
    exchange = crowd.exchange
    store = await Store.connect(database)
    try:
        _, state, _ = await store.load()
    finally:
        store.close()
    orders = exchange.orders
    for order_id, order in state.orders.items():
        slot = orders.find(order_id)
        for name in ("price", "stop_price", "quantity", "open_quantity", "reserved"):
            assert getattr(order, name) == getattr(orders, name)[slot]
        if order.instrument.base:
            for name in ("maker_ppm", "taker_ppm", "fee_ppm_max", "fee_surplus"):
                assert getattr(order, name) == getattr(orders, name)[slot]
    for number, instrument in state.instruments.items():
        book = exchange.books[number]
        for side, levels in ((1, instrument.bids), (2, instrument.asks)):
            expected = {}
            for slot in book.side(side).slots():
                level = expected.setdefault(orders.price[slot], [0, 0])
                level[0] += orders.open_quantity[slot]
                level[1] += 1
            assert levels == expected
        assert instrument.fees == {tier: tuple(rates) for tier, rates in book.instrument.fees.items()}


async def test_amounts_have_exactly_the_digits_of_their_asset(crowd, database):
    """Of instrument 4: prices 2, quantities 2, notionals 4; base asset 3, quote asset 4."""
    rows = query(
        database,
        "SELECT price::text, quantity::text, filled_notional::text, fee::text, reserved::text FROM orders"
        " WHERE instrument = 4 AND side = 'buy' AND type = 'limit' AND status <> 'REJECTED'",
    )
    assert rows
    for row in rows:
        digits = [len(text.partition(".")[2]) for text in row]
        assert digits == [2, 2, 4, 4, 4], row
