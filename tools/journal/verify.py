"""`tools journal verify`: every checksum, the chain, the sequence, and every command decided again and compared.

Snapshots on the way are compared with the state they stand for. Where something is wrong, says where, what is still
whole, and what may help.
"""

import os

import attrs

from engine.exchange import Exchange
from engine.sequencer import Divergence, Sequencer
from engine.snapshot import state_hash
from engine.snapshots import SnapshotDamaged, read_snapshot, snapshot_paths
from protocol.errors import JournalCorrupt
from protocol.journal import JournalReader, first_seq_of, segment_paths
from tools.console import print_json, progress
from tools.journal import advice
from tools.journal.state import check_rules


@attrs.define
class Report:
    directory: str
    ok: bool = True
    first_seq: int = 0
    last_seq: int = 0  # last command proven intact
    last_event_seq: int = 0
    decided_from_seq: int = 0  # first command that was decided again; 0: none
    end: str = ""
    snapshots: list = attrs.field(factory=list)
    problems: list = attrs.field(factory=list)  # {"text", "path", "offset", "seq"}
    help: list = attrs.field(factory=list)

    def problem(self, text, path="", offset=0, seq=0):
        self.ok = False
        self.problems.append({"text": text, "path": str(path), "offset": offset, "seq": seq})


def run(arguments):
    report = verify(arguments.directory)
    if arguments.json:
        print_json(attrs.asdict(report), indent=1)
    else:
        _print(report)
    return 0 if report.ok else 1


def verify(directory):
    """-> Report. Raises Failed where there is no journal or it was made under other rules, OSError."""
    check_rules(directory)
    report = Report(directory)
    paths = segment_paths(directory)
    report.first_seq = first_seq_of(paths[0])
    report.last_seq = report.first_seq - 1
    snapshots = _read_snapshots(directory, report)
    with progress("verifying", sum(os.path.getsize(path) for path in paths)) as advance:
        try:
            _walk(directory, report, snapshots, advance)
        except JournalCorrupt as error:
            report.problem(error.text, error.path, error.offset, report.last_seq + 1)
            report.help = advice.with_damage(directory, report)
    for snapshot in snapshots:
        if report.ok and snapshot.state == "unseen":
            snapshot.state = "wrong"
            where = "after the journal's end" if snapshot.seq > report.last_seq else "at no end of a record"
            report.problem("the snapshot at command %d stands %s" % (snapshot.seq, where), snapshot.path)
    report.snapshots = [attrs.asdict(snapshot) for snapshot in snapshots]
    if report.problems and not report.help:
        report.help = advice.with_snapshots(directory, report)
    return report


@attrs.define
class _Snapshot:
    path: str
    seq: int = 0
    event_seq: int = 0
    state_hash: str = ""
    state: str = "unseen"  # then "good", "wrong", "damaged", or "before the journal"


def _read_snapshots(directory, report):
    """-> [_Snapshot, ...] oldest first, the damaged ones reported."""
    found = []
    for path in reversed(snapshot_paths(directory)):
        entry = _Snapshot(path)
        found.append(entry)
        try:
            snapshot = read_snapshot(path)
        except SnapshotDamaged as error:
            entry.state = "damaged"
            report.problem(str(error), path)
            continue
        entry.seq, entry.event_seq = snapshot.seq, snapshot.event_seq
        entry.state_hash = state_hash(snapshot.exchange)
        if snapshot.seq < report.first_seq - 1:
            entry.state = "before the journal"
    return found


def _beginning(report, snapshots):
    """-> a Sequencer at the state the first records are applied to, or None where there is none."""
    if report.first_seq == 1:
        return Sequencer(Exchange(), None)
    for entry in snapshots:
        if entry.state == "unseen":
            snapshot = read_snapshot(entry.path)
            entry.state = "good"
            return Sequencer(snapshot.exchange, None, snapshot.event_seq + 1)
    report.problem(
        "the journal starts at command %d and no good snapshot goes with it: only its bytes can be checked, and no "
        "core can start from it" % report.first_seq
    )
    return None


def _walk(directory, report, snapshots, advance):
    """Read everything, decide again what has a beginning. Raises JournalCorrupt."""
    sequencer = _beginning(report, snapshots)
    if sequencer is not None:
        report.decided_from_seq = sequencer.exchange.seq + 1
        _compare_snapshots(sequencer, snapshots, report)
    done, walked = 0, ""
    reader = JournalReader(directory, report.first_seq)
    for path, offset, record in reader:
        if path != walked:
            done += os.path.getsize(walked) if walked else 0
            walked = path
        if sequencer is not None and record.first_seq > sequencer.exchange.seq:
            if record.first_seq != sequencer.exchange.seq + 1:
                raise JournalCorrupt(path, offset, "a snapshot ends inside this record")
            try:
                sequencer.replay(record)
            except Divergence as error:
                report.problem("decided otherwise: %s" % error, path, offset, error.seq)
                report.help = advice.with_divergence(directory, error.seq)
                return
            _compare_snapshots(sequencer, snapshots, report)
        report.last_seq, report.last_event_seq = record.next_seq - 1, record.next_event_seq - 1
        advance(done + offset)
    report.end = "%s: %s" % (reader.end.kind, reader.end.why)


def _compare_snapshots(sequencer, snapshots, report):
    for entry in snapshots:
        if entry.state == "unseen" and entry.seq == sequencer.exchange.seq:
            entry.state = "good"
            if (entry.event_seq, entry.state_hash) != (sequencer.event_seq, state_hash(sequencer.exchange)):
                entry.state = "wrong"
                report.problem(
                    "the snapshot at command %d holds another state than the journal" % entry.seq, entry.path
                )


def _print(report):
    print("commands %d to %d, events to %d" % (report.first_seq, report.last_seq, report.last_event_seq))
    if report.decided_from_seq:
        print("decided again from command %d" % report.decided_from_seq)
    for entry in report.snapshots:
        print("snapshot at command %d: %s" % (entry["seq"], entry["state"]))
    if report.end:
        print("end %s" % report.end)
    for problem in report.problems:
        place = " (%(path)s at byte %(offset)d)" % problem if problem["path"] else ""
        print("PROBLEM%s: %s%s" % (" at command %(seq)d" % problem if problem["seq"] else "", problem["text"], place))
    for line in report.help:
        print("- %s" % line)
    print("OK" if report.ok else "NOT OK")
