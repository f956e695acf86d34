"""The journal's files as their one writer sees them: append, sync, rotate, and the lock that keeps it the only one.

Segments are zeroed before use, the next one by a thread while the current one fills: a write never needs space, so a
full disk is met here, before a command is taken, and never between a decision and its record.
"""

import bisect
import logging
import os
import threading

from engine.pieces import pieces
from protocol.journal import RecordCursor, read_header, segment_path, segment_paths
from protocol.records import SEGMENT_HEADER_BYTES, TORN, SegmentHeader, pack_record

SEGMENT_BYTES = 64 << 20
ROOM_BYTES_MIN = 8 << 20  # below this, and without a next segment, no command is taken (a quarter of small segments)
ZEROING_PAUSE_SECONDS = 0.02  # between pieces of disk.ZERO_BYTES, until half of the current segment is full
LOCK_NAME = "lock"
SPARE_NAME = "next.spare"
INDEX_STEP_BYTES = 1 << 20  # journal between two entries of the index

log = logging.getLogger(__name__)


class JournalLocked(Exception):
    """Another process holds the journal directory."""


def lock_directory(disk, directory):
    """-> descriptor holding the lock; raises JournalLocked."""
    try:
        return disk.lock(os.path.join(directory, LOCK_NAME))
    except BlockingIOError:
        raise JournalLocked("%s is in use by another core" % directory) from None


class Journal:
    """Appends records after `end` (protocol.journal.End). Any OSError of append and sync means: stop the process."""

    def __init__(self, directory, disk, end, venue_id, rules_version, segment_bytes=SEGMENT_BYTES, is_zeroed=True):
        """`is_zeroed`: write zeros to a segment before use, which makes a sync later nearly twice as quick; else its
        space is only reserved, which costs nothing."""
        self.directory = str(directory)
        self.disk = disk
        self.venue_id = venue_id
        self.rules_version = rules_version
        self.segment_bytes = segment_bytes
        self._reserve = disk.zero if is_zeroed else disk.allocate
        self.room_bytes_min = min(ROOM_BYTES_MIN, segment_bytes // 4)
        self.next_seq = end.next_seq
        self.next_event_seq = end.next_event_seq
        self.chain = end.chain
        self.segments_made = 0
        self._lock = threading.Lock()  # sync() may run beside the loop, while _fd is exchanged
        self._index = []  # (first event seq, path, offset) of a record about every INDEX_STEP_BYTES
        self._indexed_offset = -INDEX_STEP_BYTES
        self._fd = -1
        self._spare = os.path.join(self.directory, SPARE_NAME)
        self._spare_fd = -1
        self._spare_error = None
        self._thread = None
        self._hurry = threading.Event()  # set: the next segment will soon be needed
        if os.path.exists(self._spare):
            disk.remove(self._spare)
        if end.path and end.rules_version == rules_version:
            self._continue(end)
        else:
            self._hurry.set()
            self._prepare_spare(self.segment_bytes)
            self._raise_spare_error()
            self._start_segment()
        self._prepare_soon()

    def _continue(self, end):
        self.path = end.path
        self._fd = self.disk.open(end.path)
        size = os.path.getsize(end.path)
        if end.kind == TORN:
            log.warning("dropped a torn last write at byte %d of %s: %s", end.offset, end.path, end.why)
        if end.kind == TORN or size < self.segment_bytes:
            self.disk.zero(self._fd, end.offset, max(size, self.segment_bytes))
            size = max(size, self.segment_bytes)
        self.position = end.offset
        self.size = size

    # --- writing -----------------------------------------------------------------------------------------------------

    def append(self, record):
        """Write a record after the last one, on the disk only after sync(). -> its size in bytes. Raises OSError."""
        assert record.first_seq == self.next_seq and record.first_event_seq == self.next_event_seq
        parts, chain = pack_record(record, self.chain)
        size = sum(map(len, parts))
        if self.position + size > self.size:
            self._rotate(size)
        if self.position - self._indexed_offset >= INDEX_STEP_BYTES:
            self._index.append((record.first_event_seq, self.path, self.position))
            self._indexed_offset = self.position
        for piece in pieces(parts):
            self.disk.write(self._fd, piece, self.position)
            self.position += len(piece)
        if self.position > self.size // 2:
            self._hurry.set()
        self.chain = chain
        self.next_seq = record.next_seq
        self.next_event_seq = record.next_event_seq
        return size

    def sync(self):
        """Return once every appended record is on the disk. Raises OSError: what is there then is unknown. Another
        thread than the one that appends may call it."""
        with self._lock:
            self.disk.sync(self._fd)

    def has_room(self):
        """False where the disk is full: no more commands may be taken. Tries again to get space."""
        if self.size - self.position >= self.room_bytes_min:
            return True
        self._wait_for_spare()
        if self._spare_fd < 0:
            self._prepare_soon()
            self._wait_for_spare()
        return self._spare_fd >= 0

    def close(self):
        """Sync and let go of the files; the lock is the caller's."""
        self._wait_for_spare()
        self.sync()
        self.disk.close(self._fd)
        if self._spare_fd >= 0:
            self.disk.close(self._spare_fd)
            self.disk.remove(self._spare)

    def cursor_after(self, event_seq):
        """-> RecordCursor from a record at or before the first event after event_seq, or None where the journal no
        longer holds it. The caller passes over what is before."""
        place = bisect.bisect_right(self._index, (event_seq + 1, "\x7f", 0)) - 1
        try:
            if place >= 0:
                _, path, offset = self._index[place]
                return RecordCursor(path, offset)
            for path in reversed(segment_paths(self.directory)):
                if read_header(path).first_event_seq <= event_seq + 1:
                    return RecordCursor(path)
        except FileNotFoundError:  # pruned, perhaps this very moment
            return None
        return None

    # --- segments ----------------------------------------------------------------------------------------------------

    def _rotate(self, record_bytes):
        """Start the next segment; one of its own size where the record is larger than a segment."""
        self.sync()
        self._wait_for_spare()
        needed = SEGMENT_HEADER_BYTES + record_bytes
        if self._spare_fd < 0 or needed > self.segment_bytes:
            self._discard_spare()
            self._hurry.set()
            self._prepare_spare(max(needed, self.segment_bytes))
            self._raise_spare_error()
        with self._lock:
            self.disk.close(self._fd)
            self._start_segment()
        self._prepare_soon()

    def _start_segment(self):
        header = SegmentHeader(self.rules_version, self.venue_id, self.next_seq, self.next_event_seq, self.chain)
        self._fd, self._spare_fd = self._spare_fd, -1
        self.disk.write(self._fd, header.pack(), 0)
        self.disk.sync(self._fd)
        self.path = segment_path(self.directory, self.next_seq)
        self.disk.rename(self._spare, self.path)
        self.position = SEGMENT_HEADER_BYTES
        self._indexed_offset = -INDEX_STEP_BYTES
        self.size = self._spare_size
        self.segments_made += 1

    def _wait_for_spare(self):
        if self._thread is not None:
            self._hurry.set()
            self._thread.join()

    def _prepare_soon(self):
        self._hurry.clear()
        self._thread = threading.Thread(target=self._prepare_spare, args=(self.segment_bytes,), daemon=True)
        self._thread.start()

    def _prepare_spare(self, size):
        fd = -1
        try:
            fd = self.disk.open(self._spare)
            self._reserve(fd, 0, size, self._give_way)
        except OSError as error:
            self._spare_error = error
            if fd >= 0:
                self.disk.close(fd)
                self.disk.remove(self._spare)
            return
        self._spare_error = None
        self._spare_size = size
        self._spare_fd = fd

    def _give_way(self):
        """Between two pieces of zeros: the disk is for the journal, while the spare is in no hurry. -> False in one."""
        return not self._hurry.wait(ZEROING_PAUSE_SECONDS)

    def _discard_spare(self):
        if self._spare_fd >= 0:
            self.disk.close(self._spare_fd)
            self.disk.remove(self._spare)
            self._spare_fd = -1

    def _raise_spare_error(self):
        if self._spare_error is not None:
            raise self._spare_error
