"""The same order flow through other matching engines and through ours, in process and in one run.

The flow is a CSV made here: `kind,side,price,quantity,target` a line, kind G (good till cancelled), I (immediate or
cancel) or C (cancel of the order on line `target`, from 0). Each engine runs it from an empty book, again and again
until its time is up, and its best round counts; one too slow for a single round is stopped on the way. How many fills
it made, and of what quantity, must be what ours makes of as many commands. Peers are installed for the run alone.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

from engine.exchange import Exchange
from perf.machine import version_of
from protocol.messages import CancelOrder, Liquidity, OrderFilled, Side, TimeInForce
from tools.load.core import ROOT, pinned
from tools.load.flow import definition, generate

HERE = os.path.dirname(os.path.abspath(__file__))
INSTALL_SECONDS_MAX = 300

#: name -> (how it is installed, package, program). "pip-cpython": needs Python 3.10 or newer.
PEERS = {
    "nodejs-order-book": ("npm", "nodejs-order-book@10.1.1", "nodejs_order_book.cjs"),
    "lightmatchingengine": ("pip", "lightmatchingengine==2019.1.4", "light_matching_engine.py"),
    "order-matching": ("pip-cpython", "order-matching[polars]==0.12.0", "order_matching_engine.py"),
}


class NotAvailable(Exception):
    """A peer cannot be run here; the text says why."""


def write_flow(flow, path):
    """-> ([fills after n commands], [filled quantity after n commands])"""
    exchange = Exchange()
    exchange.apply(1, 0, definition())
    fills, filled = [0], [0]
    with open(path, "w", encoding="ascii") as file:
        for index, command in enumerate(flow.commands):
            if type(command) is CancelOrder:
                file.write("C,,0,0,%d\n" % flow.cancels[index])
            else:
                kind = "I" if command.time_in_force == TimeInForce.IOC else "G"
                side = "B" if command.side == Side.BUY else "S"
                file.write("%s,%s,%d,%d,-1\n" % (kind, side, command.price, command.quantity))
            made = [
                event.quantity
                for event in exchange.apply(index + 2, 0, command)
                if type(event) is OrderFilled and event.liquidity == Liquidity.MAKER
            ]
            fills.append(fills[-1] + len(made))
            filled.append(filled[-1] + sum(made))
    return fills, filled


def install(name, python, directory):
    """-> environment in which the peer's program finds its package. Raises NotAvailable."""
    method, package, _ = PEERS[name]
    place = os.path.join(directory, name)
    os.makedirs(place, exist_ok=True)
    if method == "npm":
        if not (shutil.which("npm") and shutil.which("node")):
            raise NotAvailable("node and npm are not installed")
        command = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", place, package]
        environment = {"NODE_PATH": os.path.join(place, "node_modules")}
    else:
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        command += ["--target", place, package]
        environment = {"PYTHONPATH": place}
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=INSTALL_SECONDS_MAX)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAvailable("not installed: %s" % error) from None
    if done.returncode:
        raise NotAvailable("not installed: %s" % done.stdout.decode(errors="replace").strip()[-300:])
    return dict(os.environ, **environment)


def run(commands=100_000, seconds=10, pypy=None, cpython=None, cpu=None):
    """-> {name: figures, or why there are none}"""
    flow = generate(commands)
    results = {}
    with tempfile.TemporaryDirectory(prefix="peers-") as directory:
        path = os.path.join(directory, "flow.csv")
        fills, filled = write_flow(flow, path)

        def measure(label, program, environment, *arguments):
            words = pinned(cpu) + [*program, path, str(seconds), *arguments]
            done = subprocess.run(words, capture_output=True, env=environment)
            if done.returncode:
                results[label] = {"note": done.stderr.decode(errors="replace").strip()[-300:]}
                return
            found = json.loads(done.stdout)
            count = found["commands"]
            expected = (fills[count], filled[count])
            agrees = (found["fills"], found["quantity"] or filled[count]) == expected
            found = {"commands_per_second": round(count / found["seconds"]), **found, "same_fills": agrees}
            results[label] = found

        pythons = [python for python in (pypy, cpython) if python]
        own_environment = dict(os.environ, PYTHONPATH=ROOT)
        for python in pythons:
            for stage in ("matching", "sequenced"):
                label = "ours, %s, %s" % (stage, version_of(python))
                measure(label, [python, "-m", "perf.peers.ours"], own_environment, stage)
        for name, (method, _, program) in PEERS.items():
            interpreters = {"npm": ["node"], "pip": pythons, "pip-cpython": [cpython] if cpython else []}[method]
            for interpreter in interpreters:
                label = name if method == "npm" else "%s, %s" % (name, version_of(interpreter))
                try:
                    environment = install(name, interpreter, os.path.join(directory, "%d" % len(results)))
                except NotAvailable as error:
                    results[label] = {"note": str(error)}
                    continue
                measure(label, [interpreter, os.path.join(HERE, program)], environment)
    return results


def table(results):
    """-> lines of a table in Markdown."""
    lines = ["| engine | commands/s | commands run | same fills |", "|---|---:|---:|---|"]
    for name, found in results.items():
        if "note" in found:
            lines.append("| %s | - | - | %s |" % (name, found["note"].replace("\n", " ")))
        else:
            agrees = "yes" if found["same_fills"] else "NO"
            lines.append(
                "| %s | %s | %s | %s |"
                % (name, format(found["commands_per_second"], ","), format(found["commands"], ","), agrees)
            )
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=10, help="for each engine (default %(default)s)")
    parser.add_argument("--pypy", metavar="PATH")
    parser.add_argument("--cpython", metavar="PATH")
    parser.add_argument("--cpu", type=int, metavar="N", help="processor to pin them to")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not given.pypy and not given.cpython:
        given.cpython = sys.executable
    results = run(given.commands, given.seconds, given.pypy, given.cpython, given.cpu)
    print(json.dumps(results, indent=1) if given.json else "\n".join(table(results)))


if __name__ == "__main__":
    main()
