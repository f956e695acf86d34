"""What a disk can do to a journal: recovery drops a torn last write and nothing else, and says where the damage is."""

import os
import random
import shutil

import pytest

from protocol.errors import JournalCorrupt
from protocol.journal import SEGMENT_SUFFIX, segment_paths
from protocol.records import (
    SECTOR_BYTES,
    TORN,
)
from tests.engine.journal_files import (
    VENUE_ID,
    Writer,
    contents,
    orders,
    overwrite,
    places,
    small_journal,
    state,
    write,
)
from tests.harness import buy


@pytest.fixture
def journal(tmp_path):
    return small_journal(tmp_path)


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
            overwrite(path, whole[: position + 1])
    assert state(journal) == before


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
