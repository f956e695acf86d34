"""Sends one data set's steps to a core, as many on their way as the record allows, and compares what comes back.

A cancel or amend waits for the venue's id of its order, and what follows an aggressor waits for its fills: the rest is
sent ahead, up to the window. One connection, in the record's order: so the venue's state at the end is always the same.
"""

import contextlib
import itertools

from protocol.calls import RequestRefused
from protocol.messages import (
    AmendOrder,
    CancelOrder,
    Event,
    OrderType,
    PlaceOrder,
    Refused,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tools.market.agreement import Agreement
from tools.market.lobster import EXECUTED, DataError
from tools.market.record import Record, groups
from tools.market.steps import Amend, Cancel, Place
from tools.market.venue import Follower

WINDOW = 500  # commands on their way


class Feed:
    def __init__(self, client, events, data_set, instrument, window=WINDOW, limit=None, progress=None, disturb=None):
        """`events`: the client's stream, opened before. `limit`: stop after so many messages. `progress(messages)`;
        `await disturb(messages, commands
        on their way)`: called after each message was sent, may kill the core."""
        self._client = client
        self._events = events
        self._instrument = instrument
        self._window = window
        self._messages = data_set.messages[:limit]
        self._data_set = data_set
        self._progress = progress
        self._disturb = disturb
        self.agreement = Agreement(data_set.has_full_rows, data_set.levels, data_set.deep_levels)
        self._record = Record(data_set.has_full_rows, data_set.levels)
        self._follower = Follower(self._on_row, self._on_done)
        self._waiting_rows = {}  # message number -> what Agreement.row wants
        self._last_done = None  # (step, fills)
        self.answers = 0  # messages received

    async def run(self):
        """-> Agreement. Raises ConnectionClosed, RequestRefused, OutOfStep, DataError."""
        data_set = self._data_set
        self.agreement.figures["starting_levels"] = len(data_set.start.bids) + len(data_set.start.asks)
        await self._send_all(self._record.start(data_set.start))
        number = 0
        with contextlib.closing(data_set.rows()) as rows, contextlib.closing(data_set.deep_rows()) as deep_rows:
            previous = data_set.start
            for group in groups(self._messages):
                found = list(itertools.islice(rows, len(group)))
                deep = list(itertools.islice(deep_rows, len(group)))
                if len(found) < len(group):
                    raise DataError("%s: no row for message %d" % (data_set.name, number + len(found) + 1))
                await self._send_group(group, number, previous, found, deep)
                number += len(group)
                previous = found[-1]
                if self._disturb is not None:
                    await self._disturb(number, self._follower.in_flight)
                if self._progress is not None:
                    self._progress(number)
        while self._follower.in_flight:
            await self._receive()
        await self._finish(number)
        return self.agreement

    async def _send_group(self, group, number, known, rows, deep_rows):
        """`number` messages came before; `known` is the row after them."""
        previous = known
        for at, row in enumerate(rows):
            deep = deep_rows[at] if at < len(deep_rows) else None
            self._waiting_rows[number + at + 1] = (row, known, previous, deep)
            previous = row
        if group[0].kind == EXECUTED:
            await self._take(group, number)
        else:
            await self._send_all(self._record.apply(group[0]))
            self._follower.row(number + 1)
        if self._data_set.has_full_rows:
            await self._send_all(self._record.agree_with(rows[-1], known))

    async def _take(self, group, number):
        """One aggressor; the rows the exchange took on its way are compared where the venue has executed as much."""
        steps, take = self._record.take([message for message in group if message.kind == EXECUTED])
        await self._send_all(steps)
        rows = []
        executed = 0
        for at, message in enumerate(group, start=number + 1):
            executed += message.size if message.kind == EXECUTED else 0
            rows.append((executed, at))
        await self._send(take, rows)
        while self._last_done is None or self._last_done[0] is not take:
            await self._receive()
        await self._send_all(self._record.settle(take, self._last_done[1]))

    async def _send_all(self, steps):
        for step in steps:
            await self._send(step)

    async def _send(self, step, rows=()):
        follower = self._follower
        if follower.in_flight >= self._window:
            while follower.in_flight > self._window // 2:
                await self._receive()
        kind = type(step)
        if kind is Amend or kind is Cancel:
            while step.order not in follower.order_ids:
                await self._receive()
            order_id = follower.order_ids[step.order]
            command = CancelOrder(0, order_id) if kind is Cancel else AmendOrder(0, order_id, 0, step.quantity)
        else:
            time_in_force = TimeInForce.GTC if kind is Place else TimeInForce.IOC
            command = PlaceOrder(
                0, self._instrument, step.side, OrderType.LIMIT, time_in_force, 0, step.price, step.quantity,
                SelfTradePrevention.NONE,  # one account is the whole market
            )  # fmt: skip
        follower.sent(self._client.submit(command), step, rows)

    async def _receive(self):
        batch = await self._events.batch()
        self.answers += len(batch)
        for message in batch:
            if type(message) is Refused:
                raise RequestRefused(message.code, message.text)
            if isinstance(message, Event):
                self._follower.take(message)

    def _on_row(self, number, book):
        row, known, previous, deep = self._waiting_rows.pop(number)
        self.agreement.row(number, book, row, known, previous, deep)

    def _on_done(self, step, fills):
        self._last_done = (step, fills)
        self.agreement.done(step, fills)

    async def _finish(self, number):
        figures = self.agreement.figures
        figures["messages"] = number
        figures["rejected"] = len(self._follower.rejected)
        figures.update(self._record.corrections)
        self.agreement.examples += ["rejected: %s: %s" % pair for pair in self._follower.rejected[:5]]
        depth = await self._client.depth(self._instrument)
        book = self._follower.book
        is_right = all(
            [(level.price, level.quantity) for level in levels] == book.top(side, len(levels) + 1)[: len(levels)]
            for side, levels in ((Side.BUY, depth.bids), (Side.SELL, depth.asks))
        )
        figures["depth_right"] = int(is_right)
