"""Decimal text <-> whole units of 10^-scale, exactly and by ints alone. Pure: no float, and no Decimal either."""

import re

from gateway.errors import ApiError

UNITS_MAX = 2**63 - 1
#: For the API's description; what is too large or has too many places is refused with the market's own scale.
PATTERN = r"^[0-9]{1,19}(\.[0-9]{1,18})?$"
_is_decimal = re.compile(PATTERN[:-1] + r"\Z", re.ASCII).match


def units_of(text, scale, field):
    """-> int of 10^-scale. Plain digits with at most one point: no sign, exponent or space. Raises ApiError 422."""
    if not _is_decimal(text):
        raise ApiError(422, "invalid_decimal", 'a decimal number as text, such as "12.50"', field)
    whole, _, fraction = text.partition(".")
    if len(fraction) > scale:
        if fraction[scale:].strip("0"):
            raise ApiError(422, "too_many_decimals", "at most %d decimal places" % scale, field)
        fraction = fraction[:scale]
    units = int(whole + fraction) * 10 ** (scale - len(fraction))
    if units > UNITS_MAX:
        raise ApiError(422, "number_too_large", "the number is too large", field)
    return units


def text_of(units, scale):
    """-> the number with all its decimal places."""
    if units < 0:
        return "-" + text_of(-units, scale)
    if not scale:
        return str(units)
    digits = str(units).rjust(scale + 1, "0")
    return digits[:-scale] + "." + digits[-scale:]


def average_of(notional, quantity, price_scale):
    """Units of price x quantity over units of quantity -> the price as text, rounded half up to at least 8 places;
    None where nothing was traded."""
    if not quantity:
        return None
    places = max(price_scale, 8)
    scaled = notional * 10 ** (places - price_scale)
    return text_of((2 * scaled + quantity) // (2 * quantity), places)
