"""What a disk can do to a journal: recovery drops a torn last write and nothing else, and says where the damage is."""

import os
import random
import shutil

import attrs
import pytest

from engine.disk import Disk
from engine.exchange import RULES_VERSION
from engine.journal import Journal
from engine.recovery import recover
from engine.sequencer import Divergence
from engine.snapshot import state_hash
from protocol import codec
from protocol.errors import JournalCorrupt
from protocol.journal import SEGMENT_SUFFIX, JournalReader, segment_path, segment_paths
from protocol.messages import OrderAccepted
from protocol.records import (
    SECTOR_BYTES,
    SEGMENT_HEADER_BYTES,
    TORN,
    SegmentHeader,
    pack_record,
    read_segment_header,
)
from tests.commands import definitions, next_command
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


@pytest.fixture
def journal(tmp_path):
    """A directory with a small journal of three segments and more: definitions and 21 orders, each a record."""
    directory = str(tmp_path / "journal")
    os.makedirs(directory)
    write(directory, orders(11)[:21])
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


# --- the torn tail ---------------------------------------------------------------------------------------------------


def test_a_last_record_torn_at_any_byte_is_dropped_and_nothing_else_and_the_core_goes_on(journal):
    before = state(journal)
    write(journal, [buy(90, 5, account=1, client_order_id="longer-than-the-next-one")])
    path, starts = list(places(journal).items())[-1]
    whole = contents(path)
    start, end = starts[-1], len(whole.rstrip(b"\0"))
    hashes = []
    for cut in range(start, end):
        overwrite(path, whole[:cut] + bytes(len(whole) - cut))
        seq, found, kind = state(journal)
        assert (seq, found) == before[:2] and (kind == TORN or cut == start), cut
        write(journal, [buy(90, 6, account=1)])
        assert contents(path)[start:].rstrip(b"\0") != b""
        hashes.append(state(journal))
    assert len(hashes) == end - start and len(set(hashes)) == 1 and hashes[0][0] == before[0] + 1


def test_a_last_record_of_which_any_sectors_did_not_reach_the_disk_is_dropped(journal):
    before = state(journal)
    writer = Writer(journal, segment_bytes=8192)
    writer.flush(orders(12))
    writer.close()
    path, starts = list(places(journal).items())[-1]
    whole = contents(path)
    start, end = starts[-1], len(whole.rstrip(b"\0"))
    first = start // SECTOR_BYTES
    count = -(-end // SECTOR_BYTES) - first
    assert count > 5
    chance = random.Random(3)
    subsets = [1 << sector for sector in range(count)] + [chance.randrange(1, 1 << count) for _ in range(200)]
    for lost in subsets:
        data = bytearray(whole)
        for sector in range(count):
            if lost >> sector & 1:
                low = max(start, (first + sector) * SECTOR_BYTES)
                high = (first + sector + 1) * SECTOR_BYTES
                data[low:high] = bytes(high - low)
        overwrite(path, data)
        seq, found, _ = state(journal)
        assert (seq, found) == before[:2], bin(lost)


# --- damage ----------------------------------------------------------------------------------------------------------


def test_one_flipped_bit_anywhere_is_found_and_located_and_never_costs_a_record_silently(journal):
    before = state(journal)
    chance = random.Random(4)
    starts = places(journal)
    last_path = segment_paths(journal)[-1]
    tolerated = 0
    for path, offsets in starts.items():
        whole = contents(path)
        written = len(whole.rstrip(b"\0"))
        for position in range(len(whole)):
            damaged = whole[position] ^ (1 << chance.randrange(8))
            overwrite(path, whole[:position] + bytes((damaged,)))
            try:
                seq, found, kind = state(journal)
            except JournalCorrupt as error:
                assert error.path == path
                if position < written:
                    assert error.offset == [offset for offset in offsets if offset <= position][-1]
                else:
                    assert offsets[-1] < error.offset <= position
            else:  # beyond the end: taken for the rest of a write that nobody was told of
                assert path == last_path and position >= written and kind == TORN
                assert (seq, found) == before[:2]
                tolerated += 1
            overwrite(path, whole[: position + 1])
    assert state(journal) == before
    assert 0 < tolerated < 1024


@pytest.mark.parametrize("index", [0, 1])
def test_a_missing_segment_is_missed(journal, index):
    paths = segment_paths(journal)
    os.remove(paths[index])
    with pytest.raises(JournalCorrupt) as caught:
        state(journal)
    assert caught.value.path == paths[index + 1]


def test_swapped_segments_are_found_whether_their_names_or_their_contents_were_exchanged(journal):
    _, one, two = segment_paths(journal)[:3]
    os.rename(one, one + ".away")
    os.rename(two, one)
    os.rename(one + ".away", two)
    with pytest.raises(JournalCorrupt) as caught:
        state(journal)
    assert caught.value.path == one


def test_a_record_taken_out_or_repeated_is_found(journal):
    write(journal, orders(5), segment_bytes=8192)
    path, offsets = list(places(journal).items())[-1]
    whole = contents(path)
    first, second, third = offsets[1:4]
    for data in (
        whole[:first] + whole[second:] + bytes(second - first),
        (whole[:second] + whole[first:])[: len(whole)],
        whole[:first] + whole[second:third] + whole[first:second] + whole[third:],
    ):
        overwrite(path, data)
        with pytest.raises(JournalCorrupt) as caught:
            state(journal)
        assert caught.value.path == path
    overwrite(path, whole)
    state(journal)


def test_a_segment_of_another_venue_is_refused_wherever_it_stands(journal, tmp_path):
    other = str(tmp_path / "other")
    os.makedirs(other)
    write(other, orders(10), venue_id=VENUE_ID + 1)
    for mine, theirs in list(zip(segment_paths(journal), segment_paths(other)))[1:]:
        assert os.path.basename(mine) == os.path.basename(theirs)
        whole = contents(mine)
        shutil.copy(theirs, mine)
        with pytest.raises(JournalCorrupt) as caught:
            state(journal)
        assert caught.value.path == mine and "another venue" in str(caught.value)
        overwrite(mine, whole)
    state(journal)


def test_files_that_are_no_segments_are_refused_or_left_alone(journal):
    before = state(journal)
    for name in ("next.spare", "lock", "notes.txt", "00000000000000000009.journal.bak"):
        with open(os.path.join(journal, name), "wb") as file:
            file.write(b"anything")
    assert state(journal) == before
    for name, data in (
        ("x" + SEGMENT_SUFFIX, b""),
        ("9" * 20 + SEGMENT_SUFFIX, b""),
        ("9" * 20 + SEGMENT_SUFFIX, b"x" * 999),
    ):
        path = os.path.join(journal, name)
        with open(path, "wb") as file:
            file.write(data)
        with pytest.raises(JournalCorrupt) as caught:
            state(journal)
        assert caught.value.path == path
        os.remove(path)


# --- what checksums cannot tell --------------------------------------------------------------------------------------


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
