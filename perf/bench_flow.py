"""The mixed flow through the hot path, a stage more each time, and back from the journal. Time is of one command."""

import tempfile
import time

import pyperf

from engine.disk import Disk
from engine.exchange import RULES_VERSION, Exchange
from engine.journal import Journal
from engine.recovery import recover
from perf.batches import ORDER_SLOTS, flow_frames, new_journal, new_sequencer, split, submit_commands, submit_frames
from protocol.journal import End
from protocol.records import CLEAN
from tools.load.flow import MIXES, definition, generate

COMMANDS = 20_000
BATCH = 1000
SEGMENT_BYTES = 8 << 20


def exchange_alone(loops, batches):
    total_s = 0.0
    for _ in range(loops):
        exchange = Exchange(ORDER_SLOTS)
        exchange.apply(1, 0, definition())
        apply, seq = exchange.apply, 1
        started_s = pyperf.perf_counter()
        for _, _, commands in batches:
            for command in commands:
                seq += 1
                apply(seq, 0, command)
        total_s += pyperf.perf_counter() - started_s
    return total_s


def sequenced(loops, batches, from_frames, is_journaled):
    total_s = 0.0
    for _ in range(loops):
        sequencer, journal = new_sequencer(), new_journal()
        journal.append(sequencer.take().record)
        started_s = pyperf.perf_counter()
        for frames, ends, commands in batches:
            if from_frames:
                submit_frames(sequencer, frames, ends)
            else:
                submit_commands(sequencer, frames, commands)
            record = sequencer.take().record
            if is_journaled:
                journal.append(record)
        total_s += pyperf.perf_counter() - started_s
    return total_s


def recovered(loops, batches):
    """A journal of the flow on the disk, replayed with every event compared."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        sequencer = new_sequencer()
        journal = Journal(directory, Disk(), End("", 0, CLEAN, "", 0, 1, 1, 0, 0), 1, RULES_VERSION, SEGMENT_BYTES)
        journal.append(sequencer.take().record)
        for frames, _, commands in batches:
            submit_commands(sequencer, frames, commands)
            journal.append(sequencer.take().record)
        journal.close()
        started_s = pyperf.perf_counter()
        for _ in range(loops):
            recover(directory, time.time_ns, ORDER_SLOTS)
        return pyperf.perf_counter() - started_s


def main():
    runner = pyperf.Runner(processes=5)
    for mix in MIXES:
        batches = split(flow_frames(generate(COMMANDS, mix)), BATCH)
        runner.bench_time_func("exchange_%s" % mix, exchange_alone, batches, inner_loops=COMMANDS)
        if mix == "mixed":
            for name, from_frames, is_journaled in (
                ("sequenced", False, False),
                ("sequenced_from_frames", True, False),
                ("journaled_from_frames", True, True),
            ):
                runner.bench_time_func(name, sequenced, batches, from_frames, is_journaled, inner_loops=COMMANDS)
            runner.bench_time_func("recovered", recovered, batches, inner_loops=COMMANDS)


if __name__ == "__main__":
    main()
