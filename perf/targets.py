"""The targets, each a comparison of figures of one run. What was not measured is said to be so."""

import attrs


@attrs.frozen
class Outcome:
    target: str  # what is asked for
    figure: str  # what was measured; "" where it was not
    is_met: bool = None  # None: not measured


def _in_process(results):
    per_second = results["in_process"]["stages"]["commands"]["warm, median round"]
    return _rate(per_second), per_second >= 1_500_000


def _throughput(durability, redis, wanted):
    def evaluate(results):
        found = results["tcp"]["throughput"]
        ours, other = found["core " + durability]["median_per_second"], found["redis " + redis]["median_per_second"]
        text = "%s (redis %s: %s)" % (_rate(ours), redis, _rate(other))
        return text, ours >= wanted and ours > other

    return evaluate


def _open_loop(percentile, factor):
    def evaluate(results):
        found = results["tcp"]["latency"]
        ours, floors = found["core write"]["latency_us"][percentile], []
        for name in ("echo c", "echo python"):
            floors.append((name, found[name]["latency_us"][percentile]))
        text = ", ".join("%.1fx %s (%s us)" % (ours / floor, name, format(floor, ",")) for name, floor in floors)
        return "%s us: %s" % (format(ours, ","), text), ours <= factor * floors[0][1]

    return evaluate


def _single(results):
    found = results["tcp"]["single"]
    ours = found["core sync"]["latency_us"]["p50"]
    disk = (found["disk before"]["fdatasync_us_p50"] + found["disk after"]["fdatasync_us_p50"]) / 2
    return "%s us (one fdatasync: %.0f us)" % (format(ours, ","), disk), ours <= disk + 100


def _recovery(results):
    found = results["tcp"]["recovery"]
    text = "%s (again, warm: %s)" % (_rate(found["cold_per_second"]), _rate(found["warm_per_second"]))
    return text, found["cold_per_second"] >= 700_000


def _memory(results):
    mib = results["tcp"]["resting"]["core"]["memory_mib"]
    megabytes = mib * (1 << 20) / 1_000_000
    return "%.0f MB resident" % megabytes, megabytes < 500


def _deep_book(results):
    shallow, *deep = results["resting"].values()
    worst, text = 0, []
    for name in ("add", "cancel"):
        key = "%s_ns_sequencer" % name
        ratio = max(found[key] for found in deep) / shallow[key]
        worst = max(worst, ratio)
        text.append("%s %.2fx" % (name, ratio))
    return ", ".join(text), worst <= 1.5


TARGETS = {
    "in process, mixed flow, events encoded: 1,500,000 commands/s": _in_process,
    "TCP, window 1000, sync: 500,000 orders/s and ahead of Redis always": _throughput("sync", "always", 500_000),
    "TCP, window 1000, write: 800,000 orders/s and ahead of Redis everysec": _throughput("write", "everysec", 800_000),
    "open loop, 50,000/s, write: p99 at most 3x the echo server (C)": _open_loop("p99", 3),
    "open loop, 50,000/s, write: p99.9 at most 2x the echo server (C)": _open_loop("p99.9", 2),
    "one order at a time, sync: median at most one fdatasync + 100 us": _single,
    "recovery, every event compared: 700,000 commands/s": _recovery,
    "1,000,000 resting orders: under 500 MB resident": _memory,
    "1,000,000 resting orders: add and cancel at most 1.5x those of a book of 10,000": _deep_book,
}


def evaluate(results):
    """-> [Outcome] of every target, in order."""
    outcomes = []
    for target, measure in TARGETS.items():
        try:
            figure, is_met = measure(results)
        except KeyError:  # a section that was not run, or Redis is not installed
            outcomes.append(Outcome(target, ""))
        else:
            outcomes.append(Outcome(target, figure, is_met))
    return outcomes


def _rate(per_second):
    return format(per_second, ",")
