"""WebSocket streams: how long from an event to every client, and what a client costs. CPython runs this, the gateway,
the clients and the orders; `--core-python` the core. On two processors, core and gateway share the first; clients
(perf/stream_clients.py) and orders (perf/stream_orders.py), a process each, the second.

`watching`: clients of trades and depth, while the book changes so many times a second, half of them with a trade. The
time counts from when the core took the order (its own clock, before the journal is written) to when the clients'
process has read what it led to; perf/README.md says what stands beside it. `idle`: clients that subscribe to nothing;
afterwards all must still be there.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from subprocess import PIPE

from perf.gateway import own_gateway, prepare
from perf.machine import describe
from perf.stream_clients import percentiles
from tools.load.core import ROOT, own_core, pinned
from tools.load.report import print_figures
from tools.token import new_secret_key

SETTLE_SECONDS = 3


def run(core_python, clients, seconds, channels, updates_per_second=10, fill=0):
    """-> figures. `fill`: pairs of orders beforehand."""
    with own_core(".", python=core_python, accounts=2, cpu=0) as core:
        asyncio.run(prepare(core))
        with own_gateway(core, {"keys": [new_secret_key("load")]}, access_log="off") as (process, port):
            if (os.cpu_count() or 1) > 1:
                os.sched_setaffinity(process.pid, {0})
            orders = {"port": core.port, "logins": core.logins, "fill": fill}
            place_orders(orders, 0, updates_per_second)
            time.sleep(SETTLE_SECONDS)
            before_kb = resident_kb(process.pid)
            child = subprocess.Popen(module("stream_clients"), cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True)
            tell(child, {"port": port, "clients": clients, "channels": channels})
            connected = json.loads(child.stdout.readline())
            connected_kb = resident_kb(process.pid)
            time.sleep(SETTLE_SECONDS)
            processor = processor_seconds(process.pid)
            memory = Memory(process.pid)
            if channels:
                placed = place_orders({**orders, "fill": 0}, seconds, updates_per_second)
                time.sleep(1)  # for the last of it to come
            else:
                placed = {"events": {}}
                time.sleep(seconds)
            watched = memory.stop()
            used = processor_seconds(process.pid) - processor
            tell(child, placed["events"])
            found = json.loads(child.stdout.readline())
            child.wait()
            if channels:
                found["core_answers_ms"] = percentiles(placed["answers_ms"])
    return {
        "clients": clients,
        "connected": connected,
        **found,
        "gateway_kb_before": before_kb,
        "gateway_kb_connected": connected_kb,
        "gateway_kb_a_client": round((max(watched) - before_kb) / clients, 1),
        "gateway_kb_each_tenth": watched[:: max(len(watched) // 10, 1)],
        "gateway_kb_growth_second_half": watched[-1] - watched[len(watched) // 2],
        "gateway_processor_share": round(used / (seconds + 1), 3),
    }


class Memory:
    """What a process takes, looked at every second until stop()."""

    def __init__(self, pid):
        self._pid = pid
        self._found = [resident_kb(pid)]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self):
        """-> KB at each look."""
        self._stopped.set()
        self._thread.join()
        return self._found

    def _look(self):
        while not self._stopped.wait(1.0):
            self._found.append(resident_kb(self._pid))


def module(name):
    """-> a command that runs a module of perf beside nothing of the venue's."""
    return [*pinned(1), sys.executable, "-m", "perf.%s" % name]


def tell(child, something):
    child.stdin.write(json.dumps(something) + "\n")
    child.stdin.flush()


def place_orders(settings, seconds, updates_per_second):
    """-> what has happened, see perf/stream_orders.py."""
    settings = json.dumps({**settings, "seconds": seconds, "updates_per_second": updates_per_second})
    return json.loads(subprocess.run(module("stream_orders"), cwd=ROOT, input=settings, stdout=PIPE, text=True).stdout)


def resident_kb(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def processor_seconds(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core-python", default=".venv-pypy/bin/python")
    parser.add_argument("--watching", type=int, default=1_000, help="clients; 0 leaves it out (default %(default)s)")
    parser.add_argument("--idle", type=int, default=10_000, help="clients; 0 leaves it out (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--idle-seconds", type=float, default=45, help="more than two pings (default %(default)s)")
    parser.add_argument("--updates", type=float, default=10, help="of the book, a second (default %(default)s)")
    parser.add_argument("--fill", type=int, default=0, help="pairs of orders before the clients that watch connect")
    parser.add_argument("--output", metavar="FILE", help="write the figures there too, as JSON")
    given = parser.parse_args()
    figures = {"when": time.strftime("%Y-%m-%d"), "machine": describe(".", {"core": given.core_python})}
    if given.watching:
        channels = ["trades", "depth"]
        figures["watching"] = run(given.core_python, given.watching, given.seconds, channels, given.updates, given.fill)
    if given.idle:
        figures["idle"] = run(given.core_python, given.idle, given.idle_seconds, [])
    print_figures(figures)
    if given.output:
        with open(given.output, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
