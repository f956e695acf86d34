"""The markets and assets of the venue as the core last told: symbols, scales, states, limits. Pure: fed with rows and
events, asked for what a request names."""

import attrs

from gateway.amounts import text_of, units_of
from gateway.errors import ApiError
from protocol.messages import (
    AssetDefined,
    FeesSet,
    InstrumentDefined,
    InstrumentLimitsSet,
    InstrumentState,
    InstrumentStateChanged,
    Liquidity,
    OrderFilled,
)


@attrs.define
class Market:
    """An instrument, with the conversions between its units and decimal text."""

    instrument: int
    symbol: str
    base: str  # asset symbols; empty: traded without funds
    quote: str
    price_scale: int
    quantity_scale: int
    quote_scale: int  # of the quote asset: fees are in its units
    tick: int
    lot: int
    collar_bps: int
    state: int = InstrumentState.OPEN
    quantity_min: int = 0
    quantity_max: int = 0
    notional_min: int = 0
    band_bps: int = 0
    maker_ppm: int = 0  # of the tier that most accounts are in
    taker_ppm: int = 0
    last_price: int = 0  # 0: nothing was traded yet

    def price(self, units):
        return text_of(units, self.price_scale)

    def quantity(self, units):
        return text_of(units, self.quantity_scale)

    def notional(self, units):
        return text_of(units, self.price_scale + self.quantity_scale)

    def fee(self, units):
        return text_of(units, self.quote_scale)

    def price_units(self, text, field="price"):
        return units_of(text, self.price_scale, field)

    def quantity_units(self, text, field="quantity"):
        return units_of(text, self.quantity_scale, field)

    def notional_units(self, text, field="quote_quantity"):
        return units_of(text, self.price_scale + self.quantity_scale, field)


@attrs.frozen
class Asset:
    asset: int
    symbol: str
    scale: int

    def amount(self, units):
        return text_of(units, self.scale)

    def amount_units(self, text, field="amount"):
        return units_of(text, self.scale, field)


class Catalogue:
    def __init__(self):
        self._clear()
        self._since_asked = None  # events, while the core is being asked for what load() takes

    def _clear(self):
        self.markets = {}  # number -> Market
        self.assets = {}  # number -> Asset
        self._by_symbol = {}  # as defined, and with the other of "-" and "/"
        self._assets_by_symbol = {}

    def ask(self):
        """The core is about to be asked: what events tell from here on may not be in its answers."""
        self._since_asked = []

    def load(self, assets, instruments):
        """Replace everything by the core's answers, protocol.calls.Balance of any account and Instrument, and by what
        has been told since ask()."""
        since, self._since_asked = self._since_asked, None
        self._clear()
        for row in assets:
            self._add_asset(row.asset, row.symbol, row.scale)
        for row in instruments:
            self._add_market(row)
            market = self.markets[row.instrument]
            for name in ("state", "quantity_min", "quantity_max", "notional_min", "band_bps", "maker_ppm", "taker_ppm"):
                setattr(market, name, getattr(row, name))
            market.last_price = row.last_price
        for event in since or ():
            self.take(event)

    def take(self, event):
        """An event of the core; most change nothing here."""
        cls = type(event)
        if self._since_asked is not None and cls in _EVENTS:
            self._since_asked.append(event)
        if cls is OrderFilled:
            if event.liquidity == Liquidity.TAKER and event.instrument in self.markets:
                self.markets[event.instrument].last_price = event.price
        elif cls is AssetDefined:
            self._add_asset(event.asset, event.symbol, event.scale)
        elif cls is InstrumentDefined and event.instrument not in self.markets:  # else it is older than load()
            self._add_market(event)
        elif cls in _CHANGES and event.instrument in self.markets and not getattr(event, "tier", 0):
            for name in _CHANGES[cls]:
                setattr(self.markets[event.instrument], name, getattr(event, name))

    def market(self, symbol, field="symbol"):
        """By `BTC-USDT` or `BTC/USDT`. -> Market; raises ApiError 404."""
        found = self._by_symbol.get(symbol)
        if found is None:
            raise ApiError(404, "unknown_instrument", "there is no such market", field)
        return found

    def asset(self, symbol, field="asset"):
        """-> Asset; raises ApiError 404."""
        found = self._assets_by_symbol.get(symbol)
        if found is None:
            raise ApiError(404, "unknown_asset", "there is no such asset", field)
        return found

    def _add_asset(self, number, symbol, scale):
        self.assets[number] = self._assets_by_symbol[symbol] = Asset(number, symbol, scale)

    def _add_market(self, row):
        """`row` is an InstrumentDefined, or an Instrument of the core's answer."""
        base, quote = self.assets.get(row.base), self.assets.get(row.quote)
        market = Market(
            instrument=row.instrument,
            symbol=row.symbol,
            base=base.symbol if base else "",
            quote=quote.symbol if quote else "",
            price_scale=row.price_scale,
            quantity_scale=row.quantity_scale,
            quote_scale=quote.scale if quote else row.price_scale + row.quantity_scale,
            tick=row.tick,
            lot=row.lot,
            collar_bps=row.collar_bps,
        )
        self.markets[row.instrument] = market
        for symbol in (row.symbol.replace("-", "/"), row.symbol.replace("/", "-"), row.symbol):
            self._by_symbol[symbol] = market


#: Event -> the fields of Market that it sets.
_CHANGES = {
    InstrumentStateChanged: ("state",),
    InstrumentLimitsSet: ("quantity_min", "quantity_max", "notional_min", "band_bps"),
    FeesSet: ("maker_ppm", "taker_ppm"),
}
_EVENTS = {OrderFilled, AssetDefined, InstrumentDefined, *_CHANGES}
