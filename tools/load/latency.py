"""Latency by the clock, not by the server's leave: pure accounting, and percentiles.

In an open loop requests are due at fixed times. Latency counts from the time a request was due, sent or not: a server
that stalls is charged for every request that had to wait (no coordinated omission). All times are nanoseconds from the
start of the run.
"""

from hdrh.histogram import HdrHistogram

SECOND_NS = 1_000_000_000
PERCENTILES = (50, 90, 99, 99.9)
HIGHEST_NS = 600 * SECOND_NS  # what is slower is counted as this
SIGNIFICANT_DIGITS = 3


class Schedule:
    """When the requests of one line are due, and how long each took."""

    def __init__(self, due_ns):
        self.due_ns = due_ns  # ascending, of each request
        self.latency_ns = [0] * len(due_ns)  # 0: not answered
        self.due_count = 0
        self.answered_count = 0

    def due(self, now_ns):
        """-> number of requests that are to have been sent at `now_ns`; time never goes back."""
        due_ns, count = self.due_ns, self.due_count
        while count < len(due_ns) and due_ns[count] <= now_ns:
            count += 1
        self.due_count = count
        return count

    def answered(self, count, now_ns):
        """At `now_ns`, `count` requests are answered."""
        due_ns, latency_ns = self.due_ns, self.latency_ns
        for request in range(self.answered_count, count):
            latency_ns[request] = now_ns - due_ns[request]
        self.answered_count = count

    def latencies_from(self, start_ns):
        """-> latency in ns of each request due at `start_ns` or later."""
        return [latency for due, latency in zip(self.due_ns, self.latency_ns) if due >= start_ns]


def evenly(places, per_second):
    """-> due times of requests that stand at these places of a flow of `per_second`."""
    return [place * SECOND_NS // per_second for place in places]


def histogram(values_ns):
    """-> HdrHistogram of latencies, exact to three digits."""
    made = HdrHistogram(1, HIGHEST_NS, SIGNIFICANT_DIGITS)
    for value in values_ns:
        made.record_value(min(max(value, 1), HIGHEST_NS))
    return made


def summary_us(made):
    """-> {"count", "mean", "p50", ..., "max"} of a histogram, in microseconds; as the values recorded, rounded up to
    three digits."""
    figures = {"count": made.get_total_count(), "mean": round(made.get_mean_value() / 1000, 1)}
    for percentile in PERCENTILES:
        figures["p%g" % percentile] = round(made.get_value_at_percentile(percentile) / 1000, 1)
    figures["max"] = round(made.get_max_value() / 1000, 1)
    return figures
