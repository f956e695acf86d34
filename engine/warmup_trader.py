"""The trader of the warm-up: sends a script of commands over and over, and is itself as little code as can be, for what
the JIT compiles of it is time that the core takes to start.

The script is a plain mix: passive orders, cancels, amends, orders that trade, stop orders, rejects and queries; on an
instrument with funds and fees, and a part of it on one without. It is encoded once; only request ids, the ids of orders
to cancel and client order ids are written into it anew each time. Its orders are cancelled at the start of each turn.
"""

import asyncio
import random
import struct

from protocol import codec
from protocol.connection import ClientConnection
from protocol.framing import LENGTH_BYTES, FrameReader
from protocol.messages import (
    AmendOrder,
    Balances,
    CancelAll,
    CancelOrder,
    OrderAccepted,
    OrderType,
    PlaceOrder,
    QueryBalances,
    QueryOpenOrders,
    SelfTradePrevention,
    Side,
    Subscribe,
    TimeInForce,
)

FUNDED, PLAIN = 1, 2  # instruments
MIDDLE = 100_000  # price
SCRIPT_COMMANDS = 1500
CHUNK_COMMANDS = 250  # sent at once, with a query behind them whose answer says that all of them are answered
CHUNKS_AT_A_TIME = 2
#: A cancel names an order of so many commands before, which the answers have told by then.
LAG_COMMANDS = (CHUNKS_AT_A_TIME + 1) * CHUNK_COMMANDS

_id_at = struct.Struct(">q")
#: Where an i64 stands in a frame as we write it: behind the length, the array's header, the type and a marker each.
_SHORT_REQUEST_ID, _LONG_REQUEST_ID = LENGTH_BYTES + 3, LENGTH_BYTES + 5
_CANCELLED_ORDER_ID = _SHORT_REQUEST_ID + 8 + 5 + 1
_ACCEPTED_ORDER_ID = _LONG_REQUEST_ID + 8 + 2 * 9 + 2 * 5 + 1
_ACCEPTED_TYPE, _BALANCES_TYPE = LENGTH_BYTES + 3, LENGTH_BYTES + 1


class Script:
    """Commands of one trader as frames, and where what changes stands in them."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.data = bytearray()
        self.request_ids = []  # of each command: where its request id stands
        self.cancels = []  # [(index, where the order id stands, index of the order), ...]
        self.names = []  # [(index, where the 8 characters stand), ...]
        self.ends = []  # of each chunk: bytes
        placed = []
        for index in range(SCRIPT_COMMANDS):
            command, target = self._command(index, placed)
            self._add(index, command, target)
            if index % CHUNK_COMMANDS == CHUNK_COMMANDS - 1:
                self.ends.append(len(self.data))

    def _add(self, index, command, target):
        start = len(self.data)
        self.data += codec.encode(command)
        is_long = self.data[start + LENGTH_BYTES] == 0xDC
        self.request_ids.append(start + (_LONG_REQUEST_ID if is_long else _SHORT_REQUEST_ID))
        if target is not None:
            self.cancels.append((index, start + _CANCELLED_ORDER_ID, target))
        if type(command) is PlaceOrder and command.client_order_id:
            self.names.append((index, len(self.data) - 8))

    def _command(self, index, placed):
        """-> (command, index of the order it is about or None)"""
        if index == 0:
            return CancelAll(0), None
        chance = self.random.random()
        side = self.random.choice((Side.BUY, Side.SELL))
        toward = 1 if side == Side.BUY else -1
        quantity = self.random.randint(1, 100)
        offset = self.random.randint(1, 200)
        can_cancel = placed and placed[0] < index - LAG_COMMANDS
        if can_cancel and chance < 0.46:
            target = placed.pop(0)
            if chance < 0.04:
                return AmendOrder(0, 1, MIDDLE - offset * toward, quantity), target
            if chance < 0.05:
                return AmendOrder(0, 1, 0, 1), target
            return CancelOrder(0, 1), target
        if chance < 0.80:
            placed.append(index)
            name = "%08d" % index if chance < 0.55 else ""
            return self._place(side, OrderType.LIMIT, TimeInForce.GTC, MIDDLE - offset * toward, quantity, name), None
        if chance < 0.82:
            order = self._place(side, OrderType.STOP, TimeInForce.GTC, 0, 1 + quantity // 10)
            order.stop_price = MIDDLE + offset * toward  # elected now and then, or at once refused
            return order, None
        if chance < 0.86:
            return self._place(side, OrderType.MARKET, TimeInForce.IOC, 0, quantity), None
        if chance < 0.88:
            return self._place(side, OrderType.LIMIT, TimeInForce.FOK, MIDDLE + offset * toward, quantity), None
        if chance < 0.89:
            return (QueryOpenOrders(0, limit=5) if chance < 0.885 else AmendOrder(0, 1, MIDDLE, 1)), None
        return self._place(side, OrderType.LIMIT, TimeInForce.IOC, MIDDLE + offset * toward, quantity), None

    def _place(self, side, order_type, time_in_force, price, quantity, name=""):
        """Four fifths with funds; a tenth asks for self-trade prevention, the rest trades with whom it meets."""
        chance = self.random.random()
        prevention = SelfTradePrevention.CANCEL_TAKER if chance < 0.1 else SelfTradePrevention.NONE
        instrument = FUNDED if chance < 0.8 else PLAIN
        return PlaceOrder(
            0, instrument, side, order_type, time_in_force, 0, price, quantity, prevention, client_order_id=name
        )


class WarmUpTrader(asyncio.Protocol):
    """Has `done` set once it has sent `commands` at least and all are answered."""

    def __init__(self, key, secret, nonce, commands, done):
        self.connection = ClientConnection(key, secret)
        self.nonce = nonce
        self.done = done
        self.script = Script(key)
        self.order_ids = [1] * SCRIPT_COMMANDS  # of the newest order of each command; 1 is none's
        self.chunks_left = -(-commands // CHUNK_COMMANDS)
        self.chunk = 0  # the next one
        self.request_id = SCRIPT_COMMANDS
        self.chunks_out = 0
        self.reader = FrameReader()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.connection.start(self.nonce))

    def connection_lost(self, error):
        if not self.done.done():
            self.done.set_exception(ConnectionError("the warm-up lost its connection: %s" % self.connection.closed))

    def data_received(self, data):
        if not self.connection.is_live:
            self.connection.receive(data)
            self.transport.write(self.connection.data_to_send())
            if not self.connection.is_live:
                return
            subscribe = Subscribe(FUNDED)
            subscribe.request_id = SCRIPT_COMMANDS + 1
            self.transport.write(codec.encode(subscribe))
        else:
            self._receive(data)
        while self.chunks_out < CHUNKS_AT_A_TIME and self.chunks_left:
            self._send_chunk()
        if not self.chunks_out and not self.done.done():
            self.done.set_result(None)

    def _receive(self, data):
        buffer, ends = self.reader.feed(data)
        start = 0
        for end in ends:
            if buffer[start + LENGTH_BYTES] == 0xDC and buffer[start + _ACCEPTED_TYPE] == OrderAccepted.TYPE:
                (request_id,) = _id_at.unpack_from(buffer, start + _LONG_REQUEST_ID)
                if request_id:
                    (self.order_ids[request_id % SCRIPT_COMMANDS],) = _id_at.unpack_from(
                        buffer, start + _ACCEPTED_ORDER_ID
                    )
            elif buffer[start + _BALANCES_TYPE] == Balances.TYPE:
                self.chunks_out -= 1
            start = end

    def _send_chunk(self):
        """The request id of a command is its index, and a multiple of SCRIPT_COMMANDS more each time."""
        script, order_ids = self.script, self.order_ids
        first = self.chunk * CHUNK_COMMANDS
        stop = first + CHUNK_COMMANDS
        turn = self.request_id
        for index in range(first, stop):
            _id_at.pack_into(script.data, script.request_ids[index], turn + index)
        for index, at, target in script.cancels:
            if first <= index < stop:
                _id_at.pack_into(script.data, at, order_ids[target])
        for index, at in script.names:
            if first <= index < stop:
                script.data[at : at + 8] = b"%08d" % ((turn + index) % 100_000_000)
        begin = script.ends[self.chunk - 1] if self.chunk else 0
        query = QueryBalances(0)
        query.request_id = turn + stop
        self.transport.write(bytes(script.data[begin : script.ends[self.chunk]]) + codec.encode(query))
        self.chunks_out += 1
        self.chunks_left -= 1
        self.chunk += 1
        if self.chunk == len(script.ends):
            self.chunk = 0
            self.request_id += SCRIPT_COMMANDS
