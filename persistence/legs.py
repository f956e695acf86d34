"""What a trade moves at the wallet of record: its legs, which sum to zero in each asset. Pure.

Amounts are Decimals, exact from the journal's whole units; nothing here divides or rounds.
"""

from decimal import Decimal

import attrs

from protocol.messages import FEES_ACCOUNT

DEBIT, CREDIT = "debit", "credit"


@attrs.frozen
class Trade:
    """A trade of funded accounts. Fees are of the quote asset, below zero where they are rebates."""

    trade_id: int
    buyer: int  # account
    buyer_user: str  # the outside world's name for it
    seller: int
    seller_user: str
    base: str  # symbol of the asset
    quote: str
    quantity: Decimal  # of base
    notional: Decimal  # of quote: price x quantity
    buyer_fee: Decimal
    seller_fee: Decimal


@attrs.frozen
class Leg:
    """One posting. `name` tells it from the trade's other legs, and never changes."""

    name: str
    account: int
    user: str  # empty: the exchange's own account
    asset: str
    direction: str
    amount: Decimal  # above 0


def legs_of(trade):
    """-> (debits, credits). A leg of nothing is left out; the exchange's is a debit where rebates exceed fees.

    Debits come first: a wallet that refuses one has given nobody anything yet that would have to be taken back.
    """
    buyer, seller = (trade.buyer, trade.buyer_user), (trade.seller, trade.seller_user)
    moves = (
        ("buyer_quote", *buyer, trade.quote, -(trade.notional + trade.buyer_fee)),
        ("seller_base", *seller, trade.base, -trade.quantity),
        ("buyer_base", *buyer, trade.base, trade.quantity),
        ("seller_quote", *seller, trade.quote, trade.notional - trade.seller_fee),
        ("exchange_fee", FEES_ACCOUNT, "", trade.quote, trade.buyer_fee + trade.seller_fee),
    )
    for asset in (trade.base, trade.quote):
        total = sum(amount for _, _, _, moved, amount in moves if moved == asset)
        assert total == 0, "the legs of trade %d do not sum to zero" % trade.trade_id
    debits, credits = [], []
    for name, account, user, asset, amount in moves:
        if amount < 0:
            debits.append(Leg(name, account, user, asset, DEBIT, -amount))
        elif amount > 0:
            credits.append(Leg(name, account, user, asset, CREDIT, amount))
    return debits, credits
