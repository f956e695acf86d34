"""What `tools order` does with a connected client, but for watching."""

import attrs

from protocol.calls import ConnectionClosed
from protocol.client import TradingClient
from protocol.messages import Code
from tools.console import Failed, fields_of, named, print_json, table
from tools.decimals import Scale

CONNECT_SECONDS = 5


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
    placed = await trader.client.place(
        instrument=instrument.instrument,
        side=arguments.side,
        quantity=quantities.units(arguments.quantity),
        price=0 if arguments.price is None else prices.units(arguments.price),
        order_type="market" if arguments.price is None else "limit",
        time_in_force="fok" if arguments.fok else "ioc" if arguments.ioc else None,
        post_only=arguments.post_only,
        client_order_id=arguments.client_order_id,
    )
    if arguments.json:
        fills = [fields_of(fill) for fill in placed.fills]
        print_json(dict(attrs.asdict(placed, recurse=False), fills=fills))
        return 0
    print("order %d" % placed.order_id)
    for fill in placed.fills:
        print("  filled %s at %s" % (quantities.text(fill.quantity), prices.text(fill.price)))
    if placed.open_quantity:
        print("  open %s" % quantities.text(placed.open_quantity))
    if placed.cancel_reason:
        rest = placed.quantity - placed.filled_quantity - placed.open_quantity
        print("  cancelled %s: %s" % (quantities.text(rest), placed.cancel_reason))
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
        print_json([dict(attrs.asdict(order), side=named("side", order.side)) for order in orders])
        return 0
    symbols = {instrument.instrument: instrument.symbol for instrument in trader.instruments}
    rows = []
    for order in orders:
        prices, quantities = trader.scales(order.instrument)
        amounts = [prices.text(order.price), quantities.text(order.quantity), quantities.text(order.open_quantity)]
        head = [order.order_id, symbols[order.instrument], named("side", order.side)]
        rows.append(head + amounts + [order.client_order_id])
    print("\n".join(table(("order", "symbol", "side", "price", "quantity", "open", "client order id"), rows)))
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
