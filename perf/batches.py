"""The hot path without sockets and disk, in the pieces the core puts together: batches of commands through a sequencer
into a journal that keeps nothing."""

import time

from engine.exchange import RULES_VERSION, Exchange
from engine.journal import Journal
from engine.sequencer import Sequencer
from engine.warmup import NoDisk
from protocol.codec import decode, encode
from protocol.framing import LENGTH_BYTES, FrameReader
from protocol.journal import End
from protocol.records import CLEAN
from tools.load.flow import definition, funded_venue

KEY, ACCOUNT = 1, 1
ORDER_SLOTS = 1 << 17  # the core's default


def flow_frames(flow):
    """-> every command of a flow as frames, one after another."""
    return b"".join([encode(command) for command in flow.commands])


def split(frames, batch):
    """-> [(frames of a batch, end of each frame in them, its commands)], `batch` commands each."""
    buffer, ends = FrameReader().feed(frames)
    batches = []
    base = 0
    for first in range(0, len(ends), batch):
        batch_ends = ends[first : first + batch]
        commands = []
        start = base
        for end in batch_ends:
            commands.append(decode(buffer, start + LENGTH_BYTES, end))
            start = end
        batches.append((buffer[base:start], [end - base for end in batch_ends], commands))
        base = start
    return batches


def new_sequencer(funded_accounts=()):
    """-> a sequencer over an exchange with the instrument of the flow, with a ledger where accounts are named."""
    sequencer = Sequencer(Exchange(ORDER_SLOTS), time.time_ns)
    for command in funded_venue(funded_accounts) if funded_accounts else [definition()]:
        frame = encode(command)
        sequencer.submit(0, 0, frame, 0, len(frame), command)
    return sequencer


def new_journal():
    """-> a journal that does everything but writing."""
    return Journal("nowhere", NoDisk(), End("", 0, CLEAN, "", 0, 1, 1, 0, 0), 1, RULES_VERSION)


def submit_commands(sequencer, frames, commands):
    """A batch whose commands are decoded already."""
    apply = sequencer.apply
    for command in commands:
        apply(KEY, command)
    sequencer.add_source(KEY, ACCOUNT, frames, len(commands))


def submit_frames(sequencer, frames, ends):
    """A batch as it comes from a socket, cut into frames."""
    commands = []
    start = 0
    for end in ends:
        commands.append(decode(frames, start + LENGTH_BYTES, end))
        start = end
    apply = sequencer.apply
    for command in commands:
        apply(KEY, command)
    sequencer.add_source(KEY, ACCOUNT, frames, len(ends))
