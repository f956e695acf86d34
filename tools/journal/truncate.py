"""`tools journal truncate`: cut a journal after an intact command, for a core to start from. Destroys nothing: what is
cut off, and every snapshot after it, goes to a folder beside. The commands in it were acknowledged; they are undone."""

import os
import shutil
import time

import attrs

from engine.disk import Disk
from engine.journal import JournalLocked, lock_directory
from engine.snapshots import SUFFIX, newest_snapshot, snapshot_paths
from protocol.errors import JournalCorrupt
from protocol.journal import JournalReader, first_seq_of, segment_paths
from protocol.records import RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, record_size_at
from tools.console import Failed, note, print_json

EXIT_USAGE = 2


@attrs.define
class Plan:
    at_seq: int
    path: str  # the segment to cut
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
            cut(plan, aside, disk)
    finally:
        disk.close(lock)
    if arguments.json:
        print_json(dict(attrs.asdict(plan), aside=aside, done=arguments.yes))
    else:
        print("%s after command %d, at byte %d" % (plan.path, plan.at_seq, plan.offset))
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
    if not paths:
        raise Failed("%s holds no journal" % directory)
    found = newest_snapshot(directory, at_seq)
    first_seq = first_seq_of(paths[0])
    if first_seq > (found.seq if found is not None else 0) + 1:
        raise Failed("no state is left to start from: the journal starts at command %d, without a snapshot" % first_seq)
    path, offset, why = _place_after(directory, paths, at_seq)
    moved = [path for path in snapshot_paths(directory) if int(os.path.basename(path)[: -len(SUFFIX)]) > at_seq]
    moved += reversed(paths[paths.index(path) + 1 :])
    with open(path, "rb") as file:
        file.seek(offset)
        if not moved and not file.read().strip(b"\0"):
            raise Failed("nothing stands after command %d" % at_seq)
    return Plan(at_seq, path, offset, moved, why)


def _place_after(directory, paths, at_seq):
    """-> (segment, offset, what stopped the reading or "") where the record that ends with command at_seq is over."""
    last_seq, path, start = first_seq_of(paths[0]) - 1, paths[0], None
    why = "a record holds the commands on both sides, and it is whole or not"
    reader = JournalReader(directory, last_seq + 1)
    try:
        for following_path, following, record in reader:
            if record.next_seq - 1 > at_seq:
                break
            last_seq, path, start = record.next_seq - 1, following_path, following
        else:
            why = "it ends there"
    except JournalCorrupt as error:
        why = str(error)
    if last_seq != at_seq:
        raise Failed("the journal can be cut after command %d, not after %d: %s" % (last_seq, at_seq, why))
    if start is None:
        return path, SEGMENT_HEADER_BYTES, why
    with open(path, "rb") as file:
        file.seek(start)
        return path, start + record_size_at(file.read(RECORD_HEADER_BYTES), 0), why


def cut(plan, aside, disk):
    """Do what was planned. The journal is whole or damaged as before at every moment; it can be done again."""
    directory = os.path.dirname(plan.path)
    os.makedirs(aside)
    copy = os.path.join(aside, os.path.basename(plan.path))
    shutil.copyfile(plan.path, copy)
    fd = disk.open(copy)
    try:
        os.fsync(fd)
    finally:
        disk.close(fd)
    disk.sync_directory(aside)
    disk.sync_directory(directory)
    for path in plan.moved:
        disk.rename(path, os.path.join(aside, os.path.basename(path)))
        disk.sync_directory(directory)
    fd = disk.open(plan.path)
    try:
        disk.zero(fd, plan.offset, os.path.getsize(plan.path))
    finally:
        disk.close(fd)
