"""The exchange as it was after a command: newest usable snapshot, then the records after it, each compared."""

import attrs

from engine.exchange import RULES_VERSION, Exchange
from engine.sequencer import Divergence, Sequencer
from engine.snapshots import newest_snapshot
from protocol.errors import JournalCorrupt
from protocol.journal import JournalReader, first_seq_of, read_header, segment_paths
from tools.console import Failed


@attrs.define
class State:
    sequencer: Sequencer
    venue_id: int
    snapshot_seq: int  # 0: from the first command
    last_path: str  # segment of the last record seen; "" for none
    is_last_left: bool  # a record was left out because it may not be durable

    @property
    def exchange(self):
        return self.sequencer.exchange


def state_at(directory, seq=None, leave_last=None, advance=None):
    """-> State after command `seq`, which may lie inside a record; None: after the newest.

    `leave_last()`, asked at the end, True: leave out the newest record. `advance(seq)` is called after each record.
    Raises JournalCorrupt, and Failed where the command is not there or decides otherwise than it did.
    """
    check_rules(directory)
    found = newest_snapshot(directory, seq)
    if found is not None:
        sequencer = Sequencer(found.exchange, _no_clock, found.event_seq + 1)
        sequencer.time_ns = found.time_ns
    else:
        sequencer = Sequencer(Exchange(), _no_clock)
        _check_beginning(directory, seq)
    snapshot_seq = sequencer.exchange.seq
    state = State(sequencer, found.venue_id if found is not None else 0, snapshot_seq, "", False)
    if seq is not None and seq == snapshot_seq:
        return state
    held = None  # (path, offset, record) read and not yet applied
    reader = JournalReader(directory, snapshot_seq + 1)
    for path, offset, record in reader:
        if held is not None:
            _apply(state, *held)
            if advance is not None:
                advance(sequencer.exchange.seq)
        held = (path, offset, record)
        if seq is not None and record.next_seq > seq:
            break
    if seq is None and held is not None and leave_last is not None and leave_last():
        state.is_last_left = True
    elif held is not None:
        _apply(state, *held, seq)
    if seq is not None and sequencer.exchange.seq < seq:
        raise Failed("the journal ends at command %d; there is no command %d" % (sequencer.exchange.seq, seq))
    if reader.end is not None and reader.end.next_seq <= snapshot_seq:
        text = "ends at command %d, before the snapshot at %d" % (reader.end.next_seq - 1, snapshot_seq)
        raise JournalCorrupt(reader.end.path, reader.end.offset, text)
    return state


def check_rules(directory):
    """Raises Failed where the journal was made under other rules than this engine's."""
    paths = segment_paths(directory)
    if not paths:
        raise Failed("%s holds no journal" % directory)
    rules = read_header(paths[-1]).rules_version
    if rules != RULES_VERSION:
        text = "the journal was made under rules %d; this version has %d: use the one that wrote it"
        raise Failed(text % (rules, RULES_VERSION))


def _check_beginning(directory, seq):
    first = first_seq_of(segment_paths(directory)[0])
    if first > 1:
        text = "the journal starts at command %d, and there is no usable snapshot%s to start from"
        raise Failed(text % (first, "" if seq is None else " at or before command %d" % seq))


def _apply(state, path, offset, record, seq=None):
    """Apply a record, or the part of it up to command `seq`."""
    sequencer = state.sequencer
    if record.first_seq != sequencer.exchange.seq + 1:
        raise JournalCorrupt(path, offset, "the snapshot at command %d ends inside this record" % state.snapshot_seq)
    state.last_path = path
    if seq is not None and seq < record.next_seq - 1:
        sequencer.time_ns = record.time_ns
        for _ in sequencer.apply_record(record):
            if sequencer.exchange.seq == seq:
                return
    try:
        sequencer.replay(record)
    except Divergence as error:
        raise Failed("%s at byte %d: %s" % (path, offset, error)) from None


def _no_clock():
    raise AssertionError("a replay takes its times from the journal")
