"""The loops that send and receive: closed (a window of unanswered requests), open (by the clock), one at a time.

They are to cost much less than what they measure: everything is made beforehand, and nothing but integers and the
received bytes is made inside. Several connections are served by one thread.
"""

import gc
import select
import socket
import time

import attrs

from tools.load.session import LoadError

RECEIVE_BYTES = 64 << 10  # taken at once; small enough for PyPy to free it without a major collection


@attrs.define
class Throughput:
    requests: int  # timed ones
    seconds: float
    generator_seconds: float  # processor time of the generator meanwhile

    @property
    def per_second(self):
        return self.requests / self.seconds


class Line:
    """One connection: its socket, what it sends (Outgoing) and what it has received (anything with `feed`)."""

    def __init__(self, connection, outgoing, incoming):
        self.connection = connection
        self.outgoing = outgoing
        self.incoming = incoming
        self.count = outgoing.count
        self.answered = 0
        self._view = memoryview(outgoing.data)
        self._position = 0  # bytes sent
        self._end = 0  # bytes that may be sent

    def push(self, limit):
        """Send all requests before `limit`, as far as the socket takes them now; the rest at the next push."""
        end = self.outgoing.starts[limit]
        if end > self._end:
            self.outgoing.prepare(limit)
            self._end = end
        if self._position < self._end:
            try:
                self._position += self.connection.send(self._view[self._position : self._end], socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass

    def pull(self):
        """Wait for bytes. -> number of requests answered so far."""
        data = self.connection.recv(RECEIVE_BYTES)
        if not data:
            raise LoadError("the connection was closed after %d of %d answers" % (self.answered, self.count))
        self.answered = self.incoming.feed(data)
        return self.answered


def closed_loop(lines, window, warm_up=0):
    """Keep `window` requests unanswered on each line until all are answered. -> Throughput after the first `warm_up`.

    The clock runs from the answer to request `warm_up` to the last answer.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        loop = _closed_one if len(lines) == 1 else _closed_many
        return loop(lines, window, max(warm_up, 1))
    finally:
        if collecting:
            gc.enable()


def _closed_one(lines, window, warm_up):
    (line,) = lines
    count = line.count
    answered = first = 0
    started_s = started_cpu_s = 0.0
    while answered < count:
        limit = answered + window
        line.push(limit if limit < count else count)
        answered = line.pull()
        if not first and answered >= warm_up:
            first, started_s, started_cpu_s = answered, time.perf_counter(), time.process_time()
    return Throughput(count - first, time.perf_counter() - started_s, time.process_time() - started_cpu_s)


def _closed_many(lines, window, warm_up):
    poller = select.poll()
    by_descriptor = {}
    for line in lines:
        by_descriptor[line.connection.fileno()] = line
        poller.register(line.connection, select.POLLIN)
        line.push(min(window, line.count))
    left = count = sum(line.count for line in lines)
    first = 0
    started_s = started_cpu_s = 0.0
    while left:
        for descriptor, _ in poller.poll():
            line = by_descriptor[descriptor]
            before = line.answered
            answered = line.pull()
            left -= answered - before
            limit = answered + window
            line.push(limit if limit < line.count else line.count)
        if not first and count - left >= warm_up:
            first, started_s, started_cpu_s = count - left, time.perf_counter(), time.process_time()
    return Throughput(count - first, time.perf_counter() - started_s, time.process_time() - started_cpu_s)
