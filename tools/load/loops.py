"""The loops that send and receive: closed (a window of unanswered requests), open (by the clock), one at a time.

They are to cost much less than what they measure: everything is made beforehand, and nothing but integers and the
received bytes is made inside. Several connections are served by one thread.
"""

import contextlib
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
            with contextlib.suppress(BlockingIOError):
                self._position += self.connection.send(self._view[self._position : self._end], socket.MSG_DONTWAIT)

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
    with _no_collector():
        loop = _closed_one if len(lines) == 1 else _closed_many
        return loop(lines, window, max(warm_up, 1))


@contextlib.contextmanager
def _no_collector():
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
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


def open_loop(lines, schedules):
    """Send each request when it is due, whatever has been answered; until all are. Fills in the schedules.

    Turns without rest, so that neither end of a wait is rounded to a timer's tick: it takes a whole processor.
    """
    poller = select.poll()
    by_descriptor = {}
    for pair in zip(lines, schedules):
        by_descriptor[pair[0].connection.fileno()] = pair
        poller.register(pair[0].connection, select.POLLIN)
    left = sum(line.count for line in lines)
    clock_ns = time.perf_counter_ns
    with _no_collector():
        started_ns = clock_ns()
        while left:
            now_ns = clock_ns() - started_ns
            for line, schedule in by_descriptor.values():
                line.push(schedule.due(now_ns))
            for descriptor, _ in poller.poll(0):
                line, schedule = by_descriptor[descriptor]
                before = line.answered
                left -= line.pull() - before
                schedule.answered(line.answered, clock_ns() - started_ns)


def one_at_a_time(line):
    """Send a request when the one before is answered. -> latency of each in ns."""
    count = line.count
    latencies_ns = [0] * count
    clock_ns = time.perf_counter_ns
    with _no_collector():
        for request in range(count):
            sent_ns = clock_ns()
            line.push(request + 1)
            while line.pull() <= request:
                pass
            latencies_ns[request] = clock_ns() - sent_ns
    return latencies_ns
