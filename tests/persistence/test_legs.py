"""The legs of a trade: who pays what, to the last unit, fees and rebates included; nothing appears or disappears."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from persistence.legs import CREDIT, DEBIT, Leg, Trade, legs_of
from protocol.messages import FEES_ACCOUNT


def trade(quantity="2", notional="200", buyer_fee="0", seller_fee="0", buyer=1, seller=2):
    amounts = map(Decimal, (quantity, notional, buyer_fee, seller_fee))
    return Trade(7, buyer, "ann", seller, "bob", "BTC", "USDT", *amounts)


def legs(*rows):
    return [Leg(*row[:-1], Decimal(row[-1])) for row in rows]


def test_without_fees():
    debits, credits = legs_of(trade())
    assert debits == legs(("buyer_quote", 1, "ann", "USDT", DEBIT, "200"), ("seller_base", 2, "bob", "BTC", DEBIT, "2"))
    assert credits == legs(
        ("buyer_base", 1, "ann", "BTC", CREDIT, "2"), ("seller_quote", 2, "bob", "USDT", CREDIT, "200")
    )


def test_fees_are_paid_on_top_by_the_buyer_and_out_of_it_by_the_seller():
    debits, credits = legs_of(trade(buyer_fee="0.4", seller_fee="0.2"))
    assert debits[0] == Leg("buyer_quote", 1, "ann", "USDT", DEBIT, Decimal("200.4"))
    assert credits[1:] == legs(
        ("seller_quote", 2, "bob", "USDT", CREDIT, "199.8"), ("exchange_fee", FEES_ACCOUNT, "", "USDT", CREDIT, "0.6")
    )


def test_a_rebate_comes_out_of_the_other_sides_fee():
    _, credits = legs_of(trade(buyer_fee="0.4", seller_fee="-0.1"))
    assert credits[1:] == legs(
        ("seller_quote", 2, "bob", "USDT", CREDIT, "200.1"), ("exchange_fee", FEES_ACCOUNT, "", "USDT", CREDIT, "0.3")
    )


def test_a_rebate_and_a_fee_of_the_same_leave_the_exchange_out():
    debits, credits = legs_of(trade(buyer_fee="0.1", seller_fee="-0.1"))
    assert [leg.name for leg in debits + credits] == ["buyer_quote", "seller_base", "buyer_base", "seller_quote"]


def test_where_rebates_exceed_fees_the_exchange_pays():
    debits, _ = legs_of(trade(buyer_fee="-0.3", seller_fee="0.1"))
    assert debits == legs(
        ("buyer_quote", 1, "ann", "USDT", DEBIT, "199.7"),
        ("seller_base", 2, "bob", "BTC", DEBIT, "2"),
        ("exchange_fee", FEES_ACCOUNT, "", "USDT", DEBIT, "0.2"),
    )


def test_a_seller_whose_fee_is_all_he_earns_gets_no_leg():
    _, credits = legs_of(trade(notional="0.01", seller_fee="0.01"))
    assert [leg.name for leg in credits] == ["buyer_base", "exchange_fee"]


units = st.integers(1, 2**62).map(lambda value: Decimal(value).scaleb(-8))
fees = st.integers(-(2**40), 2**40).map(lambda value: Decimal(value).scaleb(-8))


@given(units, units, fees, fees)
def test_legs_sum_to_zero_and_each_account_gets_its_own(quantity, notional, buyer_fee, seller_fee):
    made = trade(quantity, notional, buyer_fee, seller_fee)
    debits, credits = legs_of(made)
    moved = {}
    for leg in debits + credits:
        assert leg.amount > 0
        amount = leg.amount if leg.direction == CREDIT else -leg.amount
        moved[leg.account, leg.asset] = moved.get((leg.account, leg.asset), 0) + amount
    assert {key: amount for key, amount in moved.items() if amount} == {
        key: amount
        for key, amount in {
            (1, "BTC"): quantity,
            (1, "USDT"): -notional - buyer_fee,
            (2, "BTC"): -quantity,
            (2, "USDT"): notional - seller_fee,
            (FEES_ACCOUNT, "USDT"): buyer_fee + seller_fee,
        }.items()
        if amount
    }
    for asset in ("BTC", "USDT"):
        assert sum(amount for (_, of), amount in moved.items() if of == asset) == 0
