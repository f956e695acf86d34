"""What can be asked of an exchange without changing it. Pure."""

from engine.orders import NIL
from protocol.messages import (
    DEPTH_LEVELS_MAX,
    INSTRUMENTS_MAX,
    OPEN_ORDERS_MAX,
    ORDER_COLUMNS,
    Depth,
    Instruments,
    Orders,
    QueryDepth,
    QueryInstruments,
    QueryOpenOrders,
    QueryOrder,
    Side,
)


def answer(exchange, query, event_seq):
    """-> the answer to a query (any but QueryStatistics), `event_seq` being the last event it reflects."""
    if type(query) is QueryOrder:
        found = _order(exchange, query)
    elif type(query) is QueryOpenOrders:
        found = _open_orders(exchange, query)
    elif type(query) is QueryDepth:
        found = _depth(exchange, query, event_seq)
    else:
        assert type(query) is QueryInstruments, query
        found = _instruments(exchange, query)
    found.request_id = query.request_id
    return found


def order_row(orders, slot):
    """An open order as messages.ORDER_COLUMNS."""
    return [getattr(orders, name)[slot] for name in ORDER_COLUMNS]


def level_rows(book, levels):
    """The best `levels` of each side as messages.LEVEL_COLUMNS: bids from the highest, then asks from the lowest."""
    bids = [[Side.BUY, price, quantity, count] for price, quantity, count in book.bids.depth(levels)]
    asks = [[Side.SELL, price, quantity, count] for price, quantity, count in book.asks.depth(levels)]
    return bids + asks


def _order(exchange, query):
    orders = exchange.orders
    slot = orders.find(query.order_id)
    is_theirs = slot != NIL and orders.account[slot] == query.account
    return Orders(0, [order_row(orders, slot)] if is_theirs else [])


def _open_orders(exchange, query):
    """O(the account's open orders)."""
    orders = exchange.orders
    limit = min(max(query.limit, 1), OPEN_ORDERS_MAX)
    rows = []
    for slot in orders.of_account(query.account):
        if orders.order_id[slot] <= query.after_order_id or query.instrument not in (0, orders.instrument[slot]):
            continue
        if len(rows) == limit:
            return Orders(1, rows)
        rows.append(order_row(orders, slot))
    return Orders(0, rows)


def _depth(exchange, query, event_seq):
    """An instrument that does not exist has an empty book."""
    book = exchange.books.get(query.instrument)
    levels = min(max(query.levels, 1), DEPTH_LEVELS_MAX)
    return Depth(query.instrument, event_seq, level_rows(book, levels) if book is not None else [])


def _instruments(exchange, query):
    """O(instruments log instruments)."""
    rows = []
    for number in sorted(exchange.books):
        if number <= query.after_instrument:
            continue
        if len(rows) == INSTRUMENTS_MAX:
            return Instruments(1, rows)
        i = exchange.books[number].instrument
        rows.append([i.number, i.price_scale, i.quantity_scale, i.tick, i.lot, i.collar_bps, i.state, i.symbol])
    return Instruments(0, rows)
