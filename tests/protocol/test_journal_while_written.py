"""Reading a journal that a core is writing: what looks like damage is read again before it is called damage."""

import io

import pytest

import protocol.journal
from protocol.errors import JournalCorrupt
from protocol.journal import JournalReader, RecordCursor, segment_path
from protocol.records import SEGMENT_HEADER_BYTES, TORN, Record, SegmentHeader, pack_record

SEGMENT_BYTES = 8192


def write_segment(directory, first_seq, count, chain=0):
    """A segment of `count` records of one command and one event each. -> [offset of each record], chain."""
    data = SegmentHeader(1, 7, first_seq, first_seq, chain).pack()
    offsets = []
    for seq in range(first_seq, first_seq + count):
        parts, chain = pack_record(Record(seq, 1, seq, 1, seq, [], [b"command"], [b"event" * 20]), chain)
        packed = b"".join(parts)
        offsets.append(len(data))
        data += packed
    path = segment_path(str(directory), first_seq)
    with open(path, "wb") as file:
        file.write(data.ljust(SEGMENT_BYTES, b"\0"))
    return offsets, chain


class StaleOnce(io.BytesIO):
    """A file whose first reading is a mix of then and now."""

    def __init__(self, first, then):
        super().__init__(then)
        self.first = first

    def read(self, *size):
        data = super().read(*size)
        if self.first is not None and not size:
            data, self.first = self.first, None
        return data


def open_stale(monkeypatch, change):
    """Have whole segments read as `change(bytes)` the first time."""

    def stale(path, mode):
        with open(path, mode) as file:
            data = file.read()
        return StaleOnce(change(data), data)

    monkeypatch.setattr(protocol.journal, "open", stale, raising=False)


def without(start, end):
    return lambda data: data[:start] + bytes(end - start) + data[end:]


def test_a_record_seen_before_the_one_in_front_of_it_is_no_damage(tmp_path, monkeypatch):
    offsets, _ = write_segment(tmp_path, 1, 5)
    open_stale(monkeypatch, without(offsets[2], offsets[3]))
    assert [record.first_seq for _, _, record in JournalReader(tmp_path)] == [1, 2, 3, 4, 5]


def test_a_write_under_way_is_followed_by_what_it_became(tmp_path, monkeypatch):
    offsets, _ = write_segment(tmp_path, 1, 5)
    open_stale(monkeypatch, without(offsets[3] + 30, SEGMENT_BYTES))
    reader = JournalReader(tmp_path)
    assert [(offset, record.first_seq) for _, offset, record in reader] == list(zip(offsets, [1, 2, 3, 4, 5]))
    assert reader.end.next_seq == 6


def test_real_damage_stays_damage(tmp_path):
    offsets, _ = write_segment(tmp_path, 1, 5)
    path = tmp_path / ("%020d.journal" % 1)
    data = path.read_bytes()
    path.write_bytes(without(offsets[2], offsets[3])(data))
    with pytest.raises(JournalCorrupt) as caught:
        list(JournalReader(tmp_path))
    assert (caught.value.path, caught.value.offset) == (str(path), offsets[2])


def test_a_torn_end_stays_torn(tmp_path):
    offsets, _ = write_segment(tmp_path, 1, 5)
    path = tmp_path / ("%020d.journal" % 1)
    path.write_bytes(without(offsets[4] + 60, SEGMENT_BYTES)(path.read_bytes()))
    reader = JournalReader(tmp_path)
    assert len(list(reader)) == 4
    assert (reader.end.kind, reader.end.offset) == (TORN, offsets[4])


def test_what_stands_before_a_damaged_segment_header_is_given(tmp_path):
    _, chain = write_segment(tmp_path, 1, 3)
    write_segment(tmp_path, 4, 3, chain)
    damaged = tmp_path / ("%020d.journal" % 4)
    damaged.write_bytes(b"\1" + damaged.read_bytes()[1:])
    seqs = []
    with pytest.raises(JournalCorrupt) as caught:
        seqs.extend(record.first_seq for _, _, record in JournalReader(tmp_path))
    assert (seqs, caught.value.path, caught.value.offset) == ([1, 2, 3], str(damaged), 0)


def test_a_file_with_the_name_of_no_command_is_named(tmp_path):
    write_segment(tmp_path, 1, 1)
    (tmp_path / "copy.journal").write_bytes(b"")
    with pytest.raises(JournalCorrupt, match=r"copy.journal at byte 0: is no segment's name"):
        list(JournalReader(tmp_path))


def test_a_cursor_whose_next_segment_was_pruned_does_not_seem_to_be_at_the_end(tmp_path):
    _, chain = write_segment(tmp_path, 1, 3)
    write_segment(tmp_path, 4, 3, chain)
    cursor = RecordCursor(segment_path(str(tmp_path), 1), SEGMENT_HEADER_BYTES)
    (tmp_path / ("%020d.journal" % 4)).unlink()
    assert [cursor.next().first_seq for _ in range(3)] == [1, 2, 3]
    assert cursor.next() is None
    assert cursor.next_event_seq == 4  # a core with later events knows by this that they are gone
    cursor.close()
