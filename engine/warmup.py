"""Runs a throw-away core over a real loopback connection, so that the JIT has seen every path before the first trader.

The flow is a plain mix: passive orders, cancels, amends, orders that trade, rejects, queries and a subscription.
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
    DefineInstrument,
    Durability,
    OrderAccepted,
    OrderType,
    PlaceOrder,
    QueryOpenOrders,
    Side,
    Subscribe,
    TimeInForce,
)
from protocol.records import CLEAN

WINDOW = 500  # requests in flight
ACCOUNTS = (1, 2)


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
            frames.append(connection.send(Subscribe(1)))
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
        if chance < 0.45:
            name = "w%d" % self.left if chance < 0.1 else ""
            return PlaceOrder(
                0,
                1,
                side,
                OrderType.LIMIT,
                TimeInForce.GTC,
                0,
                100_000 - offset * toward,
                quantity,
                client_order_id=name,
            )
        if chance < 0.80 and self.open_orders:
            return CancelOrder(0, self.open_orders.pop(self.random.randrange(len(self.open_orders))))
        if chance < 0.84 and self.open_orders:
            return AmendOrder(0, self.open_orders[-1], 100_000 - offset * toward, quantity)
        if chance < 0.9:
            return PlaceOrder(0, 1, side, OrderType.MARKET, TimeInForce.IOC, 0, 0, quantity)
        if chance < 0.92:
            return PlaceOrder(0, 1, side, OrderType.LIMIT, TimeInForce.FOK, 0, 100_000 + offset * toward, quantity)
        if chance < 0.9205:
            return CancelAll(0)
        if chance < 0.93:
            return QueryOpenOrders(0, limit=5)
        return PlaceOrder(0, 1, side, OrderType.LIMIT, TimeInForce.IOC, 0, 100_000 + offset * toward, quantity)


async def warm_up(loop, directory, commands, now_ns, clock_s, random_bytes, new_nonce):
    """Run `commands` through a throw-away core, half of them with durability write, half with sync. `directory` is
    only named, not written to."""
    keys = new_keys(random_bytes)
    traders = [create_key(keys, account, TRADER, random_bytes) for account in ACCOUNTS]
    for durability in (Durability.WRITE, Durability.SYNC):
        journal = Journal(directory, NoDisk(), End("", 0, CLEAN, "", 0, 1, 1, 0, 0), 1, RULES_VERSION)
        server = Server(loop, Sequencer(Exchange(), now_ns), journal, keys, durability, new_nonce, clock_s)
        server.submit_own(0, 0, DefineInstrument(0, 1, 2, 2, 1, 1, 50, 0, 0, 0, "WARM"))
        port = await server.listen("127.0.0.1", 0)
        running = []
        for key, secret in traders:
            done = loop.create_future()
            trader = _Trader(ClientConnection(key, secret), new_nonce(), commands // 4, done)
            await loop.create_connection(lambda trader=trader: trader, "127.0.0.1", port)
            running.append(done)
        await asyncio.gather(*running)
        await server.stop()
