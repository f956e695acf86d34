"""Who owns what: a total per account and asset; what is reserved is added up from the open orders every time."""

import math
from fractions import Fraction

import attrs

from protocol.messages import FEES_ACCOUNT, OrderType, Side
from tests.model.books import Books
from tests.model.orders import ELECTED, WAITING


@attrs.define
class Asset:
    symbol: str
    scale: int
    supply: int = 0  # deposited less withdrawn


@attrs.define
class Account:
    user: str
    tier: int = 0
    is_blocked: bool = False
    open_orders_max: int = 0
    limits: dict = attrs.field(factory=dict)  # asset -> (order_notional_max, daily_notional_max, second_factor_above)


class Money(Books):
    def __init__(self, slots_max=2**22 - 1):
        super().__init__(slots_max)
        self.assets = {}
        self.accounts = {FEES_ACCOUNT: Account("")}
        self.totals = {}  # (account, asset) -> amount
        self.traded = {}  # (account, asset, day) -> notional
        self.day = 0

    def add(self, account, asset, amount):
        self.totals[account, asset] = self.totals.get((account, asset), 0) + amount

    def reserved(self, account, asset):
        return sum(self.reserve_of(order) for order in self.orders if self.reserves_in(order) == (account, asset))

    def available(self, account, asset):
        return self.totals.get((account, asset), 0) - self.reserved(account, asset)

    def reserves_in(self, order):
        definition = self.markets[order.instrument].definition
        return order.account, definition.quote if order.side == Side.BUY else definition.base

    def reserve_of(self, order):
        """-> what an open order has reserved: a buy the most it may still cost, fees included, a sell its quantity."""
        market = self.markets[order.instrument]
        if not market.is_funded:
            return 0
        if order.side == Side.SELL:
            return order.open_quantity * market.base_multiplier
        price = order.price
        if order.order_type == OrderType.STOP and order.status in (WAITING, ELECTED):
            price = self.stop_price_and_collar(market, order.stop_price)
        return self.most_it_costs(order, price * order.open_quantity * market.quote_multiplier)

    def most_it_costs(self, order, notional):
        """-> `notional`, in units of the ledger, and the most its fees can still come to for this order."""
        rate = Fraction(max(order.maker_ppm, order.taker_ppm, 0), 1_000_000)
        return notional + math.ceil(order.fees_exact + rate * notional) - order.fees_charged

    def cost_of_placing(self, command, quantity, notional):
        """-> what a new order reserves; `notional` in units of the ledger, of a market order what it will trade."""
        market = self.markets[command.instrument]
        if command.side == Side.SELL:
            return quantity * market.base_multiplier
        if command.order_type == OrderType.STOP:
            notional = self.stop_price_and_collar(market, command.stop_price) * quantity * market.quote_multiplier
        rate = Fraction(max(0, *self.rates_of(market, command.account)), 1_000_000)
        return notional + math.ceil(rate * notional)

    def stop_price_and_collar(self, market, stop_price):
        """-> the price that a waiting stop order to buy is taken to pay."""
        return math.ceil(stop_price * (1 + Fraction(market.definition.collar_bps, 10_000)))

    def rates_of(self, market, account):
        """-> (maker_ppm, taker_ppm) for an order placed now."""
        if not market.is_funded:
            return 0, 0
        return market.fees.get(self.accounts[account].tier, market.fees.get(0, (0, 0)))

    def settle(self, order, price, quantity, ppm):
        """One side of a trade: money and goods change hands. -> fee."""
        market = self.markets[order.instrument]
        if not market.is_funded:
            return 0
        base, quote = market.definition.base, market.definition.quote
        notional = price * quantity * market.quote_multiplier
        sign = 1 if order.side == Side.BUY else -1
        self.add(order.account, base, sign * quantity * market.base_multiplier)
        self.add(order.account, quote, -sign * notional)
        fee = self.charge(order, notional, ppm)
        self.add(order.account, quote, -fee)
        self.add(FEES_ACCOUNT, quote, fee)
        key = (order.account, quote, self.day)
        self.traded[key] = self.traded.get(key, 0) + notional
        return fee

    def charge(self, order, notional, ppm):
        """-> what brings the order's fees up to the sum of rate x notional over its fills, rounded up once."""
        order.fees_exact += Fraction(ppm * notional, 1_000_000)
        fee = math.ceil(order.fees_exact) - order.fees_charged
        order.fees_charged += fee
        return fee
