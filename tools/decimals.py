"""Decimal text to whole units and back, exactly: no float is ever between them."""

DIGITS_MAX = 40  # of one number; no field of ours holds half as many, and int() of endless digits takes endless time


class Scale:
    """Units of 10^-digits: with 2 digits "1.5" is 150 units, and 150 units are "1.50"."""

    def __init__(self, digits):
        self.digits = digits

    def units(self, text):
        """-> int. Raises ValueError, saying why, where the text is no decimal number or has digits below a unit."""
        if len(text) > DIGITS_MAX:
            raise ValueError("more than %d characters in a number" % DIGITS_MAX)
        whole, _, fraction = text.partition(".")
        digits = whole + fraction
        if not (digits.isascii() and digits.isdigit()):  # a sign, space around it, or nonsense
            bare = text.strip()
            if bare.startswith("-") and bare[1:2].isdigit():
                return -self.units(bare[1:])
            if bare == text or not bare:
                raise ValueError("%r is not a decimal number" % text)
            return self.units(bare)
        missing = self.digits - len(fraction)
        if missing < 0:
            if fraction[missing:].strip("0"):
                raise ValueError("%s has more than %d decimal places" % (text, self.digits))
            digits, missing = digits[:missing], 0
        if not digits:  # ".0" of a whole number
            return 0
        return int(digits) * 10**missing if missing else int(digits)

    def text(self, units):
        """-> the number with all its decimal places."""
        if not self.digits:
            return str(units)
        if units < 0:
            return "-" + self.text(-units)
        digits = str(units).rjust(self.digits + 1, "0")
        return digits[: -self.digits] + "." + digits[-self.digits :]
