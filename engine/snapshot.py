"""The whole state of an exchange as one value, its hash, and the way back. Pure; the file is journal.py's business."""

import hashlib

import attrs
import msgpack

from engine.book import Book
from engine.exchange import Exchange
from engine.instruments import Instrument
from protocol.messages import Side


def dump(exchange):
    """-> nested lists of ints and text: equal for equal states, on any interpreter. O(orders).

    The order of slots given back is part of it: it decides the order ids to come. `seq` is not: it counts commands,
    rejected ones too, and is kept beside the state.
    """
    orders = exchange.orders
    books = []
    for book in exchange.books.values():
        sides = []
        for half in (book.bids, book.asks):
            sides.append(
                [
                    [
                        orders.order_id[slot],
                        orders.account[slot],
                        orders.post_only[slot],
                        orders.price[slot],
                        orders.quantity[slot],
                        orders.open_quantity[slot],
                        orders.client_order_id[slot],
                    ]
                    for slot in half.slots()
                ]
            )
        books.append([list(attrs.astuple(book.instrument)), sides])
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
    placed = []
    for definition, sides in books:
        instrument = Instrument(*definition)
        exchange.books[instrument.number] = Book(orders, instrument)
        exchange.symbols[instrument.symbol] = instrument.number
        for side, rows in zip((Side.BUY, Side.SELL), sides):
            for place, row in enumerate(rows):
                placed.append((row[0], place, instrument.number, side, row))
    places = []
    for order_id, place, instrument, side, row in sorted(placed, key=lambda entry: entry[0]):
        _, account, post_only, price, quantity, open_quantity, client_order_id = row
        slot = orders.add(
            order_id, account, instrument, side, post_only, price, quantity, open_quantity, client_order_id
        )
        places.append((instrument, side, place, slot))
    for instrument, side, _, slot in sorted(places):
        exchange.books[instrument].side(side).add(slot)
    return exchange
