"""The whole state of an exchange as one value, its hash, and the way back. Pure; the file is journal.py's business."""

import hashlib

import attrs
import msgpack

from engine.book import Book
from engine.exchange import Exchange
from engine.instruments import Instrument
from protocol.messages import PlaceOrder

#: The columns of orders.Orders in the row of an order, after its id and before what PlaceOrder does not say.
TERMS = (
    "account", "side", "order_type", "time_in_force", "post_only", "price", "quantity", "self_trade_prevention",
    "stop_price", "expire_time_ns", "client_order_id",
)  # fmt: skip


def dump(exchange):
    """-> nested lists of ints and text: equal for equal states, on any interpreter. O(orders).

    The order of slots given back is part of it: it decides the order ids to come. `seq` is not: it counts commands,
    rejected ones too, and is kept beside the state.
    """
    orders = exchange.orders
    columns = [getattr(orders, name) for name in TERMS]
    books = []
    for book in exchange.books.values():
        halves = []
        for half in (book.bids, book.asks, book.buy_stops, book.sell_stops):
            halves.append(
                [
                    [orders.order_id[slot], *[column[slot] for column in columns], orders.open_quantity[slot]]
                    for slot in half.slots()
                ]
            )
        books.append([list(attrs.astuple(book.instrument)), book.last_price, halves])
    return [orders.number, exchange.trade_count, orders.used, orders.free, books]


def state_hash(exchange):
    """-> hex digest (SHA-256) of dump(). O(orders)."""
    return hashlib.sha256(msgpack.packb(dump(exchange))).hexdigest()


def load(seq, state):
    """-> the Exchange that was dumped, `seq` its last command. O(orders log orders)."""
    number, trade_count, used, free, books = state
    exchange = Exchange(order_slots=used)
    orders = exchange.orders
    exchange.seq = seq
    exchange.trade_count = trade_count
    orders.number = number
    orders.used = used
    orders.free = list(free)
    rows = []
    for definition, last_price, halves in books:
        instrument = Instrument(*definition)
        book = Book(orders, instrument)
        book.last_price = last_price
        exchange.books[instrument.number] = book
        exchange.symbols[instrument.symbol] = instrument.number
        for half in halves:
            rows += [(row[0], instrument.number, row) for row in half]
    for order_id, instrument_number, row in sorted(rows, key=lambda entry: entry[0]):
        terms = dict(zip(TERMS, row[1:-1]))
        orders.put(order_id, PlaceOrder(instrument=instrument_number, **terms), row[-1])
        if terms["expire_time_ns"]:
            exchange.expiries.add((terms["expire_time_ns"], order_id))
    if exchange.expiries:
        exchange.next_due_ns = exchange.expiries[0][0]
    for book, (_, _, halves) in zip(exchange.books.values(), books):
        for half, half_rows in zip((book.bids, book.asks, book.buy_stops, book.sell_stops), halves):
            for row in half_rows:
                slot = orders.find(row[0])
                orders.is_waiting[slot] = 1 if half is book.buy_stops or half is book.sell_stops else 0
                half.add(slot)
    return exchange
