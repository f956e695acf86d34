"""Commands of a storm: one market with funds, three accounts and a poor one, thin books with gaps, stop orders that set
each other off, amends that cross, fees and rebates that change meanwhile. Nothing is spoilt and nothing limited, so
that what is rare among the crowd of tests/commands.py is common here.
"""

from protocol.messages import (
    AmendOrder,
    CancelOrder,
    DefineAsset,
    DefineInstrument,
    Deposit,
    OpenAccount,
    OrderType,
    PlaceOrder,
    SelfTradePrevention,
    SetFees,
    Side,
    Tick,
    TimeInForce,
    Withdraw,
)

ACCOUNTS = (1, 2, 3)
POOR = 4  # can buy one unit, at a price that does not run away
BASE, QUOTE, MARKET = 1, 2, 1
PRICE_MIDDLE = 100
MAKER_PPM = (-2_000, -333, 0, 777, 2_500)
TAKER_PPM = (2_000, 2_500, 10_000)


def definitions(money):
    """-> the commands it starts with; `money` is what each account has of the quote asset."""
    found = [DefineAsset(0, BASE, 3, 0, "BASE"), DefineAsset(0, QUOTE, 4, 0, "QUOTE")]
    found.append(DefineInstrument(0, MARKET, 2, 1, 1, 1, 300, BASE, QUOTE, 0, "STORM"))
    for account in ACCOUNTS:
        found.append(OpenAccount(account, 0, "user-%d" % account))
        found.append(Deposit(account, BASE, 40_000, 0, "base-%d" % account))
        found.append(Deposit(account, QUOTE, money, 0, "quote-%d" % account))
    found += [OpenAccount(POOR, 0, "poor"), Deposit(POOR, QUOTE, 1_150, 0, "poor")]
    return found


class Storm:
    """Draws commands around `price`, that of the last trade; `open_orders`: [(account, order id), ...]."""

    def __init__(self, random, now_ns, price, open_orders):
        self.random = random
        self.now_ns = now_ns
        self.price = (price + 3 * PRICE_MIDDLE) // 4 if price else PRICE_MIDDLE  # it comes back
        self.open_orders = open_orders

    def next_command(self):
        kinds = (self.limit,) * 10 + (self.stop,) * 8 + (self.market,) * 4
        kinds += (self.move_money, self.set_fees, self.tick)
        if self.open_orders:
            kinds += (self.amend,) * 6 + (self.cancel,)
        return self.random.choice(kinds)()

    def place(self, side, order_type, **fields):
        """As most are: good till cancelled, for a few, with any self-trade prevention."""
        fields = {
            "time_in_force": TimeInForce.GTC,
            "post_only": 0,
            "price": 0,
            "quantity": self.random.randint(1, 12),
            "self_trade_prevention": self.random.randint(SelfTradePrevention.CANCEL_TAKER, SelfTradePrevention.NONE),
            **fields,
        }
        account = self.random.choice((*ACCOUNTS, *ACCOUNTS, POOR))
        if account == POOR and side == Side.BUY:
            fields["quantity"] = 1
        return PlaceOrder(account, MARKET, side, order_type, **fields)

    def until(self, command):
        """Give the order one of the ways to wait, or not to."""
        waiting = (TimeInForce.GTC,) * 4 + (TimeInForce.GTD,)
        immediate = (TimeInForce.IOC, TimeInForce.FOK) if command.order_type != OrderType.STOP else ()
        command.time_in_force = self.random.choice(waiting + immediate)
        if command.time_in_force == TimeInForce.GTD:
            command.expire_time_ns = self.now_ns + self.random.randint(1, 10**14)
        return command

    def either(self):
        """-> (side, -1 for a buy and 1 for a sell): the way in which its price gets worse for others."""
        side = self.random.choice((Side.BUY, Side.SELL))
        return side, -1 if side == Side.BUY else 1

    def limit(self):
        side, outwards = self.either()
        price = self.price + outwards * self.random.choice((0, 1, 2, 3, 8, 20)) + self.random.randint(-2, 2)
        return self.until(self.place(side, OrderType.LIMIT, price=price))

    def stop(self):
        side, outwards = self.either()
        stop_price = self.price - outwards * self.random.randint(0, 6)
        command = self.place(side, self.random.choice((OrderType.STOP, OrderType.STOP_LIMIT)), stop_price=stop_price)
        if command.order_type == OrderType.STOP_LIMIT:
            command.price = stop_price - outwards * self.random.randint(-2, 6)
        return self.until(command)

    def market(self):
        side, _ = self.either()
        time_in_force = self.random.choice((TimeInForce.IOC, TimeInForce.IOC, TimeInForce.FOK))
        command = self.place(side, OrderType.MARKET, time_in_force=time_in_force)
        if self.random.randint(0, 1):
            command.quantity, command.quote_quantity = 0, self.random.randint(100, 1_500)
        return command

    def amend(self):
        account, order_id = self.random.choice(self.open_orders)
        price = self.random.choice((0, 0, self.price + self.random.randint(-8, 8)))
        quantity = self.random.choice((0, self.random.randint(1, 15)))
        stop_price = self.random.choice((0, 0, self.price + self.random.randint(-8, 8)))
        return AmendOrder(account, order_id, price, quantity, stop_price)

    def cancel(self):
        return CancelOrder(*self.random.choice(self.open_orders))

    def move_money(self):
        """Out as far as it goes, and back."""
        kind = self.random.choice((Deposit, Withdraw))
        asset = self.random.choice((BASE, QUOTE))
        amount = self.random.choice((1, 500, 4_000, 20_000))
        return kind(self.random.choice(ACCOUNTS), asset, amount, 0, "move-%d" % self.random.getrandbits(60))

    def set_fees(self):
        return SetFees(0, MARKET, 0, self.random.choice(MAKER_PPM), self.random.choice(TAKER_PPM), 0)

    def tick(self):
        return Tick(0)
