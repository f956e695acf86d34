"""What is inside a journal record, as messages: its commands with whose they were, and its events. Pure.

For all who read a journal: recovery, tools, persistence. records.py proves the bytes, this file reads them.
"""

from protocol import codec
from protocol.framing import LENGTH_BYTES, FrameReader


def record_commands(record):
    """Yields (source, command) of each command in a journal record, the account filled in as it was."""
    commands = record.commands
    position = 0
    for source in record.sources:
        stop = position + source.size
        buffer, ends = FrameReader().feed(commands[position:stop])
        assert len(ends) == source.count
        starts = [0] + ends
        for command in [codec.decode(buffer, start + LENGTH_BYTES, end) for start, end in zip(starts, ends)]:
            if command.account == 0:
                command.account = source.account
            yield source, command
        position = stop


def split_frames(data):
    """-> [frame, ...], lengths included, of whole frames one after another."""
    _, ends = FrameReader().feed(data)
    return [data[start:end] for start, end in zip([0] + ends, ends)]


def record_events(record):
    """-> [event, ...] of a journal record, in the order of event_seq."""
    return [codec.decode(frame, LENGTH_BYTES) for frame in split_frames(record.events)]
