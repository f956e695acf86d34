"""The core over TCP, beside what it is to be compared with in the same run: Redis, an echo server, the bare disk.

`python -m perf.tcp` on PyPy. One processor for the generator, the other for whichever server is measured.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time

import attrs

from engine.collector import PYPY_ENVIRONMENT
from perf.disk import fdatasync_us
from perf.machine import pin_self
from perf.redis_server import Replies, is_installed, redis_benchmark, redis_connect, redis_server, sets_of, version
from tools.load.core import ROOT, own_core, pinned
from tools.load.echo import echo_server
from tools.load.loops import Line
from tools.load.report import plot, print_figures
from tools.load.run import LAG_SECONDS, lines_of, prepare, run_closed, run_one_at_a_time, run_open
from tools.load.session import prepare_venue
from tools.load.session import statistics as statistics_of

WINDOW = 1000
#: durability of the core -> the appendfsync of Redis that promises about the same
REDIS_EQUIVALENT = {"sync": "always", "write": "everysec"}
COLLECTOR_ROWS = ("collector_pauses", "collector_pause_us_max", "collector_pause_us_total", "collector_majors")


@attrs.define
class Settings:
    core_python: str = sys.executable
    directory: str = "."  # the disk it happens on
    core_cpu: int = None  # of every server; None: not pinned
    generator_cpu: int = None
    orders: int = 1_000_000
    warm_up: int = 200_000
    rounds: int = 3  # of the throughput section, servers in turn
    rate: int = 50_000
    seconds: int = 30
    warm_up_seconds: int = 10
    single_orders: int = 10_000
    resting: int = 1_000_000
    settle_seconds: int = 3  # for a core that has started to prepare its next segment
    funded: int = 1  # 1: measure the throughput with ledger and fees too


QUICK = {
    "orders": 20_000,
    "warm_up": 5000,
    "rounds": 1,
    "rate": 5000,
    "seconds": 1,
    "warm_up_seconds": 1,
    "single_orders": 300,
    "resting": 20_000,
    "settle_seconds": 2,
}


@contextlib.contextmanager
def loaded_core(settings, durability, is_funded=False):
    """-> a core with the instrument of the flow, with ledger and fees where it is to be funded."""
    with own_core(
        settings.directory, durability=durability, python=settings.core_python, cpu=settings.core_cpu, accounts=1
    ) as core:
        trusted = core.trusted()
        prepare_venue(trusted, (1,) if is_funded else ())
        trusted.close()  # it would be sent every event
        time.sleep(settings.settle_seconds)
        yield core


@contextlib.contextmanager
def measured_core(settings, durability, facts, is_funded=False):
    """The same. Afterwards `facts` says what it took, by its own count and the kernel's."""
    with loaded_core(settings, durability, is_funded) as core:
        facts["memory_mib_before"] = core.memory_bytes() >> 20
        before = core.processor_seconds()
        yield core
        user_s, system_s = (now - then for now, then in zip(core.processor_seconds(), before))
        facts["core_user_seconds"], facts["core_system_seconds"] = round(user_s, 2), round(system_s, 2)
        found = statistics_of(core.trusted())
        facts.update({name: found[name] for name in (*COLLECTOR_ROWS, "open_orders", "flushes", "flush_us_max")})
        facts["memory_mib"] = core.memory_bytes() >> 20


def throughput(settings):
    """Closed loop, window 1000: the core with sync and write, without and with ledger and fees, Redis with always and
    everysec, in turn. -> figures, with medians over the rounds."""
    runs = {}
    for _ in range(settings.rounds):
        for durability, appendfsync in REDIS_EQUIVALENT.items():
            runs.setdefault("core " + durability, []).append(_core_round(settings, durability))
            if settings.funded:
                funded = _core_round(settings, durability, is_funded=True)
                runs.setdefault("core %s, funded" % durability, []).append(funded)
            if is_installed():
                runs.setdefault("redis " + appendfsync, []).append(_redis_round(settings, appendfsync))
    result = {}
    for name, figures in runs.items():
        rates = [run["orders_per_second"] for run in figures]
        result[name] = {"median_per_second": round(statistics.median(rates)), "best_per_second": max(rates)}
        result[name]["rounds"] = figures
    if is_installed():
        result["redis_version"] = version()
    else:
        result["note"] = "redis-server is not installed: no comparison"
    return result


def _core_round(settings, durability, is_funded=False):
    outgoings = prepare(settings.warm_up + settings.orders, WINDOW)
    facts = {}
    with measured_core(settings, durability, facts, is_funded) as core:
        lines = lines_of([core.trader()], outgoings)
        figures = run_closed(lines, WINDOW, settings.warm_up)
    figures["core"] = facts
    return figures


def _redis_round(settings, appendfsync):
    (outgoing,) = prepare(settings.warm_up + settings.orders, WINDOW)
    sets = sets_of(outgoing)
    value_bytes = len(outgoing.data) // outgoing.count
    with redis_server(appendfsync, settings.directory, settings.core_cpu) as port:
        with redis_connect(port) as connection:
            figures = run_closed([Line(connection, sets, Replies())], WINDOW, settings.warm_up)
        figures["value_bytes_mean"] = value_bytes
        figures["redis_benchmark_per_second"] = redis_benchmark(port, settings.orders, WINDOW, value_bytes)
    return figures


def latency(settings):
    """Open loop with durability write, and the same load on echo servers in C and Python. -> (figures, histograms)"""
    count = settings.rate * (settings.seconds + settings.warm_up_seconds)
    lag = int(settings.rate * LAG_SECONDS)
    figures, histograms = {}, {}

    def measure(name, connect):
        lines = lines_of([connect()], prepare(count, lag))
        figures[name], histograms[name] = run_open(lines, settings.rate, settings.warm_up_seconds)

    for language in ("c", "python"):
        with echo_server(language, settings.core_python, settings.core_cpu) as connect:
            measure("echo " + language, connect)
    facts = {}
    with measured_core(settings, "write", facts) as core:
        measure("core write", core.trader)
    figures["core write"]["core"] = facts
    with echo_server("c", settings.core_python, settings.core_cpu) as connect:
        measure("echo c again", connect)  # how much the machine itself changed meanwhile
    return figures, histograms


def single(settings):
    """One order at a time, sync, beside what the disk takes for one fdatasync. -> figures"""
    warm_up = settings.single_orders // 3
    outgoings = prepare(warm_up + settings.single_orders, 1)
    facts = {}
    result = {"disk before": fdatasync_us(settings.directory, settings.single_orders)}
    with measured_core(settings, "sync", facts) as core:
        (line,) = lines_of([core.trader()], outgoings)
        figures, _ = run_one_at_a_time(line, warm_up)
    figures["core"] = facts
    result["core sync"] = figures
    result["disk after"] = fdatasync_us(settings.directory, settings.single_orders)
    return result


def recovery(settings):
    """The journal of a closed loop, read by a fresh process, every event compared. -> figures"""
    outgoings = prepare(settings.warm_up + settings.orders, WINDOW)
    with loaded_core(settings, "sync") as core:
        run_closed(lines_of([core.trader()], outgoings), WINDOW, settings.warm_up)
        core.kill()  # a clean stop would leave a snapshot, and nothing to replay
        words = [settings.core_python, "-m", "perf.recovery", core.journal]
        environment = dict(os.environ, PYTHONPATH=ROOT, **PYPY_ENVIRONMENT)
        command = pinned(settings.core_cpu) + words
        done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True)
        return json.loads(done.stdout)


def resting(settings):
    """Orders that stay in the book, over TCP with durability write: memory, collector pauses. -> figures"""
    outgoings = prepare(settings.resting, WINDOW, mix="adds")
    facts = {}
    with measured_core(settings, "write", facts) as core:
        figures = run_closed(lines_of([core.trader()], outgoings), WINDOW, 0)
    figures["core"] = facts
    return figures


SECTIONS = {
    "throughput": throughput,
    "latency": latency,
    "single": single,
    "recovery": recovery,
    "resting": resting,
}


def run(settings, sections=tuple(SECTIONS)):
    """-> ({section: figures}, {name: HdrHistogram} of the latency section)"""
    pin_self(settings.generator_cpu)
    result, histograms = {}, {}
    for name in sections:
        print("perf.tcp: %s" % name, file=sys.stderr)
        found = SECTIONS[name](settings)
        if name == "latency":
            found, histograms = found
        result[name] = found
    return result, histograms


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="of %s (default all)" % ", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="a trial run of seconds, whose figures mean nothing")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", metavar="FILE", help="draw the latency section as SVG")
    for field in attrs.fields(Settings):
        kind = int if field.type is int else str
        parser.add_argument("--" + field.name.replace("_", "-"), type=kind, help="default %s" % field.default)
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    sections = given.pop("sections") or list(SECTIONS)
    as_json, path, is_quick = given.pop("json"), given.pop("plot", None), given.pop("quick")
    settings = Settings(**{**(QUICK if is_quick else {}), **given})
    result, histograms = run(settings, sections)
    print(json.dumps(result, indent=1)) if as_json else print_figures(result)
    if path and histograms:
        with open(path, "w", encoding="utf-8") as file:
            file.write(plot(histograms))


if __name__ == "__main__":
    main()
