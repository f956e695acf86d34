"""`tools journal replay`: stop time after a command and look at books, orders and balances as they were."""

from engine.queries import answer, level_rows, order_row
from engine.snapshot import state_hash
from protocol.messages import (
    BALANCE_COLUMNS,
    INSTRUMENT_COLUMNS,
    LEVEL_COLUMNS,
    ORDER_COLUMNS,
    QueryBalances,
    QueryInstruments,
)
from tools.console import Failed, named, print_json, progress, table, utc
from tools.decimals import Scale
from tools.journal.state import state_at


def run(arguments):
    if arguments.stop_at is not None and arguments.stop_at < 0:
        raise Failed("--stop-at must not be negative")
    with progress("replaying", arguments.stop_at) as advance:
        state = state_at(arguments.directory, arguments.stop_at, advance=advance)
    exchange = state.exchange
    instruments = _instruments(exchange, arguments.instrument)
    view = {
        "seq": exchange.seq,
        "event_seq": state.sequencer.event_seq,
        "time": utc(state.sequencer.time_ns),
        "from_snapshot": state.snapshot_seq,
        "trades": exchange.trade_count,
        "open_orders": exchange.orders.open_count,
        "state_hash": state_hash(exchange),
        "books": [_book(exchange, number, arguments.levels) for number in instruments],
        "orders": _orders(exchange, instruments, arguments.account),
    }
    if arguments.account is not None:
        view["balances"] = _balances(exchange, arguments.account)
    if arguments.json:
        print_json(view, indent=1)
    else:
        _print(view)
    return 0


def _instruments(exchange, wanted):
    """-> numbers of the instruments asked for: all, or the one of this symbol or number. Raises Failed."""
    if wanted is None:
        return list(exchange.books)
    number = exchange.administration.symbols.get(wanted, int(wanted) if wanted.isdecimal() else 0)
    if number not in exchange.books:
        raise Failed("there is no instrument %s after command %d" % (wanted, exchange.seq))
    return [number]


def _book(exchange, number, levels):
    (values,) = answer(exchange, QueryInstruments(0, number - 1), 0).instruments[:1]
    rows = [[named("side", row[0])] + row[1:] for row in level_rows(exchange.books[number], levels)]
    shown = {name: named(name, value) for name, value in zip(INSTRUMENT_COLUMNS, values)}
    shown["levels"] = [dict(zip(LEVEL_COLUMNS, row)) for row in rows]
    return shown


def _orders(exchange, instruments, account):
    """Open orders as dicts, in order-id order. O(slots)."""
    orders = exchange.orders
    found = []
    for slot in range(1, orders.used):
        if not orders.order_id[slot] or orders.instrument[slot] not in instruments:
            continue
        if account in (None, orders.account[slot]):
            found.append({name: named(name, value) for name, value in zip(ORDER_COLUMNS, order_row(orders, slot))})
    return sorted(found, key=lambda entry: entry["order_id"])


def _balances(exchange, account):
    """-> a dict for each asset; none for an account that was not opened."""
    return [dict(zip(BALANCE_COLUMNS, row)) for row in answer(exchange, QueryBalances(account), 0).balances]


def _print(view):
    head = "after command %(seq)d (event %(event_seq)d) at %(time)s: %(open_orders)d open orders, %(trades)d trades"
    print(head % view)
    print("state hash %s" % view["state_hash"])
    scales = {}
    for book in view["books"]:
        scales[book["instrument"]] = (Scale(book["price_scale"]), Scale(book["quantity_scale"]))
        print("\n%s (#%d, %s)" % (book["symbol"], book["instrument"], book["state"]))
        print("\n".join(_depth_lines(book)))
    _print_orders("open orders", [order for order in view["orders"] if not order["is_waiting"]], scales)
    _print_orders("stop orders waiting", [order for order in view["orders"] if order["is_waiting"]], scales)
    if "balances" in view:
        print("\nbalances")
        rows = []
        for balance in view["balances"]:
            scale = Scale(balance["scale"])
            rows.append([balance["symbol"], scale.text(balance["available"]), scale.text(balance["reserved"])])
        print("\n".join(table(("asset", "available", "reserved"), rows)))


def _print_orders(what, orders, scales):
    print("\n%d %s" % (len(orders), what))
    if not orders:
        return
    columns = [name for name in ORDER_COLUMNS if name not in ("is_waiting", "reserved")]
    rows = []
    for order in orders:
        price_scale, quantity_scale = scales[order["instrument"]]
        order["price"] = price_scale.text(order["price"]) if order["price"] else "-"
        order["stop_price"] = price_scale.text(order["stop_price"]) if order["stop_price"] else "-"
        order["expire_time_ns"] = utc(order["expire_time_ns"])
        for name in ("quantity", "open_quantity"):
            order[name] = quantity_scale.text(order[name])
        rows.append([order[name] for name in columns])
    print("\n".join(table([name.replace("_", " ") for name in columns], rows)))


def _depth_lines(book):
    """Bids on the left, asks on the right, the best on top."""
    price_scale, quantity_scale = Scale(book["price_scale"]), Scale(book["quantity_scale"])

    def cells(level):
        return [level["orders"], quantity_scale.text(level["quantity"]), price_scale.text(level["price"])]

    bids = [cells(level) for level in book["levels"] if level["side"] == "buy"]
    asks = [cells(level)[::-1] for level in book["levels"] if level["side"] == "sell"]
    height = max(len(bids), len(asks))
    none = [["-"] * 3]
    bids += none * (height - len(bids))
    asks += none * (height - len(asks))
    rows = [bid + ask for bid, ask in zip(bids, asks)]
    return table(("orders", "bid quantity", "bid", "ask", "ask quantity", "orders"), rows)
