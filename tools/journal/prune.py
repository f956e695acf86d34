"""`tools journal prune`: remove segments that lie wholly before the newest good snapshot. Also under a running core,
which never goes back to them; a session that would resume from there is refused with RESUME_UNAVAILABLE."""

import os

from engine.disk import Disk
from engine.snapshots import newest_snapshot
from protocol.errors import JournalCorrupt
from protocol.journal import first_seq_of, read_header, segment_paths
from tools.console import Failed, print_json


def run(arguments):
    snapshot_seq, paths = prunable(arguments.directory, arguments.keep_from_seq)
    sizes = [os.path.getsize(path) for path in paths]
    if not arguments.dry_run:
        remove(paths, arguments.directory)
    if arguments.json:
        result = {"snapshot_seq": snapshot_seq, "dry_run": arguments.dry_run, "bytes": sum(sizes)}
        print_json(dict(result, files=[os.path.basename(path) for path in paths]))
        return 0
    for path in paths:
        print("%s %s" % ("would remove" if arguments.dry_run else "removed", path))
    kept = "from command %d" % arguments.keep_from_seq if arguments.keep_from_seq else "all it needs"
    print(
        "%d segments, %d bytes; newest good snapshot: command %d; kept: %s"
        % (len(paths), sum(sizes), snapshot_seq, kept)
    )
    return 0


def prunable(directory, keep_from_seq=None):
    """-> (seq of the newest good snapshot, [segment that may go, ...] oldest first). Raises Failed, JournalCorrupt.

    A segment may go when the one after it, whose header must be good, starts no later than the command after the
    snapshot, and no later than keep_from_seq. The newest segment never goes.
    """
    paths = segment_paths(directory)
    if not paths:
        raise Failed("%s holds no journal" % directory)
    found = newest_snapshot(directory)  # reads and checks it whole
    if found is None:
        raise Failed("%s has no good snapshot: make one first, `python -m tools snapshot %s`" % (directory, directory))
    needed_seq = found.seq + 1
    if keep_from_seq is not None:
        needed_seq = min(needed_seq, keep_from_seq)
    going = []
    for path, following in zip(paths, paths[1:]):
        if first_seq_of(following) > needed_seq:
            break
        header = read_header(following)
        if (header.first_seq, header.venue_id) != (first_seq_of(following), found.venue_id):
            raise JournalCorrupt(following, 0, "is not the venue's, or is misnamed: nothing is removed before it")
        going.append(path)
    return found.seq, going


def remove(paths, directory):
    """Oldest first, each durably before the next: what is left is whole at any moment."""
    disk = Disk()
    for path in paths:
        disk.remove(path)
        disk.sync_directory(directory)
