"""What may help an operator whose journal or snapshots `tools journal verify` found to be wrong: lines of text."""

from engine import recovery
from engine.sequencer import Divergence
from protocol.errors import JournalCorrupt


def with_damage(directory, report):
    seq = report.last_seq
    tools = "`python -m tools journal"
    lines = ["Commands %d to %d are whole. Copy the directory before anything else." % (report.first_seq, seq)]
    try:
        recovered = recovery.recover(directory, None, 1024)
    except (JournalCorrupt, Divergence):
        lines.append("A core does not start from this journal.")
    else:
        lines.append(
            "A core does start: it needs only what follows its snapshot at command %d, and that is whole. What is lost "
            "is history: %s prune %s` removes it." % (recovered.snapshot_seq, tools, directory)
        )
    lines.append("Where a copy of the damaged file exists (a backup, a standby), put it back and verify again.")
    lines.append("%s replay %s --stop-at %d` shows the books as they were before the damage." % (tools, directory, seq))
    lines.append(
        "%s truncate %s --at-seq %d` cuts what comes after, and keeps it aside. Commands after %d were acknowledged to "
        "clients and will not have happened: tell them." % (tools, directory, seq, seq)
    )
    return lines


def with_snapshots(directory, report):
    """The journal is whole, snapshots are not."""
    lines = []
    if any(entry["seq"] > report.last_seq for entry in report.snapshots):
        lines.append(
            "The end of the journal is lost, and with it commands that were acknowledged: put back the segments that "
            "are missing. Where there are none, `python -m tools journal truncate %s --at-seq %d` lays the snapshot "
            "aside, and a core starts after command %d." % (directory, report.last_seq, report.last_seq)
        )
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
