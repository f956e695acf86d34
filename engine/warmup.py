"""Runs a throw-away core over a real loopback connection, so that the JIT has seen every path before the first trader.

The flow is a plain mix: passive orders, cancels, amends, orders that trade, stop orders, rejects, queries and a
subscription; on an instrument with funds and fees, and a part of it on one without.
"""

import asyncio
import random

from engine.credentials import create_key, new_keys
from engine.exchange import RULES_VERSION, Exchange
from engine.journal import Journal
from engine.sequencer import Sequencer
from engine.server import Server
from protocol.connection import ClientConnection
from protocol.journal import End
from protocol.login import TRADER
from protocol.messages import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    DefineAsset,
    DefineInstrument,
    Deposit,
    Durability,
    OpenAccount,
    OrderAccepted,
    OrderType,
    PlaceOrder,
    QueryBalances,
    QueryOpenOrders,
    SelfTradePrevention,
    SetFees,
    Side,
    Subscribe,
    TimeInForce,
)
from protocol.records import CLEAN

WINDOW = 500  # requests in flight
ACCOUNTS = (1, 2)
FUNDED, PLAIN = 1, 2  # instruments
SUPPLY = 10**15
MIDDLE = 100_000  # price


class NoDisk:
    """A disk that keeps nothing."""

    def open(self, path):
        return 0

    def write(self, fd, data, offset):
        pass

    def sync(self, fd):
        pass

    def zero(self, fd, start, end, pause=None):
        pass

    def allocate(self, fd, start, end, pause=None):
        pass

    def rename(self, source, target):
        pass

    def remove(self, path):
        pass

    def close(self, fd):
        pass


class _Trader(asyncio.Protocol):
    """Keeps WINDOW requests in flight until `commands` are answered."""

    def __init__(self, connection, nonce, commands, done):
        self.connection = connection
        self.nonce = nonce
        self.left = commands
        self.done = done
        self.random = random.Random(connection.key)
        self.open_orders = []

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.connection.start(self.nonce))

    def data_received(self, data):
        connection = self.connection
        was_live = connection.is_live
        for message in connection.receive(data):
            if type(message) is OrderAccepted and message.open_quantity:
                self.open_orders.append(message.order_id)
                if len(self.open_orders) > 5000:
                    del self.open_orders[:2500]
        frames = [connection.data_to_send()]
        if connection.is_live and not was_live:
            frames.append(connection.send(Subscribe(FUNDED)))
        while connection.is_live and self.left > 0 and len(connection.unanswered) < WINDOW:
            self.left -= 1
            frames.append(connection.send(self._next()))
        self.transport.write(b"".join(frames))
        if self.left == 0 and not connection.unanswered and not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, error):
        if not self.done.done():
            self.done.set_exception(ConnectionError("the warm-up lost its connection: %s" % self.connection.closed))

    def _next(self):
        chance = self.random.random()
        side = self.random.choice((Side.BUY, Side.SELL))
        toward = 1 if side == Side.BUY else -1
        quantity = self.random.randint(1, 100)
        offset = self.random.randint(1, 200)
        if chance < 0.43:
            name = "w%d" % self.left if chance < 0.1 else ""
            return self._place(side, OrderType.LIMIT, TimeInForce.GTC, MIDDLE - offset * toward, quantity, name)
        if chance < 0.45:
            order = self._place(side, OrderType.STOP, TimeInForce.GTC, 0, 1 + quantity // 10)
            order.stop_price = MIDDLE + offset * toward  # elected now and then, or at once refused
            return order
        if chance < 0.80 and self.open_orders:
            return CancelOrder(0, self.open_orders.pop(self.random.randrange(len(self.open_orders))))
        if chance < 0.84 and self.open_orders:
            return AmendOrder(0, self.open_orders[-1], MIDDLE - offset * toward, quantity)
        if chance < 0.9:
            return self._place(side, OrderType.MARKET, TimeInForce.IOC, 0, quantity)
        if chance < 0.92:
            return self._place(side, OrderType.LIMIT, TimeInForce.FOK, MIDDLE + offset * toward, quantity)
        if chance < 0.9205:
            return CancelAll(0)
        if chance < 0.93:
            return QueryOpenOrders(0, limit=5) if chance < 0.925 else QueryBalances(0)
        return self._place(side, OrderType.LIMIT, TimeInForce.IOC, MIDDLE + offset * toward, quantity)

    def _place(self, side, order_type, time_in_force, price, quantity, name=""):
        """Four fifths with funds; a tenth asks for self-trade prevention, the rest trades with whom it meets."""
        chance = self.random.random()
        prevention = SelfTradePrevention.CANCEL_TAKER if chance < 0.1 else SelfTradePrevention.NONE
        instrument = FUNDED if chance < 0.8 else PLAIN
        return PlaceOrder(
            0, instrument, side, order_type, time_in_force, 0, price, quantity, prevention, client_order_id=name
        )


def _venue():
    """-> the commands that make the throw-away venue."""
    commands = [
        DefineAsset(0, 1, 2, 0, "WARM-BASE"),
        DefineAsset(0, 2, 4, 0, "WARM-QUOTE"),
        DefineInstrument(0, FUNDED, 2, 2, 1, 1, 50, 1, 2, 0, "WARM"),
        DefineInstrument(0, PLAIN, 2, 2, 1, 1, 50, 0, 0, 0, "WARM-PLAIN"),
        SetFees(0, FUNDED, 0, 1000, 2000, 0),
    ]
    for account in ACCOUNTS:
        commands.append(OpenAccount(account, 0, "warm-%d" % account))
        commands += [Deposit(account, asset, SUPPLY, 0, "warm-%d-%d" % (account, asset)) for asset in (1, 2)]
    return commands


async def warm_up(loop, directory, commands, now_ns, clock_s, random_bytes, new_nonce):
    """Run `commands` through a throw-away core, half of them with durability write, half with sync. `directory` is
    only named, not written to."""
    keys = new_keys(random_bytes)
    traders = [create_key(keys, account, TRADER, random_bytes) for account in ACCOUNTS]
    for durability in (Durability.WRITE, Durability.SYNC):
        journal = Journal(directory, NoDisk(), End("", 0, CLEAN, "", 0, 1, 1, 0, 0), 1, RULES_VERSION)
        server = Server(loop, Sequencer(Exchange(), now_ns), journal, keys, durability, new_nonce, clock_s)
        for command in _venue():
            server.submit_own(0, 0, command)
        port = await server.listen("127.0.0.1", 0)
        running = []
        for key, secret in traders:
            done = loop.create_future()
            trader = _Trader(ClientConnection(key, secret), new_nonce(), commands // 4, done)
            await loop.create_connection(lambda trader=trader: trader, "127.0.0.1", port)
            running.append(done)
        await asyncio.gather(*running)
        await server.stop()
