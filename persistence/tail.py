"""Follows a journal that a core is writing, record by record, and gives only what is proven durable: a record is given
when a later one exists, for the core writes nothing after what is not yet on the disk.

It reads and never writes. Every record is proven by its checksums and by those of the record before it; what is torn at
the end is waited for, what is corrupt or missing is refused.
"""

import os

import attrs

from protocol.errors import JournalCorrupt
from protocol.journal import first_seq_of, segment_path, segment_paths
from protocol.records import (
    CORRUPT,
    RECORD_HEADER_BYTES,
    SECTOR_BYTES,
    SEGMENT_HEADER_BYTES,
    classify_end,
    peek_record,
    read_record,
    read_segment_header,
)

#: The rules by which money and orders follow from events (ledger.py, rows.py): the engine's that wrote the journal.
RULES_VERSION = 2
CHUNK_BYTES = 1 << 20
LOOK_RECORDS_MAX = 10_000  # headers that one look at the frontier reads


class JournalRefused(Exception):
    """The journal and the database do not belong together, or not enough of the journal is left; the text says why."""


@attrs.frozen
class Position:
    """How far the database is; an empty one is at 0."""

    venue_id: int = 0
    rules_version: int = RULES_VERSION
    seq: int = 0
    event_seq: int = 0
    chain: int = 0


def has_journal(directory):
    """-> whether there is a journal at all. Raises OSError where the directory cannot be read."""
    try:
        return bool(segment_paths(directory))
    except FileNotFoundError:
        return False


class Tail:
    """next() from the record after `position`. Holds CHUNK_BYTES, or one record where that is larger. close() it."""

    def __init__(self, directory, position):
        self.directory = directory
        self.start = position
        self.venue_id = position.venue_id
        self.seq = position.seq  # last command, event and payload checksum given
        self.event_seq = position.event_seq
        self.chain = position.chain
        self._path = ""
        self._fd = -1
        self._offset = 0  # of the next record
        self._buffer = b""
        self._base = 0  # where in the file the buffer starts
        self._doubtful = None  # what is torn at _offset

    def next(self):
        """-> the next Record, or None where no more is durable yet. Raises JournalCorrupt, JournalRefused, OSError."""
        if self._fd < 0 and not self._open_first():
            return None
        while True:
            head = self._head(self._offset)
            found = peek_record(head, 0)
            if found:
                size, first_seq, _, _ = found
                # what the database has was durable once, though what followed it may have been torn since
                if first_seq <= self.start.seq or self._is_followed(size):
                    return self._release(size)
                if os.pread(self._fd, RECORD_HEADER_BYTES, self._offset) == head:
                    return None
                self._buffer = b""  # torn when it was read: the core has written another one there
            elif not self._open_following():
                self._look_at_end()
                return None

    def close(self):
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # --- records -----------------------------------------------------------------------------------------------------

    def _is_followed(self, size):
        return bool(peek_record(self._head(self._offset + size), 0) or self._later_segments())

    def _release(self, size):
        """-> the record of this size at _offset, proven, or None where another one stands there now."""
        found = read_record(self._data(size), 0, self.chain)
        if found is None:
            self._buffer = b""  # it was perhaps read while it was written
            found = read_record(self._data(size), 0, self.chain)
        if found is None:
            raise JournalCorrupt(self._path, self._offset, "a record that does not match its checksum")
        record, end, chain = found
        if end != size:
            return None  # written anew since its header was read: look again
        if record.first_seq != self.seq + 1 or record.first_event_seq != self.event_seq + 1:
            text = "command %d stands where %d should" % (record.first_seq, self.seq + 1)
            raise JournalCorrupt(self._path, self._offset, text)
        self._offset += size
        self.seq, self.event_seq, self.chain = record.next_seq - 1, record.next_event_seq - 1, chain
        return record

    def _head(self, offset):
        """-> the bytes of a record header, from the buffer where it holds an intact one, else from the file."""
        start = offset - self._base
        head = self._buffer[start : start + RECORD_HEADER_BYTES] if start >= 0 else b""
        return head if peek_record(head, 0) else os.pread(self._fd, RECORD_HEADER_BYTES, offset)

    def _data(self, size):
        """-> the bytes of the record at _offset."""
        start = self._offset - self._base
        if start < 0 or start + size > len(self._buffer):
            self._base, start = self._offset, 0
            self._buffer = os.pread(self._fd, max(size, CHUNK_BYTES), self._offset)
        return self._buffer[start : start + size]

    def _look_at_end(self):
        """What stands where the next record will be? Zeros, a write under way, or what was torn: wait. Else refuse."""
        head = os.pread(self._fd, SECTOR_BYTES, self._offset)
        if peek_record(head, 0):  # the core has written it meanwhile
            return
        if not head.strip(b"\0"):
            later = self._later_segments()
            if later and not os.path.exists(segment_path(self.directory, self.seq + 1)):
                text = "%s: the journal goes on at command %d, and the database needs command %d: pruned too far"
                raise JournalRefused(text % (self.directory, later[0], self.seq + 1))
        elif head != self._doubtful:
            start = self._offset // SECTOR_BYTES * SECTOR_BYTES
            kind, why = classify_end(os.pread(self._fd, 1 << 30, start), self._offset - start)
            if kind == CORRUPT and os.pread(self._fd, SECTOR_BYTES, self._offset) == head:
                raise JournalCorrupt(self._path, self._offset, why)
            self._doubtful = head

    # --- segments ----------------------------------------------------------------------------------------------------

    def _later_segments(self):
        """-> first commands of the segments after the next record, in order."""
        return [seq for seq in map(first_seq_of, segment_paths(self.directory)) if seq > self.seq + 1]

    def _open_first(self):
        """Find the record after the position. -> False where there is no journal yet."""
        try:
            paths = segment_paths(self.directory)
        except FileNotFoundError:
            paths = []
        if not paths:
            if self.seq:
                raise JournalRefused("%s: no journal, and the database is at command %d" % (self.directory, self.seq))
            return False
        older = [path for path in paths if first_seq_of(path) <= self.seq + 1]
        if not older:
            text = "%s: the journal starts at command %d, and the database needs command %d"
            raise JournalRefused(text % (self.directory, first_seq_of(paths[0]), self.seq + 1))
        header = self._open(older[-1])
        if self.seq and header.venue_id != self.venue_id:
            text = "%s is the journal of venue %d, and the database is of venue %d"
            raise JournalRefused(text % (self.directory, header.venue_id, self.venue_id))
        if self.seq and self.start.rules_version != RULES_VERSION:
            text = "the database was filled under rules %d; this version knows rules %d: use the one that belongs to it"
            raise JournalRefused(text % (self.start.rules_version, RULES_VERSION))
        self.venue_id = header.venue_id
        self.seq, self.event_seq, self.chain = header.first_seq - 1, header.first_event_seq - 1, header.chain
        try:
            self._pass_over()
        except Exception:
            self.close()
            raise
        return True

    def _pass_over(self):
        """From the start of a segment to the position. Raises JournalRefused where it is not in this journal."""
        wanted = self.start
        while self.seq < wanted.seq:
            if self.next() is None:
                text = "%s ends at command %d, and the database is at %d: not the journal that it was filled from"
                raise JournalRefused(text % (self.directory, self.seq, wanted.seq))
        if wanted.seq and (self.seq, self.event_seq, self.chain) != (wanted.seq, wanted.event_seq, wanted.chain):
            text = "%s: command %d is not what the database has: not the journal that it was filled from"
            raise JournalRefused(text % (self.directory, wanted.seq))

    def _open_following(self):
        """-> False where the segment that continues this one is not there (yet)."""
        path = segment_path(self.directory, self.seq + 1)
        if path == self._path or not os.path.exists(path):
            return False
        self.close()
        header = self._open(path)
        if (header.first_event_seq, header.chain, header.venue_id) != (self.event_seq + 1, self.chain, self.venue_id):
            raise JournalCorrupt(path, 0, "does not continue the segment before it")
        return True

    def _open(self, path):
        """-> SegmentHeader of the file that is read from now on."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            header = read_segment_header(os.pread(fd, SEGMENT_HEADER_BYTES, 0), path)
            if header.rules_version != RULES_VERSION:
                text = "%s was made under rules %d; this version knows rules %d: use the one that belongs to it"
                raise JournalRefused(text % (path, header.rules_version, RULES_VERSION))
            if segment_path(self.directory, header.first_seq) != path:
                raise JournalCorrupt(path, 0, "is misnamed: it starts at command %d" % header.first_seq)
        except Exception:
            os.close(fd)
            raise
        self._fd, self._path, self._offset = fd, path, SEGMENT_HEADER_BYTES
        self._buffer, self._base, self._doubtful = b"", 0, None
        return header


class Frontier:
    """How far the core has written: for the lag, and for showing progress. Reads record headers alone, of the newest
    segment from where it was last."""

    def __init__(self, directory):
        self.directory = directory
        self.durable_seq = 0  # last command that a record follows
        self.time_ns = 0  # of its record
        self._path = ""
        self._offset = 0  # of the newest record: perhaps torn, and another one there later

    def look(self):
        """Bring `durable_seq` and `time_ns` up to now. A journal that is not there, or is damaged, brings nothing."""
        try:
            path = segment_paths(self.directory)[-1]
            first_seq = first_seq_of(path)
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (IndexError, OSError, JournalCorrupt):
            return
        try:
            if path != self._path:
                self._path, self._offset = path, SEGMENT_HEADER_BYTES
                self.durable_seq = max(self.durable_seq, first_seq - 1)
            found = self._peek(fd, self._offset)
            for _ in range(LOOK_RECORDS_MAX):
                following = found and self._peek(fd, self._offset + found[0])
                if not following:
                    return
                size, first_seq, count, self.time_ns = found
                self.durable_seq = first_seq + count - 1
                self._offset += size
                found = following
        finally:
            os.close(fd)

    def _peek(self, fd, offset):
        return peek_record(os.pread(fd, RECORD_HEADER_BYTES, offset), 0)
