"""The journal on disk: a segment is a header, then records, then zeros. A record is whole, torn or corrupt.

    segment header  magic | format | rules | venue | first seq | first event seq | chain | header crc
    record          header: magic | payload length | first seq | commands | events | first event seq | time_ns
                            | payload crc | header crc
                    payload: sources length | commands length | sources | commands | events
                    footer: magic

One record is one flush. Commands are the clients' frames as they came, events the frames that went out. `sources`
tells in runs whose the commands were. The payload crc continues the one of the record before (the segment header's
`chain` continues the segment before), so that no record can be taken away or put elsewhere unseen.
"""

import struct
import zlib

import attrs

from protocol.errors import JournalCorrupt

FORMAT_VERSION = 1
SEGMENT_MAGIC = b"TRADEJNL"
RECORD_MAGIC = b"RECD"
FOOTER = b"\xfeEND"
SECTOR_BYTES = 512  # what a disk writes whole or not at all

_segment = struct.Struct(">8sHH4xQQQI")
_record = struct.Struct(">4sIQIIQQI")
_crc = struct.Struct(">I")
_lengths = struct.Struct(">II")
_source = struct.Struct(">IIII")
SEGMENT_HEADER_BYTES = _segment.size + _crc.size
RECORD_HEADER_BYTES = _record.size + _crc.size
RECORD_OVERHEAD_BYTES = RECORD_HEADER_BYTES + _lengths.size + len(FOOTER)
RECORD_BYTES_MAX = 1 << 30


@attrs.define
class SegmentHeader:
    """What a segment file starts with. `chain` is the payload crc of the last record before it (0 for the first)."""

    rules_version: int
    venue_id: int  # chosen at random when the journal is made; a segment of another venue is refused
    first_seq: int  # of the first command in it
    first_event_seq: int
    chain: int

    def pack(self):
        head = _segment.pack(
            SEGMENT_MAGIC,
            FORMAT_VERSION,
            self.rules_version,
            self.venue_id,
            self.first_seq,
            self.first_event_seq,
            self.chain,
        )
        return head + _crc.pack(zlib.crc32(head))


def read_segment_header(buffer, path):
    """-> SegmentHeader of the first SEGMENT_HEADER_BYTES of a file; raises JournalCorrupt."""
    if len(buffer) < SEGMENT_HEADER_BYTES:
        raise JournalCorrupt(path, 0, "shorter than a segment header")
    magic, format_version, rules, venue, first_seq, first_event_seq, chain = _segment.unpack_from(buffer, 0)
    if magic != SEGMENT_MAGIC:
        raise JournalCorrupt(path, 0, "not a journal segment")
    if format_version != FORMAT_VERSION:
        raise JournalCorrupt(path, 0, "journal format %d; this version reads %d" % (format_version, FORMAT_VERSION))
    if _crc.unpack_from(buffer, _segment.size)[0] != zlib.crc32(buffer[: _segment.size]):
        raise JournalCorrupt(path, 0, "segment header does not match its checksum")
    return SegmentHeader(rules, venue, first_seq, first_event_seq, chain)


@attrs.define
class Source:
    """A run of commands of one session: `count` frames of `size` bytes by API key `key` for account `account`."""

    key: int
    account: int
    count: int
    size: int


@attrs.define
class Record:
    """One flush of the core. seqs of commands and of events count from 1 over the life of the venue."""

    first_seq: int
    count: int
    first_event_seq: int
    event_count: int
    time_ns: int
    sources: list
    command_parts: list  # of bytes; in parts, as large pieces of memory cost more than they are worth
    event_parts: list

    @property
    def commands(self):
        return b"".join(self.command_parts)

    @property
    def events(self):
        return b"".join(self.event_parts)

    @property
    def next_seq(self):
        return self.first_seq + self.count

    @property
    def next_event_seq(self):
        return self.first_event_seq + self.event_count


def pack_record(record, chain):
    """-> (parts, chain): the record as it goes to disk, in pieces of bytes, and its payload crc for the next one."""
    sources = b"".join([_source.pack(s.key, s.account, s.count, s.size) for s in record.sources])
    commands_size = 0
    for part in record.command_parts:
        commands_size += len(part)
    lengths = _lengths.pack(len(sources), commands_size)
    payload = [lengths, sources, *record.command_parts, *record.event_parts]
    size = 0
    for part in payload:
        size += len(part)
        chain = zlib.crc32(part, chain)
    assert size <= RECORD_BYTES_MAX
    head = _record.pack(
        RECORD_MAGIC,
        size,
        record.first_seq,
        record.count,
        record.event_count,
        record.first_event_seq,
        record.time_ns,
        chain,
    )
    return [head, _crc.pack(zlib.crc32(head)), *payload, FOOTER], chain


def _header_at(buffer, position):
    """-> the unpacked record header, or None where its checksum does not match."""
    if len(buffer) - position < RECORD_HEADER_BYTES:
        return None
    fields = _record.unpack_from(buffer, position)
    (crc,) = _crc.unpack_from(buffer, position + _record.size)
    if fields[0] != RECORD_MAGIC or crc != zlib.crc32(buffer[position : position + _record.size]):
        return None
    return fields


def record_size_at(buffer, position):
    """-> size in bytes of the record whose (intact) header is at position, or 0 where there is none."""
    fields = _header_at(buffer, position)
    return 0 if fields is None else RECORD_OVERHEAD_BYTES - _lengths.size + fields[1]


def peek_record(buffer, position):
    """-> (size in bytes, first seq, commands, time_ns) of the record whose (intact) header is at position, or None.
    Its payload may not be there yet."""
    fields = _header_at(buffer, position)
    if fields is None:
        return None
    return RECORD_OVERHEAD_BYTES - _lengths.size + fields[1], fields[2], fields[3], fields[6]


def read_record(buffer, position, chain):
    """-> (Record, next position, chain) of an intact record at `position`, or None where there is none.

    None says only that; `classify_end` says why. With chain None the payload is taken unchecked. O(size).
    """
    fields = _header_at(buffer, position)
    if fields is None:
        return None
    _, length, first_seq, count, event_count, first_event_seq, time_ns, payload_crc = fields
    start = position + RECORD_HEADER_BYTES
    end = start + length
    if end + len(FOOTER) > len(buffer) or buffer[end : end + len(FOOTER)] != FOOTER:
        return None
    payload = buffer[start:end]
    if chain is not None and zlib.crc32(payload, chain) != payload_crc:
        return None
    sources_size, commands_size = _lengths.unpack_from(payload, 0)
    commands_at = _lengths.size + sources_size
    events_at = commands_at + commands_size
    sources = [Source(*_source.unpack_from(payload, at)) for at in range(_lengths.size, commands_at, _source.size)]
    commands, events = [payload[commands_at:events_at]], [payload[events_at:]]
    record = Record(first_seq, count, first_event_seq, event_count, time_ns, sources, commands, events)
    return record, end + len(FOOTER), payload_crc


CLEAN, TORN, CORRUPT = "clean", "torn", "corrupt"


def classify_end(buffer, position):
    """What stands at `position`, where read_record found nothing -> (CLEAN | TORN | CORRUPT, why).

    CLEAN: only zeros follow. TORN: a last write that did not reach the disk whole: something of it is still zeros, and
    no record follows it. CORRUPT: all else, such as a changed bit, also in the last record: that one was acknowledged.
    """
    rest = buffer[position:]
    written = len(rest.rstrip(b"\0"))
    if written == 0:
        return CLEAN, "the end"
    if written < RECORD_HEADER_BYTES:
        if rest[:written].startswith(RECORD_MAGIC[:written]):
            return TORN, "the last %d bytes are a part of a record header" % written
        return CORRUPT, "bytes that are no record"
    fields = _header_at(rest, 0)
    # what is inside an intact header's record is a client's to choose, and may look like a record
    following = _find_record(rest, 1 if fields is None else RECORD_HEADER_BYTES + fields[1])
    if following >= 0:
        return CORRUPT, "a damaged record, with another one %d bytes after it" % following
    if fields is None:
        if _is_header_unwritten(buffer, position):
            return TORN, "a sector with the last record's header was not written"
        return CORRUPT, "a record header that does not match its checksum"
    size = RECORD_HEADER_BYTES + fields[1] + len(FOOTER)
    if written > size:
        return CORRUPT, "bytes after a damaged record"
    if written < size:
        return TORN, "the last record has %d of its %d bytes" % (written, size)
    if _has_zero_sector(buffer, position, size):
        return TORN, "a sector of the last record was not written"
    return CORRUPT, "a record that does not match its checksum"


def _find_record(buffer, start):
    """-> offset of the next intact record header at or after `start`, or -1."""
    while True:
        start = buffer.find(RECORD_MAGIC, start)
        if start < 0 or _header_at(buffer, start) is not None:
            return start
        start += 1


def _is_header_unwritten(buffer, position):
    """True where a sector that has a part of the header at `position` holds nothing of it but zeros."""
    boundary = (position // SECTOR_BYTES + 1) * SECTOR_BYTES
    if not buffer[position:boundary].strip(b"\0"):
        return True
    return boundary < position + RECORD_HEADER_BYTES and not buffer[boundary : boundary + SECTOR_BYTES].strip(b"\0")


def _has_zero_sector(buffer, position, size):
    first = -(-position // SECTOR_BYTES) * SECTOR_BYTES
    zeros = bytes(SECTOR_BYTES)
    return any(
        buffer[at : at + SECTOR_BYTES] == zeros for at in range(first, position + size - SECTOR_BYTES + 1, SECTOR_BYTES)
    )
