"""The results of a run as a page of Markdown."""

from perf.peers.compare import table as peers_table
from perf.targets import evaluate

VERDICTS = {True: "met", False: "**missed**", None: "not measured"}
PERCENTILES = ("p50", "p90", "p99", "p99.9", "max")


def markdown(results):
    """-> the page."""
    lines = ["# Measured %s, %s" % (results["date"], results["facts"]["core"]), ""]
    if results["quick"]:
        lines += ["A trial run: its figures mean nothing.", ""]
    lines += ["| | |", "|---|---|"]
    lines += ["| %s | %s |" % (name.replace("_", " "), value) for name, value in results["facts"].items()]
    lines += ["| command | `%s` |" % results["command"], ""]
    lines += ["## Targets", "", "| target | measured | |", "|---|---|---|"]
    for outcome in evaluate(results):
        verdict = "" if results["quick"] else VERDICTS[outcome.is_met]
        lines.append("| %s | %s | %s |" % (outcome.target, outcome.figure, verdict))
    for name, section in SECTIONS.items():
        found = _look_up(results, name)
        if found is not None:
            lines += ["", *section(found)]
    return "\n".join([*lines, ""])


def _look_up(results, name):
    for part in name.split("."):
        if not isinstance(results, dict) or part not in results:
            return None
        results = results[part]
    return results


def _in_process(found):
    lines = ["## In process", "", "%(flow)s flow, %(commands)d commands, batches of %(batch)d; commands/s" % found, ""]
    stages = list(found["stages"].values())
    lines += _table([""] + list(stages[0]), [[name] + [_number(v) for v in figures.values()]
                                             for name, figures in found["stages"].items()])  # fmt: skip
    return lines


def _throughput(found):
    rows = []
    for name, figures in found.items():
        if not isinstance(figures, dict):
            continue
        last = figures["rounds"][-1]
        core = last.get("core", {})
        extra = "redis-benchmark %s" % _number(last["redis_benchmark_per_second"]) if "core" not in last else ""
        if core:
            extra = "%(memory_mib)d MiB, %(collector_pauses)d pauses, longest %(collector_pause_us_max)d us" % core
        busy = "%d %%" % last["generator_busy_percent"]
        rows.append([name, _number(figures["median_per_second"]), _number(figures["best_per_second"]), busy, extra])
    header = ["", "orders/s, median round", "best round", "generator busy", "last round"]
    note = found.get("redis_version") or found.get("note", "")
    return ["## TCP, closed loop, window 1000, one connection", "", note, "", *_table(header, rows)]


def _latency(found):
    rows = [[name] + [_number(f["latency_us"][p]) for p in PERCENTILES] for name, f in found.items()]
    rate = next(iter(found.values()))["orders_due_per_second"]
    title = "## TCP, open loop, %s orders/s, from the time each was due; microseconds" % _number(rate)
    return [title, "", *_table(["", *PERCENTILES], rows)]


def _single(found):
    rows = [["core sync"] + [_number(found["core sync"]["latency_us"][p]) for p in PERCENTILES]]
    for name in ("disk before", "disk after"):
        figures = found[name]
        row = ["fdatasync alone, " + name.split()[1], figures["fdatasync_us_p50"], "", figures["fdatasync_us_p99"]]
        rows.append([_number(value) for value in row] + ["", ""])
    return ["## One order at a time, sync; microseconds", "", *_table(["", *PERCENTILES], rows)]


def _recovery(found):
    return ["## Recovery", "", *_table(list(found), [[_number(value) for value in found.values()]])]


def _resting(found):
    core = found["core"]
    text = "%s resting orders over TCP: %d MiB resident, %d before; longest pause of the collector %d us."
    values = (_number(core["open_orders"]), core["memory_mib"], core["memory_mib_before"])
    return ["## Resting orders", "", text % (*values, core["collector_pause_us_max"])]


def _orders(found):
    rows = [[name.replace("_", " "), _number(value)] for name, value in found.items()]
    return ["## Kinds of orders, in process, with ledger and fees", "", *_table(["", ""], rows)]


def _deep_book(found):
    columns = list(next(iter(found.values())))
    rows = [[name] + [_number(figures[column]) for column in columns] for name, figures in found.items()]
    return _table(["book", *[column.replace("_", " ") for column in columns]], rows)


def _peers(found):
    return ["## The same flow through other engines, in process", "", *peers_table(found)]


def _pieces(found):
    rows = [[name, "%.0f ns" % figures["mean_ns"], "%.0f ns" % figures["stdev_ns"]] for name, figures in found.items()]
    return ["## Pieces", "", *_table(["", "mean", "standard deviation"], rows)]


SECTIONS = {
    "in_process": _in_process,
    "tcp.throughput": _throughput,
    "tcp.latency": _latency,
    "tcp.single": _single,
    "tcp.recovery": _recovery,
    "tcp.resting": _resting,
    "orders": _orders,
    "resting": _deep_book,
    "peers": _peers,
    "pieces": _pieces,
}


def _number(value):
    return format(value, ",") if isinstance(value, (int, float)) else str(value)


def _table(header, rows):
    lines = ["| %s |" % " | ".join(header), "|---|%s" % ("---:|" * (len(header) - 1))]
    return lines + ["| %s |" % " | ".join(str(cell) for cell in row) for row in rows]
