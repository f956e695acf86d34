"""A record on disk is whole, torn or corrupt: what was acknowledged is never dropped, what was not stops no start."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import JournalCorrupt
from protocol.records import (
    CLEAN,
    CORRUPT,
    FOOTER,
    RECORD_HEADER_BYTES,
    SECTOR_BYTES,
    SEGMENT_HEADER_BYTES,
    TORN,
    Record,
    SegmentHeader,
    Source,
    classify_end,
    pack_record,
    read_record,
    read_segment_header,
    record_size_at,
)

HEADER = SegmentHeader(rules_version=1, venue_id=2**60 + 7, first_seq=11, first_event_seq=21, chain=0xDEADBEEF)


def written(record, chain):
    """-> (bytes, chain)."""
    parts, chain = pack_record(record, chain)
    return b"".join(parts), chain


def record_of(first_seq, commands=b"\x01command" * 3, events=b"\x02event" * 2):
    sources = [Source(7, 70, 2, 16), Source(0, 0, 1, 8)]
    return Record(first_seq, 3, first_seq + 10, 2, 1_700_000_000_000_000_000, sources, [commands], [events])


def segment_of(records, zeros=0):
    """-> (bytes, [where each record starts, ..., where the last ends])"""
    data, chain, starts = HEADER.pack(), HEADER.chain, []
    for record in records:
        starts.append(len(data))
        packed, chain = written(record, chain)
        data += packed
    return data + bytes(zeros), starts + [len(data)]


def read_all(segment):
    """-> (records, clean, torn or corrupt)."""
    chain = read_segment_header(segment, "segment").chain
    position, records = SEGMENT_HEADER_BYTES, []
    while True:
        found = read_record(segment, position, chain)
        if found is None:
            return records, classify_end(segment, position)[0]
        record, position, chain = found
        records.append(record)


RECORDS = [record_of(11), record_of(14), record_of(17)]


def test_records_are_read_as_they_were_written():
    segment, starts = segment_of(RECORDS, zeros=700)
    assert read_segment_header(segment, "segment") == HEADER
    assert read_all(segment) == (RECORDS, CLEAN)
    assert [record_size_at(segment, start) for start in starts] == [
        starts[1] - starts[0],
        starts[2] - starts[1],
        starts[3] - starts[2],
        0,
    ]


@given(
    st.lists(
        st.builds(
            Record,
            first_seq=st.integers(0, 2**64 - 1),
            count=st.integers(0, 2**32 - 1),
            first_event_seq=st.integers(0, 2**64 - 1),
            event_count=st.integers(0, 2**32 - 1),
            time_ns=st.integers(0, 2**64 - 1),
            sources=st.lists(st.builds(Source, *[st.integers(0, 2**32 - 1)] * 4), max_size=3),
            command_parts=st.binary().map(lambda data: [data]),
            event_parts=st.binary().map(lambda data: [data]),
        )
    )
)
def test_any_record_is_read_as_it_was_written(records):
    segment, _ = segment_of(records, zeros=100)
    assert read_all(segment) == (records, CLEAN)


def test_a_record_knows_what_comes_after_it():
    assert (RECORDS[0].next_seq, RECORDS[0].next_event_seq) == (14, 23)


def test_a_write_torn_at_any_byte_is_torn():
    segment, starts = segment_of(RECORDS)
    for end in range(starts[2] + 1, starts[3]):
        torn = segment[:end] + bytes(len(segment) - end + 300)
        assert read_all(torn) == (RECORDS[:2], TORN), end
        assert read_all(segment[:end]) == (RECORDS[:2], TORN), end  # where the file ends there
    assert read_all(segment[: starts[2]] + bytes(500)) == (RECORDS[:2], CLEAN)


@pytest.mark.parametrize("commands_bytes", [8, 500, 1400])
def test_a_write_of_which_any_sectors_are_missing_is_torn(commands_bytes):
    last = record_of(14, commands=b"\x01" * commands_bytes)
    for filler in range(1, 520, 7):
        segment, starts = segment_of([record_of(11, commands=b"\x01" * filler), last])
        first, position = starts[0], starts[1]
        pieces = list(sector_pieces(position, len(segment)))
        for missing in range(2 ** len(pieces)):
            damaged = bytearray(segment + bytes(600))
            for index, (start, end) in enumerate(pieces):
                if missing >> index & 1:
                    damaged[start:end] = bytes(end - start)
            damaged = bytes(damaged)
            records, kind = read_all(damaged)
            expected = CLEAN if missing in (0, 2 ** len(pieces) - 1) else TORN
            assert (len(records), kind) == (2 if missing == 0 else 1, expected), (first, position, missing)


def sector_pieces(start, end):
    while start < end:
        boundary = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
        yield start, boundary
        start = boundary


def test_no_flipped_bit_of_a_segment_is_read_as_valid_or_taken_for_its_end():
    segment, starts = segment_of(RECORDS, zeros=1200)
    next_sector = -(-starts[3] // SECTOR_BYTES) * SECTOR_BYTES
    for bit in range(8 * len(segment)):
        at = bit // 8
        damaged = bytearray(segment)
        damaged[at] ^= 1 << bit % 8
        damaged = bytes(damaged)
        if at < SEGMENT_HEADER_BYTES:
            with pytest.raises(JournalCorrupt):
                read_all(damaged)
            continue
        intact = sum(start <= at for start in starts) - 1
        records, kind = read_all(damaged)
        assert records == RECORDS[:intact], bit
        # A bit in a sector of its own beyond the end looks like a write of which the first sector is missing.
        assert kind == (TORN if at >= next_sector else CORRUPT), bit


def test_a_write_torn_before_a_later_record_is_corrupt():
    segment, starts = segment_of(RECORDS)
    damaged = segment[: starts[1] + 60] + bytes(starts[2] - starts[1] - 60) + segment[starts[2] :]
    assert read_all(damaged) == (RECORDS[:1], CORRUPT)


def test_a_record_taken_away_is_seen():
    segment, starts = segment_of(RECORDS, zeros=600)
    assert read_all(segment[: starts[1]] + segment[starts[2] :]) == (RECORDS[:1], CORRUPT)


def test_records_that_changed_places_are_seen():
    segment, starts = segment_of(RECORDS, zeros=600)
    first, second, third = (segment[starts[i] : starts[i + 1]] for i in range(3))
    assert read_all(segment[: starts[0]] + second + first + third) == ([], CORRUPT)


def test_a_record_of_another_journal_is_seen():
    segment, _ = segment_of(RECORDS[:2])
    other, _ = written(RECORDS[2], 12345)
    assert read_all(segment + other + bytes(600)) == (RECORDS[:2], CORRUPT)


def test_a_segment_before_another_one_is_told_by_its_chain():
    segment, _ = segment_of(RECORDS[:1])
    assert read_record(segment, SEGMENT_HEADER_BYTES, HEADER.chain + 1) is None


def test_a_torn_record_that_holds_what_looks_like_a_record_is_torn():
    planted, _ = written(RECORDS[0], 0)
    segment, starts = segment_of([RECORDS[0], record_of(14, commands=planted * 3)])
    for end in range(starts[1] + RECORD_HEADER_BYTES, starts[2]):
        assert read_all(segment[:end] + bytes(600)) == (RECORDS[:1], TORN), end


@given(st.binary(min_size=1, max_size=200).filter(lambda data: data.strip(b"\0")))
def test_bytes_that_no_core_wrote_are_never_a_clean_end(data):
    segment, _ = segment_of(RECORDS[:1])
    records, kind = read_all(segment + data)
    assert records == RECORDS[:1]
    assert kind != CLEAN


HEADER_DAMAGE = {
    "is empty": (lambda data: b"", "shorter than a segment header"),
    "is cut": (lambda data: data[:-1], "shorter than a segment header"),
    "is all zeros": (lambda data: bytes(len(data)), "not a journal segment"),
    "is of a later format": (lambda data: data[:8] + b"\0\2" + data[10:], "journal format 2; this version reads 1"),
    "has another venue": (lambda data: data[:20] + b"\1" + data[21:], "segment header does not match its checksum"),
}


@pytest.mark.parametrize("damage, why", list(HEADER_DAMAGE.values()), ids=list(HEADER_DAMAGE))
def test_a_segment_whose_header(damage, why):
    with pytest.raises(JournalCorrupt) as caught:
        read_segment_header(damage(HEADER.pack()), "00011.journal")
    assert (caught.value.path, caught.value.offset, caught.value.text) == ("00011.journal", 0, why)


def test_the_layout_is_the_documented_one():
    """Offsets as in protocol/README.md, read by hand."""
    segment, _ = segment_of(RECORDS[:1])
    assert segment[0:16] == b"TRADEJNL\0\1\0\1\0\0\0\0"
    assert struct.unpack_from(">QQQI", segment, 16) == (2**60 + 7, 11, 21, 0xDEADBEEF)
    assert struct.unpack_from(">I", segment, 44) == (zlib.crc32(segment[:44]),)
    record = segment[48:]
    assert record[:4] == b"RECD"
    (length,) = struct.unpack_from(">I", record, 4)
    payload = record[48 : 48 + length]
    assert struct.unpack_from(">QIIQQ", record, 8) == (11, 3, 2, 21, 1_700_000_000_000_000_000)
    assert struct.unpack_from(">II", record, 40) == (zlib.crc32(payload, 0xDEADBEEF), zlib.crc32(record[:44]))
    assert struct.unpack_from(">II", record, 48) == (32, 24)
    assert struct.unpack_from(">IIIIIIII", record, 56) == (7, 70, 2, 16, 0, 0, 1, 8)
    assert record[56 + 32 : 48 + length] == RECORDS[0].commands + RECORDS[0].events
    assert record[48 + length :] == bytes.fromhex("fe 45 4e 44") == FOOTER
