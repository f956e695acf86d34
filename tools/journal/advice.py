"""What may help an operator whose journal or snapshots `tools journal verify` found to be wrong: lines of text."""

from engine import recovery
from engine.sequencer import Divergence
from engine.snapshots import newest_snapshot
from protocol.errors import JournalCorrupt
from protocol.journal import JournalReader


def with_damage(directory, report):
    """Bytes of the journal are wrong after command report.last_seq."""
    seq = report.last_seq
    tools = "`python -m tools journal"
    lines = [
        "Commands %d to %d are whole. Copy the directory before anything else." % (report.first_seq, seq),
        "Where a copy of the damaged file exists (a backup, a standby), put it back and verify again.",
        "%s replay %s --stop-at %d` shows the books as they were before the damage." % (tools, directory, seq),
    ]
    try:
        recovered = recovery.recover(directory, None, 1024)
    except (JournalCorrupt, Divergence):
        lines.append("A core does not start from this journal.")
        lines.append(_cut(directory))
    else:
        lines.append(
            "A core does start: it needs only what follows its snapshot at command %d, and that is whole. What is lost "
            "is history: %s prune %s` removes it." % (recovered.snapshot_seq, tools, directory)
        )
    return lines


def _cut(directory):
    """After the last command that can be kept: from the newest snapshot on, as far as the records are whole."""
    newest = newest_snapshot(directory)
    last_seq = newest.seq if newest is not None else 0
    try:
        for _, _, record in JournalReader(directory, last_seq + 1):
            last_seq = record.next_seq - 1
    except JournalCorrupt:
        pass
    return (
        "`python -m tools journal truncate %s --at-seq %d` keeps what all commands up to that one did, and lays the "
        "rest aside. Commands after it were acknowledged and will not have happened: tell the clients."
        % (directory, last_seq)
    )


def with_snapshots(directory, report):
    """The journal is whole, snapshots are not."""
    lines = []
    newest = newest_snapshot(directory)
    if newest is not None and newest.seq > report.last_seq:
        lines.append("The end of the journal is lost: put back the segments that are missing. Where there are none:")
        lines.append(_cut(directory))
    elif report.decided_from_seq:
        lines.append(
            "The journal is whole. Remove the snapshots that are not good; `python -m tools snapshot %s` writes a new "
            "one." % directory
        )
    else:
        lines.append("Put back a good snapshot, or the segments from command 1.")
    return lines


def with_divergence(directory, seq):
    tools = "`python -m tools journal"
    return [
        "The bytes are as they were written, but this engine decides otherwise than the one that wrote them: another "
        "version, a broken installation, or failing memory. Use the version that wrote the journal.",
        "%s dump %s --from-seq %d --to-seq %d` shows the command and its events." % (tools, directory, seq, seq),
        "%s replay %s --stop-at %d` shows the books just before it." % (tools, directory, seq - 1),
        "Where no version agrees with the journal, report it, with the journal.",
    ]
