"""One measurement each: a prepared flow over open connections. -> figures as a dict, and latencies as a histogram."""

from protocol.messages import MESSAGES
from tools.load.flow import generate
from tools.load.frames import Incoming, outgoing_of
from tools.load.latency import SECOND_NS, Schedule, evenly, histogram, summary_us
from tools.load.loops import Line, closed_loop, one_at_a_time, open_loop

LAG_SECONDS = 0.1  # open loop: how old an order is, at least, when it is cancelled


def prepare(count, lag, mix="mixed", accounts=1, is_trusted=False, seed=1):
    """Make a flow and its frames. -> [Outgoing]: one for each account, or one in all for a trusted connection."""
    numbers = tuple(range(1, accounts + 1))
    flow = generate(count, mix, numbers, lag=lag, seed=seed)
    if is_trusted:
        return [outgoing_of(flow, True)]
    return [outgoing_of(flow, False, (account,)) for account in numbers]


def lines_of(connections, outgoings):
    """-> [Line], each connection with what it is to send."""
    return [Line(*pair, Incoming(pair[1].order_ids)) for pair in zip(connections, outgoings)]


def run_closed(lines, window, warm_up):
    """Throughput after the first `warm_up` requests."""
    measured = closed_loop(lines, window, warm_up)
    return {
        "mode": "closed",
        "connections": len(lines),
        "window": window,
        "orders": measured.requests,
        "seconds": round(measured.seconds, 3),
        "orders_per_second": round(measured.per_second),
        "generator_busy_percent": round(100 * measured.generator_seconds / measured.seconds),
        "received": counts_of(lines),
    }


def run_open(lines, per_second, warm_up_seconds):
    """Latency of what was due after `warm_up_seconds`. -> (figures, HdrHistogram)"""
    schedules = [Schedule(evenly(line.outgoing.places, per_second)) for line in lines]
    open_loop(lines, schedules)
    latencies_ns = []
    for schedule in schedules:
        latencies_ns += schedule.latencies_from(warm_up_seconds * SECOND_NS)
    made = histogram(latencies_ns)
    figures = {
        "mode": "open",
        "connections": len(lines),
        "orders_due_per_second": per_second,
        "latency_us": summary_us(made),
        "received": counts_of(lines),
    }
    return figures, made


def run_one_at_a_time(line, warm_up):
    """Latency after the first `warm_up` requests. -> (figures, HdrHistogram)"""
    made = histogram(one_at_a_time(line)[warm_up:])
    figures = {"mode": "one at a time", "latency_us": summary_us(made), "received": counts_of([line])}
    return figures, made


def counts_of(lines):
    """-> {message name: how many came back on all lines}; nothing for what does not speak our protocol."""
    counts = {}
    for line in lines:
        for kind, number in enumerate(line.incoming.counts):
            if number:
                name = MESSAGES[kind].__name__
                counts[name] = counts.get(name, 0) + number
    return counts
