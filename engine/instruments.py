"""What an instrument is, and which numbers it lets in. Pure."""

import attrs

from protocol.messages import Code, InstrumentState

#: Largest price and largest quantity in units; their product, and the open quantity of one side of a book, stay
#: below 2^62, so that everything fits the wire's i64 and PyPy's machine ints.
UNITS_MAX = 10**15
NOTIONAL_MAX = 2**62
SCALE_MAX = 18
COLLAR_BPS_MAX = 10_000
SYMBOL_CHARACTERS_MAX = 32

NO_FEES = (0, 0, 0)


@attrs.define
class Instrument:
    number: int
    symbol: str
    price_scale: int  # a price of 1 unit is 10^-price_scale
    quantity_scale: int
    tick: int  # units of price
    lot: int  # units of quantity
    collar_bps: int  # 1/10,000 of the best opposite price
    base: int = 0  # asset numbers; 0: traded without funds
    quote: int = 0
    state: int = InstrumentState.OPEN
    quantity_min: int = 0  # limits, see SetInstrumentLimits; 0: none
    quantity_max: int = 0
    notional_min: int = 0
    band_bps: int = 0
    fees: dict = attrs.field(factory=dict)  # tier -> (maker_ppm, taker_ppm, the larger of them and 0)
    # from the assets: what one unit of quantity, and of price x quantity, is in units of the ledger
    base_asset: object = None
    quote_asset: object = None
    base_multiplier: int = 1
    quote_multiplier: int = 1

    def bind(self, assets):
        """Find the assets once, for the hot path. -> Code of why they will not do, or 0."""
        base, quote = assets.get(self.base), assets.get(self.quote)
        if base is None or quote is None:
            return Code.UNKNOWN_ASSET
        base_digits = base.scale - self.quantity_scale
        quote_digits = quote.scale - self.price_scale - self.quantity_scale
        if base is quote or base_digits < 0 or quote_digits < 0:
            return Code.INVALID_INSTRUMENT
        self.base_asset, self.quote_asset = base, quote
        self.base_multiplier, self.quote_multiplier = 10**base_digits, 10**quote_digits
        return 0

    def fees_of(self, tier):
        """-> (maker_ppm, taker_ppm, the larger of them and 0) of a tier, of tier 0 where it has none of its own."""
        return self.fees.get(tier) or self.fees.get(0, NO_FEES)


def definition_problem(command):
    """-> Code of what is wrong with a DefineInstrument by itself, or 0."""
    symbol = command.symbol
    if (
        command.instrument == 0
        or not 0 <= command.price_scale <= SCALE_MAX
        or not 0 <= command.quantity_scale <= SCALE_MAX
        or not 1 <= command.tick <= UNITS_MAX
        or not 1 <= command.lot <= UNITS_MAX
        or not 0 <= command.collar_bps <= COLLAR_BPS_MAX
        or not 1 <= len(symbol) <= SYMBOL_CHARACTERS_MAX
        or not is_plain(symbol)
    ):
        return Code.INVALID_INSTRUMENT
    return 0


def is_plain(word):
    """True where every character is printable ASCII other than space."""
    for character in word:
        if not "!" <= character <= "~":
            return False
    return True


def price_problem(instrument, price):
    """-> Code of what is wrong with a limit price, or 0."""
    if not 0 < price <= UNITS_MAX:
        return Code.INVALID_PRICE
    if price % instrument.tick:
        return Code.PRICE_NOT_ON_TICK
    return 0


def quantity_problem(instrument, quantity):
    """-> Code of what is wrong with an order's quantity, or 0."""
    if not 0 < quantity <= UNITS_MAX:
        return Code.INVALID_QUANTITY
    if quantity % instrument.lot:
        return Code.QUANTITY_NOT_ON_LOT
    return 0
