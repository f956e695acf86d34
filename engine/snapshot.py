"""The whole state of an exchange as one value, its hash, and the way back. Pure; files are snapshots.py's business."""

import hashlib

import attrs
import msgpack

from engine.book import Book
from engine.exchange import Exchange
from engine.instruments import Instrument
from engine.ledger import Account, Asset, Limits
from protocol.messages import PlaceOrder

#: The columns of orders.Orders in the row of an order: what PlaceOrder said, and what has come of it.
TERMS = (
    "account", "side", "order_type", "time_in_force", "post_only", "price", "self_trade_prevention", "stop_price",
    "expire_time_ns", "client_order_id",
)  # fmt: skip
FUNDS = ("account_index", "reserved", "maker_ppm", "taker_ppm", "fee_ppm_max", "fee_surplus")
#: How many attributes of an Instrument are its own state; the rest is found by bind().
INSTRUMENT_FIELDS = [field.name for field in attrs.fields(Instrument) if field.name not in (
    "fees", "base_asset", "quote_asset", "base_multiplier", "quote_multiplier",
)]  # fmt: skip

ACCOUNT_FIELDS = [field.name for field in attrs.fields(Account) if field.name != "limits"]


def dump(exchange):
    """-> nested lists of ints and text: equal for equal states, on any interpreter. O(orders + accounts).

    The order of slots given back is part of it: it decides the order ids to come. `seq` is not: it counts commands,
    rejected ones too, and is kept beside the state.
    """
    orders, trading = exchange.orders, exchange.trading
    books = []
    for book in exchange.books.values():
        instrument = book.instrument
        definition = [getattr(instrument, name) for name in INSTRUMENT_FIELDS]
        fees = [[tier, *rates] for tier, rates in instrument.fees.items()]
        halves = [_rows(orders, half, instrument.base != 0) for half in _halves(book)]
        books.append([definition, fees, book.last_price, halves])
    known = [
        [account, [[text, *first] for text, first in ids.items()]] for account, ids in trading.client_order_ids.items()
    ]
    return [orders.number, trading.trade_count, orders.used, orders.free, books, known, _dump_ledger(exchange.ledger)]


def _halves(book):
    return (book.bids, book.asks, book.buy_stops, book.sell_stops)


def _rows(orders, half, is_funded):
    columns = [getattr(orders, name) for name in TERMS]
    funds = [getattr(orders, name) for name in FUNDS] if is_funded else []
    return [
        [
            orders.order_id[slot],
            orders.quantity[slot],
            orders.open_quantity[slot],
            [column[slot] for column in columns],
            [column[slot] for column in funds],
        ]
        for slot in half.slots()
    ]


def _dump_ledger(ledger):
    assets = [list(attrs.astuple(asset, recurse=False)) for asset in ledger.assets.values()]
    accounts = [
        [
            [getattr(account, name) for name in ACCOUNT_FIELDS],
            [[asset, *attrs.astuple(limits)] for asset, limits in account.limits.items()],
        ]
        for account in ledger.accounts.values()
    ]
    references = [[reference, *movement] for reference, movement in ledger.references.items()]
    return [assets, accounts, references, ledger.last_given]


def state_hash(exchange):
    """-> hex digest (SHA-256) of dump(). O(orders + accounts)."""
    return hashlib.sha256(msgpack.packb(dump(exchange))).hexdigest()


def load(seq, state):
    """-> the Exchange that was dumped, `seq` its last command. O(orders log orders)."""
    number, trade_count, used, free, books, known, ledger = state
    exchange = Exchange(order_slots=used)
    _load_ledger(exchange.ledger, ledger)
    orders, trading = exchange.orders, exchange.trading
    exchange.seq = seq
    trading.trade_count = trade_count
    orders.number = number
    orders.used = used
    orders.free = list(free)
    for account, ids in known:
        trading.client_order_ids[account] = {text: tuple(first) for text, *first in ids}
    rows = []
    for definition, fees, last_price, halves in books:
        instrument = Instrument(**dict(zip(INSTRUMENT_FIELDS, definition)))
        instrument.fees = {tier: tuple(rates) for tier, *rates in fees}
        if instrument.base:
            instrument.bind(exchange.ledger.assets)
        book = exchange.books[instrument.number] = Book(orders, instrument)
        book.last_price = last_price
        exchange.administration.symbols[instrument.symbol] = instrument.number
        for half in halves:
            rows += [(row[0], instrument.number, row) for row in half]
    _load_orders(trading, sorted(rows, key=lambda entry: entry[0]))
    for book, (_, _, _, halves) in zip(exchange.books.values(), books):
        for half, half_rows in zip(_halves(book), halves):
            for row in half_rows:
                slot = orders.find(row[0])
                orders.is_waiting[slot] = 1 if half is book.buy_stops or half is book.sell_stops else 0
                half.add(slot)
    return exchange


def _load_orders(trading, rows):
    """In order-id order, as accounts list them."""
    orders = trading.orders
    for order_id, instrument, (_, quantity, open_quantity, terms, funds) in rows:
        command = PlaceOrder(instrument=instrument, quantity=quantity, **dict(zip(TERMS, terms)))
        orders.put(order_id, command, quantity, open_quantity)
        slot = orders.find(order_id)
        for name, value in zip(FUNDS, funds):
            getattr(orders, name)[slot] = value
        if command.expire_time_ns:
            trading.expiries.add((command.expire_time_ns, order_id))
    if trading.expiries:
        trading.next_due_ns = trading.expiries[0][0]


def _load_ledger(ledger, state):
    assets, accounts, references, ledger.last_given = state
    ledger.accounts.clear()
    for fields, limits in accounts:
        account = Account(**dict(zip(ACCOUNT_FIELDS, fields)))
        account.limits = {asset: Limits(*notionals) for asset, *notionals in limits}
        ledger.accounts[account.number] = account
        if account.user:
            ledger.users[account.user] = account.number
    for row in assets:
        ledger.assets[row[0]] = Asset(*row)
    ledger.references = {reference: tuple(movement) for reference, *movement in references}
