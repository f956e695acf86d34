"""What can be asked of an exchange without changing it. Pure."""

from engine.orders import NIL
from protocol.messages import (
    DEPTH_LEVELS_MAX,
    INSTRUMENTS_MAX,
    OPEN_ORDERS_MAX,
    ORDER_COLUMNS,
    Accounts,
    Balances,
    Code,
    Depth,
    Instruments,
    Orders,
    QueryAccount,
    QueryBalances,
    QueryDepth,
    QueryInstruments,
    QueryOpenOrders,
    QueryOrder,
    Refused,
    Side,
)


def answer(exchange, query, event_seq):
    """-> the answer to a query (any but QueryStatistics), or Refused; `event_seq` is the last event it reflects."""
    if type(query) is QueryOrder:
        found = _order(exchange, query)
    elif type(query) is QueryOpenOrders:
        found = _open_orders(exchange, query)
    elif type(query) is QueryDepth:
        found = _depth(exchange, query, event_seq)
    elif type(query) is QueryBalances:
        found = _balances(exchange, query)
    elif type(query) is QueryAccount:
        found = _account(exchange, query)
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


def waiting_stops(exchange):
    """-> how many stop orders no trade has elected yet. O(their prices)."""
    halves = [half for book in exchange.books.values() for half in (book.buy_stops, book.sell_stops)]
    return sum(half.count[level] for half in halves for level in half.level_of.values())


def _order(exchange, query):
    orders = exchange.orders
    order_id = query.order_id
    if order_id == 0:
        known = exchange.trading.client_order_ids.get(query.account, {}).get(query.client_order_id)
        order_id = known[0] if known is not None else 0
    slot = orders.find(order_id)
    is_theirs = slot != NIL and orders.account[slot] == query.account
    return Orders(0, [order_row(orders, slot)] if is_theirs else [])


def _open_orders(exchange, query):
    """O(the orders looked at), where `after_order_id` is still open; else as many more as the account has before it."""
    orders = exchange.orders
    limit = min(max(query.limit, 1), OPEN_ORDERS_MAX)
    rows = []
    slot = orders.find(query.after_order_id)
    if slot == NIL or orders.account[slot] != query.account:
        slot = orders.first_of(query.account)
    while slot != NIL:
        if orders.order_id[slot] > query.after_order_id and query.instrument in (0, orders.instrument[slot]):
            if len(rows) == limit:
                return Orders(1, rows)
            rows.append(order_row(orders, slot))
        slot = orders.account_next[slot]
    return Orders(0, rows)


def _depth(exchange, query, event_seq):
    book = exchange.books.get(query.instrument)
    if book is None:
        return Refused(Code.UNKNOWN_INSTRUMENT, "no instrument %d" % query.instrument)
    levels = min(max(query.levels, 1), DEPTH_LEVELS_MAX)
    return Depth(query.instrument, event_seq, level_rows(book, levels))


def _instruments(exchange, query):
    """O(instruments log instruments)."""
    rows = []
    for number in sorted(exchange.books):
        if number <= query.after_instrument:
            continue
        if len(rows) == INSTRUMENTS_MAX:
            return Instruments(1, rows)
        book = exchange.books[number]
        i = book.instrument
        terms = [i.number, i.price_scale, i.quantity_scale, i.tick, i.lot, i.collar_bps, i.state, i.symbol]
        limits = [i.quantity_min, i.quantity_max, i.notional_min, i.band_bps]
        rows.append([*terms, i.base, i.quote, book.last_price, *limits, *i.fees_of(0)[:2]])
    return Instruments(0, rows)


def _balances(exchange, query):
    account = exchange.ledger.accounts.get(query.account)
    if account is None:
        return Balances([])
    rows = []
    for asset in exchange.ledger.assets.values():
        available, reserved = asset.available[account.index], asset.reserved[account.index]
        rows.append([asset.number, asset.symbol, asset.scale, available, reserved])
    return Balances(rows)


def _account(exchange, query):
    ledger = exchange.ledger
    account = ledger.accounts.get(query.account or ledger.users.get(query.user, 0))
    if account is None:
        return Accounts([])
    open_orders = exchange.orders.count_of(account.number)
    limits = [account.open_orders_max, account.commands_per_second]
    return Accounts([[account.number, account.user, account.tier, account.is_blocked, open_orders, *limits]])
