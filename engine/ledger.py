"""Who owns what: for each asset and account an available and a reserved amount, and what came in and went out. Pure.

Amounts are ints in units of 10^-scale of the asset. Every movement has two sides, so that per asset the sum over all
accounts is what was deposited less what was withdrawn, after every command (check()).
"""

import attrs

from protocol.messages import FEES_ACCOUNT, REFERENCES_MAX

#: Most that may be deposited of one asset, all accounts together: no balance can then leave the wire's i64.
SUPPLY_MAX = 2**62
PPM = 1_000_000


@attrs.define
class Asset:
    number: int
    symbol: str
    scale: int
    deposited: int = 0
    withdrawn: int = 0
    available: list = attrs.field(factory=list)  # by Account.index
    reserved: list = attrs.field(factory=list)
    traded: list = attrs.field(factory=list)  # where this is the quote asset: notional traded on traded_day
    traded_day: list = attrs.field(factory=list)  # UTC days since 1970


@attrs.define
class Account:
    """What is kept of an account beside its balances and orders."""

    number: int
    user: str  # the outside world's name for it
    index: int  # of its balances
    tier: int = 0  # of fees
    is_blocked: int = 0
    open_orders_max: int = 0  # 0: no limit
    commands_per_second: int = 0  # of each of its sessions; 0: as the core is set up
    limits: dict = attrs.field(factory=dict)  # quote asset -> Limits


@attrs.define
class Limits:
    """Of an account, for instruments quoted in one asset; notionals in that asset's units, 0: no limit."""

    order_notional_max: int
    daily_notional_max: int
    second_factor_above: int


class Ledger:
    def __init__(self, orders):
        self.orders = orders
        self.assets = {}  # number -> Asset, in order of definition
        self.accounts = {}  # number -> Account, in order of opening
        self.users = {}  # user -> account number
        self.references = {}  # reference -> (message type, account, asset, amount), the newest REFERENCES_MAX
        self.last_given = 0  # account number
        self.day = 0  # UTC day of the command under way
        self.open_account(FEES_ACCOUNT, "")

    def define_asset(self, number, symbol, scale):
        count = len(self.accounts)
        self.assets[number] = Asset(number, symbol, scale, 0, 0, [0] * count, [0] * count, [0] * count, [0] * count)

    def open_account(self, number, user):
        self.accounts[number] = Account(number, user, len(self.accounts))
        if user:
            self.users[user] = number
        for asset in self.assets.values():
            for column in (asset.available, asset.reserved, asset.traded, asset.traded_day):
                column.append(0)

    def next_account(self):
        """-> the lowest number not given yet."""
        number = self.last_given + 1
        while number in self.accounts:
            number += 1
        self.last_given = number
        return number

    def deposit(self, account, asset, amount):
        asset.available[account.index] += amount
        asset.deposited += amount

    def withdraw(self, account, asset, amount):
        asset.available[account.index] -= amount
        asset.withdrawn += amount

    def traded_today(self, account, asset):
        return asset.traded[account.index] if asset.traded_day[account.index] == self.day else 0

    def remember(self, reference, movement):
        """Know the reference of a movement from now on, and forget the oldest where there are too many."""
        if len(self.references) >= REFERENCES_MAX:
            del self.references[next(iter(self.references))]
        self.references[reference] = movement

    # --- orders ------------------------------------------------------------------------------------------------------

    def reserve(self, slot, asset, amount):
        """Bring what the order at `slot` has reserved of an asset to `amount`."""
        orders = self.orders
        index = orders.account_index[slot]
        difference = amount - orders.reserved[slot]
        orders.reserved[slot] = amount
        asset.available[index] -= difference
        asset.reserved[index] += difference
        assert asset.available[index] >= 0

    def settle_buy(self, slot, instrument, notional, quantity, rate_ppm, left_notional):
        """The buyer's side of a fill: pay `notional` and the fee out of the reserved amount, receive `quantity`. What
        is left to buy may cost `left_notional` (below 0: for a market order, what remains reserved). -> fee."""
        orders = self.orders
        index = orders.account_index[slot]
        quote = instrument.quote_asset
        fee = self._charge(slot, notional, rate_ppm)
        before = orders.reserved[slot]
        if left_notional < 0:
            reserved = before - notional - fee
        else:
            reserved = left_notional + fee_reserve(orders.fee_surplus[slot], left_notional, orders.fee_ppm_max[slot])
        orders.reserved[slot] = reserved
        quote.reserved[index] += reserved - before
        quote.available[index] += before - reserved - notional - fee
        quote.available[0] += fee
        self._count_traded(quote, index, notional)
        instrument.base_asset.available[index] += quantity * instrument.base_multiplier
        return fee

    def settle_sell(self, slot, instrument, notional, quantity, rate_ppm):
        """The seller's side: give `quantity` from the reserved amount, receive `notional` less the fee. -> fee."""
        orders = self.orders
        index = orders.account_index[slot]
        amount = quantity * instrument.base_multiplier
        fee = self._charge(slot, notional, rate_ppm)
        orders.reserved[slot] -= amount
        instrument.base_asset.reserved[index] -= amount
        instrument.quote_asset.available[index] += notional - fee
        instrument.quote_asset.available[0] += fee
        self._count_traded(instrument.quote_asset, index, notional)
        return fee

    def _count_traded(self, asset, index, notional):
        if asset.traded_day[index] != self.day:
            asset.traded_day[index] = self.day
            asset.traded[index] = 0
        asset.traded[index] = min(asset.traded[index] + notional, SUPPLY_MAX)

    def _charge(self, slot, notional, rate_ppm):
        """-> what brings the order's fees up to the sum of rate x notional over its fills, rounded up to the unit.

        `fee_surplus` is what rounding has charged too much so far, in 1/PPM units: rounding is once an order, so that
        the reserved amount always suffices.
        """
        surplus = self.orders.fee_surplus[slot]
        part = rate_ppm * (notional % PPM) - surplus
        rounded = -(-part // PPM)
        self.orders.fee_surplus[slot] = rounded * PPM - part
        return rate_ppm * (notional // PPM) + rounded

    # --- invariants --------------------------------------------------------------------------------------------------

    def check(self):
        """Assert every invariant. O(accounts x assets)."""
        for asset in self.assets.values():
            for column in (asset.available, asset.reserved, asset.traded, asset.traded_day):
                assert len(column) == len(self.accounts)
            assert min(asset.available) >= 0, "%s: a negative available amount" % asset.symbol
            assert min(asset.reserved) >= 0, "%s: a negative reserved amount" % asset.symbol
            total = sum(asset.available) + sum(asset.reserved)
            assert total == asset.deposited - asset.withdrawn, "%s: not zero-sum" % asset.symbol
        assert len(self.references) <= REFERENCES_MAX
        for index, (number, account) in enumerate(self.accounts.items()):
            assert (account.number, account.index) == (number, index)
            assert not account.user or self.users[account.user] == number


def fee_reserve(surplus, notional, rate_ppm):
    """-> the most that fees on `notional` more can come to, for an order that was charged `surplus` too much."""
    part = rate_ppm * (notional % PPM) - surplus
    return rate_ppm * (notional // PPM) - (-part // PPM)
