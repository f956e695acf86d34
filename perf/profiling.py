"""Where the time of the hot path goes, in process: three views, each with its own blind spot.

stages  nanoseconds a command by stage, by leaving stages out and subtracting. Works on PyPy, and is the one to trust
        there: a tracing JIT inlines across functions, and what is inlined has no time of its own.
calls   cProfile. For CPython: tells call counts and shares, and makes calls look dearer than they are.
flame   stacks sampled by a timer, as a flame graph (SVG) and as collapsed stacks. On PyPy a sample lands where compiled
        code next looks for signals, which is the end of a loop's body: read it by loop, not by line.
jit     what PyPy says of its own work: loops traced and aborted, time spent tracing.
"""

import argparse
import cProfile
import os
import pstats
import signal
import subprocess
import sys
import time

from engine.collector import IS_PYPY, PYPY_ENVIRONMENT, Collector
from engine.exchange import Exchange
from perf.batches import (
    ORDER_SLOTS,
    flow_frames,
    new_journal,
    new_sequencer,
    split,
    submit_commands,
    submit_frames,
)
from perf.flamegraph import collapsed, flame_graph
from protocol.codec import decode
from protocol.framing import LENGTH_BYTES, FrameReader
from tools.load.core import ROOT
from tools.load.flow import MIXES, definition, generate

BATCH = 1000
SAMPLE_SECONDS = 0.001


# --- stages: each runs the whole flow once -> seconds ----------------------------------------------------------------


def cut(batches):
    started_s = time.perf_counter()
    for frames, _, _ in batches:
        FrameReader().feed(frames)
    return time.perf_counter() - started_s


def decoded(batches):
    started_s = time.perf_counter()
    for frames, ends, _ in batches:
        start = 0
        for end in ends:
            decode(frames, start + LENGTH_BYTES, end)
            start = end
    return time.perf_counter() - started_s


def exchanged(batches):
    exchange = Exchange(ORDER_SLOTS)
    exchange.apply(1, 0, definition())
    apply, seq = exchange.apply, 1
    started_s = time.perf_counter()
    for _, _, commands in batches:
        for command in commands:
            seq += 1
            apply(seq, 0, command)
    return time.perf_counter() - started_s


def sequenced(batches):
    sequencer = new_sequencer()
    started_s = time.perf_counter()
    for frames, _, commands in batches:
        submit_commands(sequencer, frames, commands)
        sequencer.take()
    return time.perf_counter() - started_s


def sequenced_from_frames(batches):
    sequencer = new_sequencer()
    started_s = time.perf_counter()
    for frames, ends, _ in batches:
        submit_frames(sequencer, frames, ends)
        sequencer.take()
    return time.perf_counter() - started_s


def journaled(batches):
    sequencer, journal = new_sequencer(), new_journal()
    started_s = time.perf_counter()
    for frames, ends, _ in batches:
        FrameReader().feed(frames)
        submit_frames(sequencer, frames, ends)
        batch = sequencer.take()
        journal.append(batch.record)
        batch.runs()
    return time.perf_counter() - started_s


STAGES = (cut, decoded, exchanged, sequenced, sequenced_from_frames, journaled)


def show_stages(batches, count, rounds):
    """Print ns a command of each stage, by the best of the rounds, and of the whole."""
    best = {stage: min(stage(batches) for _ in range(rounds)) / count * 1e9 for stage in STAGES}
    lines = [
        ("cut the stream into frames", best[cut]),
        ("decode", best[decoded]),
        ("apply (the exchange)", best[exchanged]),
        ("stamp, encode and take events", best[sequenced] - best[exchanged]),
        ("journal record, checksums, addresses", best[journaled] - best[sequenced_from_frames] - best[cut]),
        ("all of it together", best[journaled]),
    ]
    for name, nanoseconds in lines:
        print("%-40s %8.0f ns a command" % (name, nanoseconds))
    print("%-40s %8s commands a second" % ("", format(round(1e9 / best[journaled]), ",")))


def show_calls(batches, rounds):
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(rounds):
        journaled(batches)
    profile.disable()
    pstats.Stats(profile, stream=sys.stdout).strip_dirs().sort_stats("tottime").print_stats(25)


def show_flame(batches, rounds, path):
    """Sample the stack by processor time; write `path` (SVG) and `path`.txt (collapsed stacks)."""
    samples = {}

    def take(signal_number, frame):
        stack = []
        while frame is not None:
            stack.append(frame.f_code)
            frame = frame.f_back
        key = tuple(stack)
        samples[key] = samples.get(key, 0) + 1

    journaled(batches)
    signal.signal(signal.SIGPROF, take)
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
    for _ in range(rounds):
        journaled(batches)
    signal.setitimer(signal.ITIMER_PROF, 0)
    stacks = collapsed(samples)
    with open(path, "w", encoding="utf-8") as file:
        file.write(flame_graph(stacks))
    with open(path + ".txt", "w", encoding="utf-8") as file:
        file.writelines("%s %d\n" % (";".join(stack), count) for stack, count in sorted(stacks.items()))
    print("%d samples: %s, %s.txt" % (sum(samples.values()), path, path))


def show_jit():
    """Run the stages again under PyPy's own log, and print its summary."""
    environment = dict(os.environ, PYPYLOG="jit-summary:-", PYTHONPATH=ROOT, **PYPY_ENVIRONMENT)
    subprocess.run([sys.executable, "-m", "perf.profiling", "stages"], env=environment, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("view", choices=("stages", "calls", "flame", "jit"))
    parser.add_argument("--commands", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--flow", choices=MIXES, default="mixed")
    parser.add_argument("--output", default="flame.svg", help="of the flame view (default %(default)s)")
    given = parser.parse_args()
    if given.view == "jit":
        if not IS_PYPY:
            parser.error("jit is for PyPy")
        show_jit()
        return
    batches = split(flow_frames(generate(given.commands, given.flow)), BATCH)
    Collector().start()
    if given.view == "stages":
        show_stages(batches, given.commands, given.rounds)
    elif given.view == "calls":
        show_calls(batches, given.rounds)
    else:
        show_flame(batches, given.rounds, given.output)


if __name__ == "__main__":
    main()
