"""`make bench`: every measurement on this machine, written to perf/results/ as JSON and as a page with the targets.

Run by PyPy, which drives the load; what is measured runs on --core. Takes about half an hour on a quiet machine, and
means something only there.
"""

import argparse
import datetime
import glob
import json
import os
import subprocess
import sys
import tempfile

import pyperf

from engine.collector import PYPY_ENVIRONMENT
from perf import in_process, orders, resting, tcp
from perf.machine import commit, describe
from perf.peers import compare
from perf.render import markdown
from tools.load.core import ROOT, pinned
from tools.load.report import plot

RESULTS = os.path.join(ROOT, "perf", "results")
SECTIONS = ("in_process", "orders", "resting", "pieces", "peers", "tcp")
QUICK_IN_PROCESS = {"commands": 20_000, "rounds": 3}
QUICK_ORDERS = {"rounds": 5}
QUICK_RESTING = {"rounds": 5, "divide": 100}
QUICK_PEERS = {"commands": 5000, "seconds": 1}
QUICK_PIECES = ["-p1", "-n1", "-w1", "-l1"]


def main():
    arguments = _arguments()
    core = {"pypy": arguments.pypy, "cpython": arguments.cpython}[arguments.core]
    cores = os.cpu_count()
    server_cpu, generator_cpu = (0, 1) if cores > 1 else (None, None)
    settings = tcp.Settings(core, arguments.directory, server_cpu, generator_cpu)
    if arguments.quick:
        settings = tcp.Settings(core, arguments.directory, server_cpu, generator_cpu, **tcp.QUICK)
    results = {
        "date": datetime.date.today().isoformat(),
        "command": " ".join(["python -m perf.run", *sys.argv[1:]]),
        "quick": arguments.quick,
        "facts": describe(arguments.directory, {"core": core, "generator": sys.executable}),
    }
    for name in arguments.sections:
        print("perf.run: %s" % name, file=sys.stderr)
        results[name], histograms = _measure(name, arguments, core, settings)
        if histograms and not arguments.quick:
            _write(results, "svg", plot(histograms))
    page = markdown(results)
    print(page)
    if arguments.quick:
        return
    _write(results, "json", json.dumps(results, indent=1) + "\n")
    print("written: %s" % _write(results, "md", page), file=sys.stderr)


def _measure(name, arguments, core, settings):
    """-> (figures of one section, {name: HdrHistogram} of the tcp section)"""
    quick, cpu = arguments.quick, settings.core_cpu
    if name == "tcp":
        return tcp.run(settings)
    if name == "in_process":
        return in_process.run(python=core, cpu=cpu, **(QUICK_IN_PROCESS if quick else {})), None
    if name == "orders":
        return orders.run(python=core, cpu=cpu, **(QUICK_ORDERS if quick else {})), None
    if name == "resting":
        return resting.run(python=core, cpu=cpu, **(QUICK_RESTING if quick else {})), None
    if name == "peers":
        pythons = {"pypy": arguments.pypy, "cpython": arguments.cpython}
        return compare.run(cpu=cpu, **pythons, **(QUICK_PEERS if quick else {})), None
    return _pieces(core, cpu, QUICK_PIECES if quick else []), None


def _pieces(python, cpu, options):
    """-> {benchmark: mean and standard deviation in ns} of every perf/bench_*.py"""
    found = {}
    environment = dict(os.environ, PYTHONPATH=ROOT, **PYPY_ENVIRONMENT)
    with tempfile.TemporaryDirectory(prefix="pieces-") as directory:
        for script in sorted(glob.glob(os.path.join(ROOT, "perf", "bench_*.py"))):
            path = os.path.join(directory, os.path.basename(script) + ".json")
            words = [python, script, "--quiet", "-o", path, "--inherit-environ", ",".join(PYPY_ENVIRONMENT), *options]
            subprocess.run(pinned(cpu) + words, env=environment, stdout=subprocess.DEVNULL, check=True)
            for benchmark in pyperf.BenchmarkSuite.load(path).get_benchmarks():
                deviation = benchmark.stdev() if benchmark.get_nvalue() > 1 else 0.0
                found[benchmark.get_name()] = {
                    "mean_ns": round(benchmark.mean() * 1e9, 1),
                    "stdev_ns": round(deviation * 1e9, 1),
                }
    return found


def _write(results, suffix, text):
    """-> path of perf/results/<date>-<commit>-<interpreter>.<suffix>, written."""
    interpreter = results["facts"]["core"].split(" (")[0].replace(" ", "").lower()
    path = os.path.join(RESULTS, "%s-%s-%s.%s" % (results["date"], commit(), interpreter, suffix))
    os.makedirs(RESULTS, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pypy", default=sys.executable, metavar="PATH")
    parser.add_argument("--cpython", metavar="PATH")
    parser.add_argument("--core", choices=("pypy", "cpython"), default="pypy", help="what is measured (default pypy)")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--directory", default=".", help="on the disk to measure (default: here)")
    parser.add_argument("--quick", action="store_true", help="a trial run of a minute or two; writes nothing")
    given = parser.parse_args()
    # absolute, as processes are started from elsewhere; not resolved, as a venv's python is a link
    given.pypy = os.path.abspath(given.pypy)
    given.cpython = os.path.abspath(given.cpython) if given.cpython else None
    if given.core == "cpython" and not given.cpython:
        parser.error("--core cpython needs --cpython PATH")
    return given


if __name__ == "__main__":
    main()
