"""What `tools order` does with a connected client, but for watching."""

import time

import attrs

from protocol.calls import ConnectionClosed
from protocol.client import TradingClient
from protocol.messages import Code
from tools.console import Failed, fields_of, named, print_json, table
from tools.decimals import Scale

CONNECT_SECONDS = 5
TYPE_OF = {  # (has a price, has a stop price) -> order type
    (True, False): "limit",
    (False, False): "market",
    (True, True): "stop_limit",
    (False, True): "stop",
}


class Trader:
    """A connected TradingClient that knows the instruments. To be used in an `async with` block."""

    def __init__(self, host, port, key, secret):
        self.place = "%s:%d" % (host, port)
        self.client = TradingClient(host, port, key=key, secret=secret)
        self.instruments = []

    async def __aenter__(self):
        try:
            await self.client.connect(CONNECT_SECONDS)
            self.instruments = await self.client.instruments()
        except OSError as error:
            await self.client.close()
            raise Failed("no core answers at %s (%s): is the venue up?" % (self.place, error)) from None
        except ConnectionClosed as error:
            await self.client.close()
            if error.code == Code.LOGIN_FAILED:
                raise Failed("%s does not take this key: %s" % (self.place, error.text)) from None
            raise
        return self

    async def __aexit__(self, *_):
        await self.client.close()

    def instrument(self, symbol):
        """-> Instrument of a symbol, in any case, or number. Raises Failed."""
        for instrument in self.instruments:
            if symbol.upper() == instrument.symbol.upper() or symbol == str(instrument.instrument):
                return instrument
        known = ", ".join(instrument.symbol for instrument in self.instruments) or "none"
        raise Failed("there is no instrument %s; there are: %s" % (symbol, known))

    def scales(self, number):
        """-> (Scale of prices, Scale of quantities) of an instrument by number."""
        (found,) = [instrument for instrument in self.instruments if instrument.instrument == number]
        return Scale(found.price_scale), Scale(found.quantity_scale)


async def place(trader, arguments):
    instrument = trader.instrument(arguments.symbol)
    prices, quantities = trader.scales(instrument.instrument)
    has_price, has_stop = arguments.price is not None, arguments.stop is not None
    amounts = Scale(instrument.price_scale + instrument.quantity_scale)
    placed = await trader.client.place(
        instrument=instrument.instrument,
        side=arguments.side,
        quantity=0 if arguments.by_amount else quantities.units(arguments.quantity),
        quote_quantity=amounts.units(arguments.quantity) if arguments.by_amount else 0,
        price=prices.units(arguments.price) if has_price else 0,
        stop_price=prices.units(arguments.stop) if has_stop else 0,
        order_type=TYPE_OF[has_price, has_stop],
        time_in_force="fok" if arguments.fok else "ioc" if arguments.ioc else None,
        expire_time_ns=time.time_ns() + int(arguments.expire_in * 10**9) if arguments.expire_in else 0,
        post_only=arguments.post_only,
        self_trade_prevention=arguments.stp,
        client_order_id=arguments.client_order_id,
    )
    if arguments.json:
        fills = [fields_of(fill) for fill in placed.fills]
        print_json(dict(attrs.asdict(placed, recurse=False), fills=fills))
        return 0
    if placed.is_duplicate:
        others = ", but for %s" % ", ".join(placed.differs) if placed.differs else ""
        print("order %d was placed before under this client order id%s; nothing is done" % (placed.order_id, others))
    else:
        print("order %d" % placed.order_id)
    for fill in placed.fills:
        print("  filled %s at %s" % (quantities.text(fill.quantity), prices.text(fill.price)))
    if placed.open_quantity:
        word = "waiting" if has_stop and not placed.is_duplicate else "open"
        print("  %s %s" % (word, quantities.text(placed.open_quantity)))
    if placed.cancel_reason:
        print("  cancelled %s: %s" % (quantities.text(placed.cancelled_quantity), placed.cancel_reason))
    return 0


async def amend(trader, arguments):
    order = await trader.client.order(arguments.order_id)
    if order is None:
        raise Failed("there is no open order %d" % arguments.order_id)
    prices, quantities = trader.scales(order.instrument)
    amended = await trader.client.amend(
        order.order_id,
        price=prices.units(arguments.price) if arguments.price else 0,
        quantity=quantities.units(arguments.quantity) if arguments.quantity else 0,
        stop_price=prices.units(arguments.stop) if arguments.stop else 0,
    )
    if arguments.json:
        fills = [fields_of(fill) for fill in amended.fills]
        print_json(dict(attrs.asdict(amended, recurse=False), fills=fills))
        return 0
    kept = "kept" if amended.kept_priority else "lost"
    print("order %d amended, its place %s" % (amended.order_id, kept))
    for fill in amended.fills:
        print("  filled %s at %s" % (quantities.text(fill.quantity), prices.text(fill.price)))
    if amended.open_quantity:
        print("  open %s" % quantities.text(amended.open_quantity))
    if amended.cancel_reason:
        print("  cancelled %s: %s" % (quantities.text(amended.cancelled_quantity), amended.cancel_reason))
    return 0


async def balances(trader, arguments):
    found = await trader.client.balances()
    if arguments.json:
        print_json([attrs.asdict(balance) for balance in found])
        return 0
    rows = []
    for balance in found:
        scale = Scale(balance.scale)
        rows.append([balance.symbol, scale.text(balance.available), scale.text(balance.reserved)])
    print("\n".join(table(("asset", "available", "reserved"), rows)))
    return 0


async def cancel(trader, arguments):
    if arguments.all:
        cancelled = (await trader.client.cancel_all()).orders
    else:
        cancelled = [await trader.client.cancel(arguments.order_id)]
    if arguments.json:
        print_json([fields_of(event) for event in cancelled])
        return 0
    for event in cancelled:
        _, quantities = trader.scales(event.instrument)
        print("order %d cancelled, %s was open" % (event.order_id, quantities.text(event.quantity)))
    if not cancelled:
        print("no open orders")
    return 0


async def list_orders(trader, arguments):
    orders = await trader.client.open_orders()
    if arguments.json:
        print_json([{name: named(name, value) for name, value in attrs.asdict(order).items()} for order in orders])
        return 0
    symbols = {instrument.instrument: instrument.symbol for instrument in trader.instruments}
    rows = []
    for order in orders:
        prices, quantities = trader.scales(order.instrument)
        amounts = [prices.text(order.price) if order.price else "-"]
        amounts += [quantities.text(order.quantity), quantities.text(order.open_quantity)]
        amounts.append(prices.text(order.stop_price) if order.is_waiting else "-")
        head = [order.order_id, symbols[order.instrument], named("side", order.side)]
        rows.append(head + amounts + [order.client_order_id])
    columns = ("order", "symbol", "side", "price", "quantity", "open", "waits for", "client order id")
    print("\n".join(table(columns, rows)))
    return 0


async def book(trader, arguments):
    instrument = trader.instrument(arguments.symbol)
    found = await trader.client.depth(instrument.instrument, levels=arguments.levels)
    if arguments.json:
        print_json(dict(attrs.asdict(found), symbol=instrument.symbol))
        return 0
    prices, quantities = trader.scales(instrument.instrument)
    bids, asks = [[(level.price, level.quantity) for level in side] for side in (found.bids, found.asks)]
    print("%s (%s)" % (instrument.symbol, named("state", instrument.state)))
    print("\n".join(book_lines(bids, asks, prices, quantities)))
    return 0


def book_lines(bids, asks, prices, quantities):
    """[(price, quantity), ...] of each side, best first -> lines of a table, bids on the left."""
    left = [[quantities.text(quantity), prices.text(price)] for price, quantity in bids]
    right = [[prices.text(price), quantities.text(quantity)] for price, quantity in asks]
    height = max(len(left), len(right))
    none = [["-", "-"]]
    left += none * (height - len(left))
    right += none * (height - len(right))
    return table(("bid quantity", "bid", "ask", "ask quantity"), [bid + ask for bid, ask in zip(left, right)])
