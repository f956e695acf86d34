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


@attrs.define
class Instrument:
    number: int
    symbol: str
    price_scale: int  # a price of 1 unit is 10^-price_scale
    quantity_scale: int
    tick: int  # units of price
    lot: int  # units of quantity
    collar_bps: int  # 1/10,000 of the best opposite price
    state: int = InstrumentState.OPEN


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
