"""What checksums cannot tell: a journal whose commands do not give its events is refused, by the first of them."""

import os
import random
import shutil

import attrs
import pytest

from engine.sequencer import Divergence
from engine.snapshot import state_hash
from protocol import codec
from protocol.errors import JournalCorrupt
from protocol.journal import JournalReader, segment_path, segment_paths
from protocol.messages import OrderAccepted
from protocol.records import (
    SEGMENT_HEADER_BYTES,
    SegmentHeader,
    pack_record,
    read_segment_header,
)
from tests.commands import definitions, next_command
from tests.engine.journal_files import (
    Writer,
    clock,
    contents,
    places,
    small_journal,
    state,
)


@pytest.fixture
def journal(tmp_path):
    return small_journal(tmp_path)


def rewrite(directory, change):
    """Write the journal anew with `change(record)` done to each record, and all checksums right."""
    records = [record for _, _, record in JournalReader(directory)]
    header = read_segment_header(contents(segment_paths(directory)[0])[:SEGMENT_HEADER_BYTES], "")
    for path in segment_paths(directory):
        os.remove(path)
    chain = 0
    parts = [SegmentHeader(header.rules_version, header.venue_id, 1, 1, 0).pack()]
    for record in records:
        packed, chain = pack_record(change(record), chain)
        parts += packed
    with open(segment_path(directory, 1), "wb") as file:
        file.write(b"".join(parts))


def with_event_changed(seq, field, by):
    def change(record):
        if record.first_seq != seq:
            return record
        frames = record.events
        (length,) = (int.from_bytes(frames[:4], "big"),)
        event = codec.decode(frames[4 : 4 + length])
        setattr(event, field, getattr(event, field) + by)
        return attrs.evolve(record, event_parts=[codec.encode(event) + frames[4 + length :]])

    return change


@pytest.mark.parametrize("field", ["quantity", "price", "order_id", "account", "time_ns", "event_seq", "key"])
def test_an_event_changed_together_with_its_checksums_is_refused_by_the_command_that_gives_another(journal, field):
    seq = len(definitions()) + 7
    rewrite(journal, with_event_changed(seq, field, 1))
    with pytest.raises(Divergence) as caught:
        state(journal)
    assert caught.value.seq == seq and OrderAccepted.__name__ in str(caught.value)


def test_a_journal_rewritten_without_a_change_is_as_good_as_it_was(journal):
    before = state(journal)
    rewrite(journal, lambda record: record)
    assert state(journal)[:2] == before[:2]


def test_events_taken_away_or_added_together_with_their_checksums_are_refused(journal):
    seq = len(definitions()) + 7
    for event_parts in ([], None):

        def change(record, event_parts=event_parts):
            if record.first_seq != seq:
                return record
            return attrs.evolve(record, event_parts=record.event_parts * 2 if event_parts is None else event_parts)

        copy = journal + ("-none" if event_parts is None else "-more")
        shutil.copytree(journal, copy)
        rewrite(copy, change)
        with pytest.raises(Divergence) as caught:
            state(copy)
        assert caught.value.seq == seq


@pytest.mark.parametrize("garbage", [b"\0\0\0\1\xc1", b"\0\0\0\x03\x92\x7f\x01", b"\0\0\0\x09abc", b""])
def test_commands_that_no_core_took_are_refused_even_with_right_checksums(journal, garbage):
    seq = len(definitions()) + 7

    def change(record):
        if record.first_seq != seq:
            return record
        source = attrs.evolve(record.sources[0], size=len(garbage))
        return attrs.evolve(record, sources=[source], command_parts=[garbage])

    rewrite(journal, change)
    with pytest.raises(JournalCorrupt) as caught:
        state(journal)
    assert caught.value.offset in places(journal)[caught.value.path]


def test_random_flows_are_recovered_to_the_same_state_in_any_cutting_into_records(tmp_path):
    chance = random.Random(6)
    hashes = set()
    for sizes in ((1,), (7, 2), (300,)):
        chance.seed(6)
        directory = str(tmp_path / ("cut-%d" % sizes[0]))
        os.makedirs(directory)
        writer = Writer(directory, segment_bytes=4096)
        writer.flush(definitions())
        commands = [next_command(chance, clock(), [(1, 1)], [(1, 1)]) for _ in range(300)]
        commands = [command for command in commands if encodes(command)]
        while commands:
            size = sizes[len(commands) % len(sizes)]
            writer.flush(commands[:size])
            del commands[:size]
        hashes.add((writer.sequencer.exchange.seq, state_hash(writer.sequencer.exchange)))
        writer.close()
        assert state(directory)[:2] == next(iter(hashes))
    assert len(hashes) == 1


def encodes(command):
    try:
        codec.decode(codec.encode(command)[4:])
    except Exception:
        return False
    return True
