"""Decimal text to units and back, exactly."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.decimals import Scale


@pytest.mark.parametrize(
    "digits, text, units",
    [
        (0, "0", 0),
        (0, "15", 15),
        (0, "-15", -15),
        (0, "15.0", 15),
        (0, "15.", 15),
        (0, "000000000000000000000000000000000000015", 15),
        (2, "1.5", 150),
        (2, "-1.5", -150),
        (2, ".5", 50),
        (2, "101", 10_100),
        (2, "101.25", 10_125),
        (2, "101.2500", 10_125),
        (2, " 101.25 ", 10_125),
        (2, "- 1", None),
        (2, "101.255", None),
        (0, "0.1", None),
        (18, "0.000000000000000001", 1),
        (18, "999.999999999999999999", 10**21 - 1),
        (2, "", None),
        (2, ".", None),
        (2, "-", None),
        (2, "--1", None),
        (2, "+1", None),
        (2, "1e5", None),
        (2, "1_000", None),
        (2, "1,000", None),
        (2, "1.2.3", None),
        (2, "0x10", None),
        (2, "nan", None),
        (2, "²", None),
        (2, "٣", None),
        (2, "1" * 41, None),
    ],
)
def test_text_is_units_or_it_is_refused(digits, text, units):
    if units is None:
        with pytest.raises(ValueError):
            Scale(digits).units(text)
    else:
        assert Scale(digits).units(text) == units


def test_what_is_refused_is_said():
    with pytest.raises(ValueError, match="101.255 has more than 2 decimal places"):
        Scale(2).units("101.255")
    with pytest.raises(ValueError, match="'ten' is not a decimal number"):
        Scale(2).units("ten")


@pytest.mark.parametrize(
    "digits, units, text",
    [(0, 15, "15"), (2, 10_125, "101.25"), (2, 10_100, "101.00"), (2, 5, "0.05"), (2, 0, "0.00"), (2, -5, "-0.05")],
)
def test_units_are_written_with_all_their_decimal_places(digits, units, text):
    assert Scale(digits).text(units) == text


@given(st.integers(0, 18), st.integers(-(10**20), 10**20))
def test_what_is_written_reads_the_same_and_is_the_same_number(digits, units):
    text = Scale(digits).text(units)
    assert Scale(digits).units(text) == units
    assert Decimal(text).scaleb(digits) == units
