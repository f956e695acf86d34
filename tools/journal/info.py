"""`tools journal info`: what is there, at a glance. Reads headers, and the newest segment only as a whole."""

import os

from engine.exchange import RULES_VERSION
from engine.snapshots import SnapshotDamaged, read_snapshot, snapshot_paths
from protocol.errors import JournalCorrupt
from protocol.journal import JournalReader, first_seq_of, read_header, segment_paths
from protocol.records import RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, read_record, record_size_at
from tools.console import Failed, print_json, table, utc
from tools.journal.lock import is_core_running

SUMMARY = ("directory", "venue_id", "rules_version", "first_seq", "last_seq", "last_event_seq", "last_time", "end")


def run(arguments):
    report = examine(arguments.directory)
    if arguments.json:
        print_json(report, indent=1)
    else:
        _print(report)
    return 1 if report["problem"] else 0


def examine(directory):
    """-> everything known about a journal directory, as a dict of plain values. Raises Failed, OSError."""
    paths = segment_paths(directory)
    if not paths:
        raise Failed("%s holds no journal" % directory)
    report = {"directory": directory, "core_running": is_core_running(directory), "problem": ""}
    report.update(venue_id=0, rules_version=0, engine_rules_version=RULES_VERSION)
    report.update(first_seq=0, last_seq=0, last_event_seq=0, last_time="-", end="unknown")
    report["snapshots"] = [_snapshot(path) for path in snapshot_paths(directory)]
    report["segments"] = []
    try:
        for path in paths:
            report["segments"].append(_segment(path))
        report["first_seq"] = first_seq_of(paths[0])
        _read_newest(report, paths[-1])
    except JournalCorrupt as error:
        report["problem"] = str(error)
    following = report["segments"][1:]
    for segment, after in zip(report["segments"], following):
        segment["last_seq"] = after["first_seq"] - 1
        segment["last_event_seq"] = after["first_event_seq"] - 1
    return report


def _segment(path):
    header = read_header(path)
    return {
        "file": os.path.basename(path),
        "first_seq": header.first_seq,
        "last_seq": 0,
        "first_event_seq": header.first_event_seq,
        "last_event_seq": 0,
        "first_time": utc(_first_time_ns(path)),
        "bytes": os.path.getsize(path),
    }


def _first_time_ns(path):
    with open(path, "rb") as file:
        file.seek(SEGMENT_HEADER_BYTES)
        data = file.read(RECORD_HEADER_BYTES)
        size = record_size_at(data, 0)
        found = read_record(data + file.read(size - RECORD_HEADER_BYTES), 0, None) if size else None
    return found[0].time_ns if found else 0


def _read_newest(report, path):
    """Prove the newest segment, which a core would go on from."""
    reader = JournalReader(os.path.dirname(path), first_seq_of(path))
    time_ns = 0
    for _, _, record in reader:
        time_ns = record.time_ns
    end = reader.end
    report.update(venue_id=end.venue_id, rules_version=end.rules_version, last_time=utc(time_ns))
    report.update(last_seq=end.next_seq - 1, last_event_seq=end.next_event_seq - 1, end="%s: %s" % (end.kind, end.why))
    report["segments"][-1].update(last_seq=end.next_seq - 1, last_event_seq=end.next_event_seq - 1)


def _snapshot(path):
    entry = {"file": os.path.basename(path), "bytes": os.path.getsize(path), "problem": ""}
    try:
        found = read_snapshot(path)
    except SnapshotDamaged as error:
        entry["problem"] = str(error)
    else:
        entry.update(seq=found.seq, event_seq=found.event_seq, time=utc(found.time_ns))
    return entry


def _print(report):
    for name in SUMMARY:
        print("%-15s %s" % (name.replace("_", " "), report[name]))
    print("%-15s %s" % ("core", "running on it" if report["core_running"] else "not running"))
    columns = ("file", "first_seq", "last_seq", "first_event_seq", "last_event_seq", "first_time", "bytes")
    _print_entries("segments", columns, report["segments"])
    _print_entries("snapshots", ("file", "seq", "event_seq", "time", "bytes", "problem"), report["snapshots"])
    if report["problem"]:
        print("\nPROBLEM: %s" % report["problem"])


def _print_entries(title, columns, entries):
    print("\n%d %s" % (len(entries), title if len(entries) != 1 else title[:-1]))
    if entries:
        rows = [[entry.get(column, "-") for column in columns] for entry in entries]
        print("\n".join(table([column.replace("_", " ") for column in columns], rows)))
