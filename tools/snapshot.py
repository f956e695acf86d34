"""`tools snapshot`: a replica that reads a journal, of a running core too, and writes a snapshot beside it.

A snapshot never stands ahead of what is surely on the disk: of a running core's journal the newest record is left out
until a later one proves that it was synced, and the segment is synced before the snapshot is written.
"""

import os
import time

from engine.disk import Disk
from engine.snapshot import state_hash
from engine.snapshots import write_snapshot
from protocol.errors import JournalCorrupt
from protocol.journal import read_header
from tools.console import Failed, note, print_json, progress
from tools.journal.lock import is_core_running
from tools.journal.state import state_at


def add_arguments(parser):
    parser.add_argument("directory", metavar="DIR", help="the journal's directory, such as run/journal")
    parser.add_argument("--json", action="store_true", help="JSON instead of text")


def run(arguments):
    try:
        result = take_snapshot(arguments.directory)
    except JournalCorrupt as error:
        note("tools snapshot: %s" % error)
        note("`python -m tools journal verify %s` says what may help" % arguments.directory)
        return 1
    except (Failed, OSError) as error:
        note("tools snapshot: %s" % error)
        return 1
    if arguments.json:
        print_json(result)
    elif result["path"]:
        print("%(path)s: command %(seq)d, %(bytes)d bytes, %(seconds).2f s, %(replayed)d commands replayed" % result)
        print("state hash %(state_hash)s" % result)
    else:
        print("nothing new since the snapshot at command %(seq)d" % result)
    return 0


def take_snapshot(directory):
    """Write a snapshot of the newest durable state -> what was done, as plain values; path "" where nothing is new.

    Raises Failed, JournalCorrupt, OSError.
    """
    started_s = time.perf_counter()
    with progress("replaying", None) as advance:
        state = state_at(directory, leave_last=lambda: is_core_running(directory), advance=advance)
    exchange = state.exchange
    replayed = exchange.seq - state.snapshot_seq
    path = ""
    if replayed:
        disk = Disk()
        fd = os.open(state.last_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        venue_id = read_header(state.last_path).venue_id
        path = write_snapshot(directory, disk, venue_id, exchange, state.sequencer.event_seq, state.sequencer.time_ns)
    return {
        "path": path,
        "seq": exchange.seq,
        "event_seq": state.sequencer.event_seq,
        "state_hash": state_hash(exchange),
        "bytes": os.path.getsize(path) if path else 0,
        "replayed": replayed,
        "seconds": round(time.perf_counter() - started_s, 3),
    }
