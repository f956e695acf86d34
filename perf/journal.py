"""Makes a journal of a mixed flow on a venue with a ledger, by the core's own sequencer and files: a backlog for
persistence. `python -m perf.journal DIRECTORY --commands 1000000`; any interpreter."""

import argparse
import os
import time

from engine.disk import Disk
from engine.exchange import RULES_VERSION
from engine.journal import Journal
from perf.batches import new_sequencer, submit_frames
from protocol.codec import encode
from protocol.framing import FrameReader
from protocol.journal import End
from protocol.messages import Tick
from protocol.records import CLEAN
from tools.load.flow import MIXES, generate

VENUE_ID = 1
SEGMENT_BYTES = 64 << 20


def make(directory, commands, flow="mixed", accounts=100, batch=200, funded=True):
    """-> (last seq, events). Records of `batch` commands; the last is a Tick, so that the one before is durable."""
    os.makedirs(directory, exist_ok=True)
    numbers = tuple(range(1, accounts + 1))
    made = generate(commands, flow, numbers)
    sequencer = new_sequencer(numbers if funded else ())
    journal = Journal(directory, Disk(), End("", 0, CLEAN, "", 0, 1, 1, 0, 0), VENUE_ID, RULES_VERSION, SEGMENT_BYTES)
    journal.append(sequencer.take().record)
    for first in range(0, commands, batch):
        frames = b"".join([encode(command) for command in made.commands[first : first + batch]])
        buffer, ends = FrameReader().feed(frames)
        submit_frames(sequencer, buffer, ends)
        journal.append(sequencer.take().record)
    tick = Tick(0)
    sequencer.submit(0, 0, encode(tick), 0, len(encode(tick)), tick)
    journal.append(sequencer.take().record)
    journal.close()
    return sequencer.exchange.seq, sequencer.event_seq


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory")
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--flow", choices=MIXES, default="mixed")
    parser.add_argument("--accounts", type=int, default=100)
    parser.add_argument("--batch", type=int, default=200, help="commands a record (default %(default)s)")
    parser.add_argument("--no-funds", action="store_true")
    arguments = parser.parse_args()
    started_s = time.perf_counter()
    seq, events = make(
        arguments.directory, arguments.commands, arguments.flow, arguments.accounts, arguments.batch,
        not arguments.no_funds,
    )  # fmt: skip
    print("%d commands, %d events in %.1f s" % (seq, events, time.perf_counter() - started_s))


if __name__ == "__main__":
    main()
