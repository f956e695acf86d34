"""A flow of orders, made before it is sent and the same for the same seed: what to send, and what each cancel means.

It is made by running it through an exchange of its own, so that every cancel names an order that is open when the flow
is executed in this order. Buys are of the first half of the accounts, sells of the second: nobody trades with himself.
"""

import random

import attrs

from engine.exchange import Exchange
from protocol.messages import (
    CancelOrder,
    DefineAsset,
    DefineInstrument,
    Deposit,
    OpenAccount,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderType,
    PlaceOrder,
    SelfTradePrevention,
    SetFees,
    Side,
    TimeInForce,
)

INSTRUMENT = 1
BASE, QUOTE = 1, 2  # assets of the funded venue
MAKER_PPM, TAKER_PPM = 200, 500  # its fees
SUPPLY = 2**61  # of each asset
MIDDLE = 100_000  # price units; bids rest below, asks above
REACH = 200  # how far from the middle orders rest, in price units
QUANTITY_MAX = 100
RESTING = 1000  # orders in the book before the mix begins

#: name -> how many of 6 commands are (new passive orders, cancels); the rest are aggressive (limit, IOC).
MIXES = {"mixed": (3, 2), "adds": (6, 0), "adds-ioc": (3, 0)}
NOTHING = -1


@attrs.define
class Flow:
    commands: list  # request ids from 1; order ids as an exchange gives them that saw definition() and then only these
    cancels: list  # of each command: index of the command whose order it cancels, or NOTHING
    events: int  # how many an exchange answers them with

    def kinds(self):
        """-> {"passive": number of commands, "cancel": ..., "aggressive": ...}."""
        cancels = sum(1 for target in self.cancels if target != NOTHING)
        aggressive = sum(1 for c in self.commands if type(c) is PlaceOrder and c.time_in_force == TimeInForce.IOC)
        return {"passive": len(self.commands) - cancels - aggressive, "cancel": cancels, "aggressive": aggressive}


def definition():
    """-> the command that makes the instrument of every flow, traded without funds."""
    return DefineInstrument(0, INSTRUMENT, 2, 2, 1, 1, 500, 0, 0, 0, "LOAD")


def funded_venue(accounts):
    """-> the commands that make the same instrument with a ledger: assets, fees, and more money for each account than
    any flow can spend. A flow gives the same orders and trades on either."""
    commands = [
        DefineAsset(0, BASE, 2, 0, "LOAD-BASE"),
        DefineAsset(0, QUOTE, 4, 0, "LOAD-QUOTE"),
        DefineInstrument(0, INSTRUMENT, 2, 2, 1, 1, 500, BASE, QUOTE, 0, "LOAD"),
        SetFees(0, INSTRUMENT, 0, MAKER_PPM, TAKER_PPM, 0),
    ]
    for account in accounts:
        commands.append(OpenAccount(account, 0, "load-%d" % account))
        for asset in (BASE, QUOTE):
            commands.append(Deposit(account, asset, SUPPLY // len(accounts), 0, "load-%d-%d" % (account, asset)))
    return commands


def place(account, side, time_in_force, price, quantity, request_id=0):
    """-> a limit order for the instrument of the flow, that trades with whom it meets."""
    return PlaceOrder(
        account,
        INSTRUMENT,
        side,
        OrderType.LIMIT,
        time_in_force,
        0,
        price,
        quantity,
        SelfTradePrevention.NONE,
        request_id=request_id,
    )


def generate(count, mix="mixed", accounts=(1,), lag=0, resting=RESTING, seed=1):
    """-> Flow of `count` commands, the first `resting` of them passive, so that there is a book.

    A cancel names an order placed at least `lag` commands before it: with a window of `lag` its id is known by then.
    Where there is none to cancel, a passive order takes its place. O(count).
    """
    return _Generator(count, mix, accounts, lag, resting, seed).run()


class _Generator:
    def __init__(self, count, mix, accounts, lag, resting, seed):
        self.count = count
        self.resting = resting
        self.passive_share, self.cancel_share = (share / 6 for share in MIXES[mix])
        half = (len(accounts) + 1) // 2
        self.accounts = {Side.BUY: accounts[:half], Side.SELL: accounts[half:] or accounts}
        self.lag = max(lag, 1)
        self.chance = random.Random(seed).random  # the one method that gives the same on every version
        self.exchange = Exchange()
        self.exchange.apply(1, 0, definition())
        self.is_open = [False] * count
        self.order_id_of = [0] * count  # of the command with this index
        self.index_of = {}  # of an open order
        self.old_enough = []  # indexes of orders to cancel, some of them no longer open
        self.considered = 0  # every command before this one is in old_enough, or was never open

    def run(self):
        flow = Flow([], [], 0)
        for index in range(self.count):
            command, target = self._next(index)
            command.request_id = index + 1
            events = self.exchange.apply(index + 2, 0, command)
            self._learn(index, events)
            flow.commands.append(command)
            flow.cancels.append(target)
            flow.events += len(events)
        return flow

    def _next(self, index):
        """-> (command, index of the command whose order it cancels or NOTHING)."""
        kind = self.chance() if index >= self.resting else 0
        if self.passive_share <= kind < self.passive_share + self.cancel_share:
            target = self._choose(index)
            if target != NOTHING:
                order_id = self.order_id_of[target]
                orders = self.exchange.orders
                return CancelOrder(orders.account[orders.find(order_id)], order_id), target
            kind = 0
        side = Side.BUY if self.chance() < 0.5 else Side.SELL
        accounts = self.accounts[side]
        account = accounts[index % len(accounts)]
        quantity = self.chance() * QUANTITY_MAX
        toward = 1 if side == Side.BUY else -1
        if kind < self.passive_share:
            near = self.chance()
            price = MIDDLE - toward * (1 + int(near * near * REACH))  # most orders rest near the best price
            return place(account, side, TimeInForce.GTC, price, 1 + int(quantity)), NOTHING
        if self.exchange.orders.open_count < self.resting:
            quantity *= 0.5  # so that the book stays about as deep as it is
        return place(account, side, TimeInForce.IOC, MIDDLE + toward * REACH, 1 + int(quantity)), NOTHING

    def _choose(self, index):
        """-> index of a command whose order is open and old enough, at random, or NOTHING."""
        old_enough = self.old_enough
        while self.considered <= index - self.lag:
            if self.is_open[self.considered]:
                old_enough.append(self.considered)
            self.considered += 1
        while old_enough:
            at = int(self.chance() * len(old_enough))
            target = old_enough[at]
            last = old_enough.pop()
            if at < len(old_enough):
                old_enough[at] = last
            if self.is_open[target]:
                return target
        return NOTHING

    def _learn(self, index, events):
        for event in events:
            if type(event) is OrderAccepted:
                if event.open_quantity:
                    self.order_id_of[index] = event.order_id
                    self.index_of[event.order_id] = index
                    self.is_open[index] = True
            elif type(event) is OrderCancelled or (type(event) is OrderFilled and event.open_quantity == 0):
                self._ended(event.order_id)

    def _ended(self, order_id):
        index = self.index_of.pop(order_id, NOTHING)
        if index != NOTHING:
            self.is_open[index] = False
