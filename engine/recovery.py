"""From a journal directory to the exchange it describes: newest good snapshot, then every record after it, compared."""

import attrs

from engine.exchange import RULES_VERSION, Exchange
from engine.sequencer import Divergence, Sequencer
from engine.snapshots import newest_snapshot
from protocol.errors import JournalCorrupt
from protocol.journal import End, JournalReader


@attrs.define
class Recovered:
    sequencer: Sequencer
    end: End
    venue_id: int  # 0: a new journal
    snapshot_seq: int  # 0: from the first command
    replayed: int  # commands


def recover(directory, now_ns, order_slots, progress=None):
    """-> Recovered. Reads only. `progress(commands replayed)` is called after each record.

    Raises JournalCorrupt, or Divergence where a command now gives other events than were journaled. Where the newest
    snapshot is damaged, the one before it serves; then the journal from its first command.
    """
    found = newest_snapshot(directory)
    if found is not None:
        sequencer = Sequencer(found.exchange, now_ns, found.event_seq + 1)
        sequencer.time_ns = found.time_ns
        venue_id, snapshot_seq = found.venue_id, found.seq
    else:
        sequencer = Sequencer(Exchange(order_slots), now_ns)
        venue_id, snapshot_seq = 0, 0
    reader = JournalReader(directory, from_seq=snapshot_seq + 1)
    for path, offset, record in reader:
        if record.first_seq <= snapshot_seq:
            raise JournalCorrupt(path, offset, "the snapshot at command %d ends inside this record" % snapshot_seq)
        try:
            sequencer.replay(record)
        except Divergence:
            raise
        except Exception as error:
            raise JournalCorrupt(path, offset, "this record cannot be replayed: %r" % error) from error
        if progress is not None:
            progress(sequencer.exchange.seq - snapshot_seq)
    end = reader.end
    if end.next_seq != sequencer.exchange.seq + 1:
        raise JournalCorrupt(
            end.path, end.offset, "ends at command %d, before the snapshot at %d" % (end.next_seq - 1, snapshot_seq)
        )
    if end.path and venue_id not in (0, end.venue_id):
        raise JournalCorrupt(end.path, 0, "belongs to another venue than the snapshot")
    if end.path and end.rules_version != RULES_VERSION:
        raise JournalCorrupt(end.path, 0, "was made under rules %d; these are %d" % (end.rules_version, RULES_VERSION))
    replayed = sequencer.exchange.seq - snapshot_seq
    return Recovered(sequencer, end, end.venue_id or venue_id, snapshot_seq, replayed)
