"""Commands a second inside one process, no socket and no disk: applied, stamped, encoded, taken in batches.

The flow is made and written to a file by one process and read by another, so that the first round there is truly cold
(the JIT has seen nothing of the exchange); every round starts with an empty exchange and the same commands.
"""

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from engine.collector import PYPY_ENVIRONMENT, Collector
from perf.batches import flow_frames, new_journal, new_sequencer, split, submit_commands, submit_frames
from tools.load.core import ROOT, pinned
from tools.load.flow import MIXES, generate

EARLY = 10_000  # commands at the start of the cold round that are told apart

#: what the timed part does -> what that is
STAGES = {
    "commands": "prebuilt commands: apply, stamp, encode events, take",
    "frames": "the same from frames: decode first",
    "records": "the same from frames, and journal records made with their checksums",
    "funded": "prebuilt commands, on an instrument with ledger and fees",
}


def main():
    arguments = _arguments()
    if arguments.frames:
        accounts = tuple(range(1, arguments.accounts + 1))
        print(json.dumps(measure(arguments.frames, arguments.batch, arguments.rounds, arguments.stages, accounts)))
        return
    result = run(**vars(arguments))
    if arguments.json:
        print(json.dumps(result, indent=1))
    else:
        for stage, figures in result["stages"].items():
            print("%-9s %s" % (stage, STAGES[stage]))
            for name, value in figures.items():
                print("          %-28s %12s" % (name, "{:,}".format(value)))


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=int, default=500_000, help="in a round (default %(default)s)")
    parser.add_argument("--batch", type=int, default=1000, help="commands from take to take (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="the first is the cold one (default %(default)s)")
    parser.add_argument("--flow", choices=MIXES, default="mixed")
    parser.add_argument("--accounts", type=int, default=1)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="interpreter (default: this)")
    parser.add_argument("--cpu", type=int, metavar="N", help="processor to pin it to")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--frames", metavar="FILE", help=argparse.SUPPRESS)  # the measuring process
    return parser.parse_args()


def run(commands=500_000, batch=1000, rounds=9, flow="mixed", accounts=1, stages=tuple(STAGES), python=sys.executable,
        cpu=None, **_):  # fmt: skip
    """Make the flow, measure it in processes of their own, one for each stage. -> results as printed."""
    made = generate(commands, flow, tuple(range(1, accounts + 1)))
    result = {"flow": flow, "commands": commands, "events": made.events, "batch": batch, "stages": {}}
    with tempfile.TemporaryDirectory(prefix="in-process-") as directory:
        path = os.path.join(directory, "frames")
        with open(path, "wb") as file:
            file.write(flow_frames(made))
        for stage in stages:
            words = [python, "-m", "perf.in_process", "--frames", path, "--batch", str(batch)]
            words += ["--rounds", str(rounds), "--stages", stage, "--accounts", str(accounts)]
            environment = dict(os.environ, PYTHONPATH=ROOT, **PYPY_ENVIRONMENT)
            done = subprocess.run(pinned(cpu) + words, env=environment, stdout=subprocess.PIPE, check=True)
            result["stages"].update(json.loads(done.stdout))
    return result


def measure(path, batch, rounds, stages, accounts=(1,)):
    """-> {stage: {figure: commands a second}}"""
    with open(path, "rb") as file:
        batches = split(file.read(), batch)
    Collector().start()
    measured = {}
    for stage in stages:
        seconds = []
        for index in range(rounds):
            early_s, total_s, count = _round(batches, stage, accounts)
            seconds.append(total_s)
            if index == 0:
                early = round(EARLY / early_s)
            gc.collect()
        measured[stage] = {
            "cold, first %d" % EARLY: early,
            "cold round": round(count / seconds[0]),
            "warm, median round": round(count / statistics.median(seconds[1:])),
            "warm, best round": round(count / min(seconds[1:])),
        }
    return measured


def _round(batches, stage, accounts):
    """-> (seconds of the first EARLY commands, seconds of all, number of commands)"""
    sequencer, journal = new_sequencer(accounts if stage == "funded" else ()), new_journal()
    journal.append(sequencer.take().record)
    from_frames = stage in ("frames", "records")
    count = 0
    early_s = 0.0
    started_s = time.perf_counter()
    for frames, ends, commands in batches:
        if from_frames:
            submit_frames(sequencer, frames, ends)
        else:
            submit_commands(sequencer, frames, commands)
        taken = sequencer.take()
        if stage == "records":
            journal.append(taken.record)
        count += len(ends)
        if not early_s and count >= EARLY:
            early_s = (time.perf_counter() - started_s) * EARLY / count
    total_s = time.perf_counter() - started_s
    return early_s or total_s, total_s, count


if __name__ == "__main__":
    main()
