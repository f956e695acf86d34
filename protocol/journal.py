"""Reading a journal directory: which segments there are, and their records in order, each proven intact.

Writing is the core's alone (engine/journal.py). Tools and persistence read through here, and so does recovery.
"""

import os

import attrs

from protocol.errors import JournalCorrupt
from protocol.records import (
    CLEAN,
    CORRUPT,
    RECORD_HEADER_BYTES,
    SECTOR_BYTES,
    SEGMENT_HEADER_BYTES,
    TORN,
    classify_end,
    read_record,
    read_segment_header,
    record_size_at,
)

SEGMENT_SUFFIX = ".journal"


def segment_path(directory, first_seq):
    """The file that starts with command `first_seq`."""
    return os.path.join(directory, "%020d%s" % (first_seq, SEGMENT_SUFFIX))


def segment_paths(directory):
    """Every segment file, oldest first."""
    names = sorted(name for name in os.listdir(directory) if name.endswith(SEGMENT_SUFFIX))
    return [os.path.join(directory, name) for name in names]


def first_seq_of(path):
    """The first command of a segment, by its name; raises JournalCorrupt for a name that is none."""
    name = os.path.basename(path)[: -len(SEGMENT_SUFFIX)]
    if not name.isdecimal():
        raise JournalCorrupt(path, 0, "is no segment's name")
    return int(name)


def read_header(path):
    """-> SegmentHeader of a segment file; raises JournalCorrupt."""
    with open(path, "rb") as file:
        return read_segment_header(file.read(SEGMENT_HEADER_BYTES), path)


def _read_from(file, offset):
    file.seek(offset)
    return file.read()


@attrs.define
class End:
    """Where a journal ends, and all a writer needs to go on from there."""

    path: str  # "" for an empty directory
    offset: int
    kind: str  # records.CLEAN or TORN
    why: str
    chain: int
    next_seq: int
    next_event_seq: int
    venue_id: int
    rules_version: int


class JournalReader:
    """Iterates over (path, offset, Record) from the segment that holds `from_seq` to the end; then `end` is set.

    Records before from_seq in that first segment are read and checked, but not given. Holds one segment in memory.
    A core may be writing meanwhile: the end is then somewhere near the newest record, and torn where a write was under
    way. Raises JournalCorrupt with file and offset at the first byte that no core wrote, at a missing segment, and
    where `from_seq` is older than what is kept.
    """

    def __init__(self, directory, from_seq=1):
        self.directory = str(directory)
        self.from_seq = from_seq
        self.end = None

    def __iter__(self):
        paths = segment_paths(self.directory)
        if not paths:
            if self.from_seq > 1:
                raise JournalCorrupt(self.directory, 0, "no segment, but commands from %d are needed" % self.from_seq)
            self.end = End("", 0, CLEAN, "no segment", 0, 1, 1, 0, 0)
            return
        paths = self._from_first_segment(paths)
        previous = None
        chain = seq = event_seq = 0
        for path in paths:
            header = read_header(path)
            if previous is None:
                chain, seq, event_seq = header.chain, header.first_seq, header.first_event_seq
            self._check_header(path, header, previous or header, seq, event_seq, chain)
            previous = header
            with open(path, "rb") as file:
                base = 0  # where in the file the buffer starts
                buffer = file.read()
                offset = SEGMENT_HEADER_BYTES
                while True:
                    found = read_record(buffer, offset - base, chain)
                    if found is None:
                        # A core may be writing: what was read first can be older than what was read last. Reading
                        # again shows at least all that stood there when the first reading was done.
                        base = offset // SECTOR_BYTES * SECTOR_BYTES
                        latest = _read_from(file, base)
                        if buffer[len(buffer) - len(latest) :] != latest:
                            buffer = latest
                            continue
                        buffer = latest
                        break
                    record, next_position, chain = found
                    if record.first_seq != seq or record.first_event_seq != event_seq:
                        raise JournalCorrupt(
                            path, offset, "command %d stands where %d should" % (record.first_seq, seq)
                        )
                    seq, event_seq = record.next_seq, record.next_event_seq
                    if seq > self.from_seq:
                        yield path, offset, record
                    offset = base + next_position
            kind, why = classify_end(buffer, offset - base)
            if kind == CORRUPT or (kind == TORN and path != paths[-1]):
                raise JournalCorrupt(path, offset, why)
        self.end = End(path, offset, kind, why, chain, seq, event_seq, header.venue_id, header.rules_version)

    def _from_first_segment(self, paths):
        """-> the paths from the one that holds from_seq; by name, so that a damaged header is met in its turn."""
        older = [index for index, path in enumerate(paths) if first_seq_of(path) <= self.from_seq]
        if not older:
            raise JournalCorrupt(
                paths[0], 0, "starts at command %d; %d is no longer kept" % (first_seq_of(paths[0]), self.from_seq)
            )
        return paths[older[-1] :]

    def _check_header(self, path, header, previous, seq, event_seq, chain):
        if (header.venue_id, header.rules_version) != (previous.venue_id, previous.rules_version):
            raise JournalCorrupt(path, 0, "belongs to another venue or other rules")
        if header.first_seq != seq:
            raise JournalCorrupt(
                path, 0, "starts at command %d, but %d is next: a segment is missing" % (header.first_seq, seq)
            )
        if header.first_event_seq != event_seq or header.chain != chain:
            raise JournalCorrupt(path, 0, "does not continue the segment before it")
        if segment_path(self.directory, seq) != path:
            raise JournalCorrupt(path, 0, "is misnamed: it starts at command %d" % seq)


class RecordCursor:
    """Walks a journal that is being written, record by record, from the segment at `path`. Trusts what it reads:
    for the core, which wrote it. Holds one record in memory; close() it."""

    def __init__(self, path, offset=SEGMENT_HEADER_BYTES):
        header = read_header(path)
        self._file = open(path, "rb", buffering=0)  # a buffer would keep the zeros that stood where a record is now
        self._offset = offset
        self.bytes_read = 0  # of all records given
        self._next_seq = header.first_seq
        #: the event after the last one given: where next() gives None before the end, segments were pruned meanwhile
        self.next_event_seq = header.first_event_seq
        self._directory = os.path.dirname(path)

    def next(self):
        """-> the next Record, or None at the end of what is written."""
        while True:
            self._file.seek(self._offset)
            header = self._file.read(RECORD_HEADER_BYTES)
            size = record_size_at(header, 0)
            if size:
                self._file.seek(self._offset)
                data = self._file.read(size)
                record, _, _ = read_record(data, 0, None)
                self._offset += size
                self.bytes_read += size
                self._next_seq = record.next_seq
                self.next_event_seq = record.next_event_seq
                return record
            following = segment_path(self._directory, self._next_seq)
            if following == self._file.name:
                return None
            try:
                file = open(following, "rb", buffering=0)
            except FileNotFoundError:
                return None
            self.close()
            self._file = file
            self._offset = SEGMENT_HEADER_BYTES

    def close(self):
        self._file.close()
