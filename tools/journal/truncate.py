"""`tools journal truncate`: cut a journal after an intact command, for a core to start from. Destroys nothing: what is
cut off, and every snapshot after it, goes to a folder beside. The commands in it were acknowledged; they are undone.

Where the journal is damaged before a good snapshot's command and a core needs the damaged part, it can be cut at the
snapshot: all segments go aside, and a new one begins after the snapshot. Then only history is lost.
"""

import os
import shutil
import time

import attrs

from engine.disk import Disk
from engine.exchange import RULES_VERSION
from engine.journal import JournalLocked, lock_directory
from engine.snapshots import SUFFIX, newest_snapshot, read_snapshot, snapshot_paths
from protocol.errors import JournalCorrupt
from protocol.journal import JournalReader, first_seq_of, segment_path, segment_paths
from protocol.records import RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader, record_size_at
from tools.console import Failed, note, print_json

EXIT_USAGE = 2


@attrs.define
class Plan:
    at_seq: int
    path: str  # the segment to cut; "": a new one begins after the snapshot at at_seq
    offset: int  # where its first byte to go stands
    moved: list  # files that go as a whole
    why: str  # what follows there


def run(arguments):
    if not os.path.isdir(arguments.directory):
        raise Failed("%s is no directory" % arguments.directory)
    disk = Disk()
    try:
        lock = lock_directory(disk, arguments.directory)
    except JournalLocked:
        raise Failed("a core is running on %s: stop it first" % arguments.directory) from None
    try:
        plan = planned(arguments.directory, arguments.at_seq)
        aside = os.path.join(arguments.directory, "cut-after-%d-%s" % (plan.at_seq, time.strftime("%Y%m%dT%H%M%S")))
        if arguments.yes:
            cut(plan, arguments.directory, aside, disk)
    finally:
        disk.close(lock)
    if arguments.json:
        print_json(dict(attrs.asdict(plan), aside=aside, done=arguments.yes))
    else:
        if plan.path:
            print("%s after command %d, at byte %d" % (plan.path, plan.at_seq, plan.offset))
        else:
            print("a new segment after the snapshot at command %d, for: %s" % (plan.at_seq, plan.why))
        for path in plan.moved:
            print("%s as a whole" % path)
        print("%s to %s" % ("cut off and kept aside:" if arguments.yes else "would be cut off and copied", aside))
    if not arguments.yes:
        note(
            "Nothing was changed. Commands after %d were acknowledged and will be undone: --yes does it." % plan.at_seq
        )
        return EXIT_USAGE
    return 0


def planned(directory, at_seq):
    """-> Plan. Reads only. Raises Failed where a core could not start from what would be left."""
    paths = segment_paths(directory)
    found = newest_snapshot(directory, at_seq)
    snapshot_seq = found.seq if found is not None else 0
    moved = [path for path in snapshot_paths(directory) if int(os.path.basename(path)[: -len(SUFFIX)]) > at_seq]
    kept = [path for path in paths if first_seq_of(path) <= snapshot_seq + 1]
    if kept:
        last_seq, path, offset, why = _place_after(directory, kept[-1], at_seq)
    else:
        last_seq, path, offset, why = -1, "", 0, "no segment goes with it"
    if last_seq != at_seq and found is not None and snapshot_seq == at_seq:
        return Plan(at_seq, "", 0, moved + paths[::-1], why)
    if not kept:
        raise Failed("no state is left to start from at or before command %d: %s" % (at_seq, why))
    if last_seq != at_seq:
        raise Failed("the journal can be cut after command %d, not after %d: %s" % (last_seq, at_seq, why))
    moved += reversed(paths[paths.index(path) + 1 :])
    with open(path, "rb") as file:
        file.seek(offset)
        if not moved and not file.read().strip(b"\0"):
            raise Failed("nothing stands after command %d" % at_seq)
    return Plan(at_seq, path, offset, moved, why)


def _place_after(directory, path, at_seq):
    """Read from a segment on -> (last command at or before at_seq that ends a record, the segment and offset where that
    record is over, what follows)."""
    last_seq, start = first_seq_of(path) - 1, None
    why = "a record holds the commands on both sides, and it is whole or not"
    try:
        for following_path, following, record in JournalReader(directory, last_seq + 1):
            if record.next_seq - 1 > at_seq:
                break
            last_seq, path, start = record.next_seq - 1, following_path, following
        else:
            why = "it ends there"
    except JournalCorrupt as error:
        why = str(error)
    if start is None:
        return last_seq, path, SEGMENT_HEADER_BYTES, why
    with open(path, "rb") as file:
        file.seek(start)
        return last_seq, path, start + record_size_at(file.read(RECORD_HEADER_BYTES), 0), why


def cut(plan, directory, aside, disk):
    """Do what was planned. At every moment all that was there is there or in `aside`; it can be done again."""
    os.makedirs(aside)
    beginning = os.path.join(aside, "beginning")
    if plan.path:
        copy = os.path.join(aside, os.path.basename(plan.path))
        shutil.copyfile(plan.path, copy)
        _sync(copy, disk)
    else:
        _write_beginning(beginning, read_snapshot(os.path.join(directory, "%020d%s" % (plan.at_seq, SUFFIX))))
        _sync(beginning, disk)
    disk.sync_directory(aside)
    disk.sync_directory(directory)
    for path in plan.moved:
        disk.rename(path, os.path.join(aside, os.path.basename(path)))
        disk.sync_directory(directory)
    if not plan.path:
        disk.rename(beginning, segment_path(directory, plan.at_seq + 1))
        return
    fd = disk.open(plan.path)
    try:
        disk.zero(fd, plan.offset, os.path.getsize(plan.path))
    finally:
        disk.close(fd)


def _write_beginning(path, snapshot):
    """A segment without records, that goes on after a snapshot."""
    header = SegmentHeader(RULES_VERSION, snapshot.venue_id, snapshot.seq + 1, snapshot.event_seq + 1, 0)
    with open(path, "wb") as file:
        file.write(header.pack())


def _sync(path, disk):
    fd = disk.open(path)
    try:
        os.fsync(fd)
    finally:
        disk.close(fd)
