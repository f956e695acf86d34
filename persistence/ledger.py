"""Ledger entries, as the venue's own ledger moves money (docs/decisions 0007 and 0011). Pure.

Double entry: the entries of one event add up to 0 in each asset over available and reserved together; money from
outside comes from OUTSIDE_ACCOUNT. What an order reserves moves between the two columns of one entry. An order that
ends with the command it came with reserves nothing here: nobody ever sees that reserve.
"""

from persistence.literals import NULL
from persistence.state import OUTSIDE_ACCOUNT, PPM, SUFFIXES
from protocol.messages import FEES_ACCOUNT, Side


class Ledger:
    """Appends rows to `entries`, and adds up what they change. `assets`: number -> scale."""

    def __init__(self, entries, assets):
        self.entries = entries
        self.assets = assets
        self._changes = {}  # (account, asset) -> [available, reserved, last event_seq]

    def balances(self):
        """-> rows of what the entries come to: account, asset, available and reserved change, last event_seq."""
        rows = []
        for (account, asset), (available, reserved, event_seq) in self._changes.items():
            end = SUFFIXES[self.assets[asset]]
            rows.append((account, asset, f"{available}{end}", f"{reserved}{end}", event_seq))
        return rows

    def enter(self, event_seq, time_us, account, asset, order_id, trade_id, kind, available, reserved):
        end = SUFFIXES[self.assets[asset]]
        self.entries.append((
            event_seq, time_us, account, asset, order_id, trade_id, kind,
            f"{available}{end}", f"{reserved}{end}" if reserved else "0",
        ))  # fmt: skip
        change = self._changes.get((account, asset))
        if change is None:
            self._changes[account, asset] = [available, reserved, event_seq]
        else:
            change[0] += available
            change[1] += reserved
            change[2] = event_seq

    # --- in and out --------------------------------------------------------------------------------------------------

    def move(self, event_seq, time_us, account, asset, amount, kind):
        """From outside to the account, or back where the amount is below 0."""
        self.enter(event_seq, time_us, account, asset, NULL, NULL, kind, amount, 0)
        self.enter(event_seq, time_us, OUTSIDE_ACCOUNT, asset, NULL, NULL, kind, -amount, 0)

    # --- orders ------------------------------------------------------------------------------------------------------

    def reserve(self, order, event_seq, time_us):
        """Bring what is reserved for an order to what its terms need."""
        change = order.needed() - order.reserved
        if change:
            order.reserved += change
            kind = "reserve" if change > 0 else "release"
            self.enter(event_seq, time_us, order.account, _asset(order), order.order_id, NULL, kind, -change, change)

    def release(self, order, event_seq, time_us):
        """Give back all that is still reserved for an order that has ended."""
        amount, order.reserved = order.reserved, 0
        self.enter(event_seq, time_us, order.account, _asset(order), order.order_id, NULL, "release", amount, -amount)

    def settle(self, maker, taker, price, quantity, maker_fee, taker_fee, event_seq, time_us, trade_id):
        """Both sides of a trade and the fees. The orders tell what is open after it."""
        instrument = maker.instrument
        notional = price * quantity * instrument.quote_multiplier
        amount = quantity * instrument.base_multiplier
        maker.fee_surplus += maker_fee * PPM - maker.maker_ppm * notional
        taker.fee_surplus += taker_fee * PPM - taker.taker_ppm * notional
        for order, fee in ((maker, maker_fee), (taker, taker_fee)):
            base = event_seq, time_us, order.account, instrument.base, order.order_id, trade_id, "trade"
            quote = event_seq, time_us, order.account, instrument.quote, order.order_id, trade_id, "trade"
            if order.side == Side.BUY:
                released = order.reserved - order.needed()
                order.reserved -= released
                self.enter(*quote, released - notional - fee, -released)
                self.enter(*base, amount, 0)
            else:
                released = order.reserved - order.needed()
                order.reserved -= released
                self.enter(*base, released - amount, -released)
                self.enter(*quote, notional - fee, 0)
        fees = maker_fee + taker_fee
        if fees:
            self.enter(event_seq, time_us, FEES_ACCOUNT, instrument.quote, NULL, trade_id, "fee", fees, 0)


def _asset(order):
    return order.instrument.quote if order.side == Side.BUY else order.instrument.base
