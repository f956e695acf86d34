"""What the core counts about itself, as Prometheus metrics and as rows for QueryStatistics."""

import asyncio
import bisect
import itertools

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import HistogramMetricFamily

from protocol.messages import CODES

disable_created_metrics()

REQUEST_BYTES_MAX = 8192
REQUEST_SECONDS = 5  # from connecting to having taken the answer
REQUESTS_MAX = 32  # connections at a time
REQUESTS_ACCEPTED_AT_A_TIME = 8
FLUSH_SECONDS_BUCKETS = (50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 50e-3, 0.2, 1)
COMMAND_US_BUCKETS = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000, 200_000, 1_000_000)
BATCH_COMMANDS_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class Latencies:
    """A histogram that takes many equal observations at once: the commands that came in one read."""

    def __init__(self, name, text, bounds_us):
        self.name = name
        self.text = text
        self.bounds_us = bounds_us
        self.counts = [0] * (len(bounds_us) + 1)  # of each bucket alone
        self.max_us = 0
        self.sum_us = 0

    def observe(self, us, count):
        place = bisect.bisect_left(self.bounds_us, us)
        self.counts[place] += count
        self.sum_us += us * count
        if us > self.max_us:
            self.max_us = us

    def cumulative(self):
        """-> [(bound in us, observations up to it), ...]; the last bound is None: all."""
        return list(zip((*self.bounds_us, None), itertools.accumulate(self.counts)))

    def collect(self):
        """For the registry of prometheus_client."""
        buckets = [("+Inf" if bound is None else str(bound / 1e6), count) for bound, count in self.cumulative()]
        yield HistogramMetricFamily(self.name, self.text, buckets=buckets, sum_value=self.sum_us / 1e6)


class Metrics:
    def __init__(self):
        self.registry = CollectorRegistry()
        self.commands = Counter("core_commands_total", "Commands applied and journaled", registry=self.registry)
        self.events = Counter("core_events_total", "Events journaled", registry=self.registry)
        self.journal_bytes = Counter(
            "core_journal_bytes_total", "Bytes appended to the journal", registry=self.registry
        )
        self.flush_seconds = Histogram(
            "core_flush_seconds",
            "Time to append a batch to the journal and, where durability asks for it, sync it",
            buckets=FLUSH_SECONDS_BUCKETS,
            registry=self.registry,
        )
        self.batch_commands = Histogram(
            "core_batch_commands", "Commands in a flush", buckets=BATCH_COMMANDS_BUCKETS, registry=self.registry
        )
        self.closes = Counter("core_sessions_closed_total", "Sessions closed", ["reason"], registry=self.registry)
        self.latencies = Latencies(
            "core_command_seconds",
            "Time from the bytes of a command received to it being journaled as durability asks",
            COMMAND_US_BUCKETS,
        )
        self.registry.register(self.latencies)
        self.flushes = 0
        self.flush_seconds_max = 0.0

    def flushed(self, record, size_bytes, seconds):
        self.commands.inc(record.count)
        self.events.inc(record.event_count)
        self.journal_bytes.inc(size_bytes)
        self.flush_seconds.observe(seconds)
        self.batch_commands.observe(record.count)
        self.flushes += 1
        if seconds > self.flush_seconds_max:
            self.flush_seconds_max = seconds

    def answered(self, seconds, count):
        """So many commands that came at once may be answered, `seconds` after they came."""
        self.latencies.observe(int(seconds * 1e6), count)

    def closed(self, code):
        self.closes.labels(CODES[code]).inc()

    def rows(self):
        return [
            ["flushes", self.flushes],
            ["flush_us_max", int(self.flush_seconds_max * 1e6)],
            ["command_us_max", self.latencies.max_us],
        ]

    def latency_rows(self):
        """The histogram of text(), for QueryStatistics."""
        return [
            ["commands_in_%d_us" % bound if bound else "commands_answered", count]
            for bound, count in self.latencies.cumulative()
        ]

    def text(self):
        """-> the Prometheus exposition format, bytes."""
        return generate_latest(self.registry)


class _MetricsRequest(asyncio.Protocol):
    """Answers any HTTP request with the metrics, and closes. Loopback only by default; takes at most 8 KiB, and cuts
    who is too slow or one too many."""

    def __init__(self, loop, server, requests):
        self.loop = loop
        self.server = server
        self.requests = requests  # _MetricsRequest -> True, of all that are connected
        self.received = b""

    def connection_made(self, transport):
        self.transport = transport
        self.timer = self.loop.call_later(REQUEST_SECONDS, transport.abort)
        self.requests[self] = True
        if len(self.requests) > REQUESTS_MAX:
            transport.abort()

    def connection_lost(self, error):
        self.timer.cancel()
        del self.requests[self]

    def data_received(self, data):
        self.received += data
        if b"\r\n\r\n" not in self.received:
            if len(self.received) > REQUEST_BYTES_MAX:
                self.transport.abort()
            return
        is_get = self.received.startswith(b"GET /metrics ")
        body = metrics_text(self.server) if is_get else b"GET /metrics\n"
        head = (
            "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        )
        self.transport.write((head % ("200 OK" if is_get else "404 Not Found", len(body))).encode("ascii") + body)
        self.transport.close()


async def serve_metrics(loop, server, host, port):
    """-> the listening server of GET /metrics."""
    requests = {}
    return await loop.create_server(
        lambda: _MetricsRequest(loop, server, requests), host, port, backlog=REQUESTS_ACCEPTED_AT_A_TIME
    )


def metrics_text(server):
    """-> all metrics of a core in the Prometheus exposition format, bytes."""
    lines = []
    for name, value in server.statistics(with_hash=False):
        if type(value) is int:
            lines.append("# TYPE core_%s gauge\ncore_%s %d\n" % (name, name, value))
    return server.metrics.text() + "".join(lines).encode("ascii")
