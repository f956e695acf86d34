"""Journals on a real disk without a server: written, looked at and tampered with."""

import os

from engine.disk import Disk
from engine.exchange import RULES_VERSION
from engine.journal import Journal
from engine.recovery import recover
from engine.snapshot import state_hash
from protocol import codec
from protocol.journal import JournalReader, segment_paths
from tests.commands import definitions
from tests.harness import buy, sell

VENUE_ID = 7


def clock():
    return 1_000_000_000


class Writer:
    """A core with one trusted session: commands in, records on the disk. Goes on where the journal ends."""

    def __init__(self, directory, segment_bytes=1024, venue_id=VENUE_ID):
        recovered = recover(directory, clock, 64)
        self.sequencer = recovered.sequencer
        self.journal = Journal(directory, Disk(), recovered.end, venue_id, RULES_VERSION, segment_bytes)

    def flush(self, commands):
        for command in commands:
            frame = codec.encode(command)
            self.sequencer.submit(1, 0, frame, 0, len(frame), command)
        self.journal.append(self.sequencer.take().record)
        self.journal.sync()

    def close(self):
        self.journal.close()


def small_journal(tmp_path):
    """-> a directory with a journal of three segments and more: definitions and 20 orders, each a record."""
    directory = str(tmp_path / "journal")
    os.makedirs(directory)
    write(directory, orders(10))
    assert len(segment_paths(directory)) >= 3
    return directory


def orders(count):
    sides = ((buy, 1), (sell, 2))
    return [order(100, 1 + number, account=account) for number in range(count) for order, account in sides]


def write(directory, commands, **options):
    writer = Writer(directory, **options)
    if writer.sequencer.exchange.seq == 0:
        writer.flush(definitions())
    for command in commands:
        writer.flush([command])
    writer.close()


def state(directory):
    """-> (commands, state hash, how the journal ends)."""
    recovered = recover(directory, clock, 64)
    recovered.sequencer.exchange.check()
    return recovered.sequencer.exchange.seq, state_hash(recovered.sequencer.exchange), recovered.end.kind


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def overwrite(path, data):
    with open(path, "r+b") as file:
        file.write(data)


def places(directory):
    """-> {path: [offset of the header and of each record]}."""
    found = {path: [0] for path in segment_paths(directory)}
    for path, offset, _ in JournalReader(directory):
        found[path].append(offset)
    return found
