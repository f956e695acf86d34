"""The feed is a snapshot, in parts or not, then changes without a gap."""

import pytest

from protocol.errors import ProtocolError
from protocol.feed import FeedReader
from protocol.messages import DepthChanged, FeedSnapshot, StateChanged, Traded

BIDS, ASKS = [[1, 100, 5, 1], [1, 99, 7, 2]], [[2, 101, 3, 1]]


def snapshot(feed_seq, levels=(), more=0, instrument=1):
    return FeedSnapshot(instrument, feed_seq, 1, more, list(levels), request_id=9)


def change(feed_seq, instrument=1):
    return DepthChanged(instrument, feed_seq, [[1, 100, 6, 2]])


def reader_at(feed_seq):
    reader = FeedReader()
    reader.take(snapshot(feed_seq))
    return reader


def test_changes_follow_a_snapshot():
    reader = FeedReader()
    messages = [snapshot(5, BIDS), change(6), Traded(1, 7, 0, 1, 100, 1, 2), StateChanged(1, 8, 2), change(9)]
    assert [reader.take(message) for message in messages] == messages


def test_the_parts_of_a_snapshot_come_as_one():
    reader = FeedReader()
    assert reader.take(snapshot(5, BIDS[:1], more=1)) is None
    assert reader.take(snapshot(5, BIDS[1:], more=1)) is None
    assert reader.take(snapshot(5, ASKS)) == snapshot(5, BIDS + ASKS)
    assert reader.take(change(6)) == change(6)


@pytest.mark.parametrize("feed_seq", [4, 5, 7, 0, -1])
def test_a_gap_and_a_repetition_are_seen(feed_seq):
    with pytest.raises(ProtocolError, match="feed_seq %d of instrument 1 follows 5" % feed_seq):
        reader_at(5).take(change(feed_seq))


def test_instruments_are_counted_on_their_own():
    reader = reader_at(5)
    reader.take(snapshot(70, instrument=2))
    assert reader.take(change(71, instrument=2)).feed_seq == 71
    assert reader.take(change(6)).feed_seq == 6


@pytest.mark.parametrize("reader", [FeedReader(), reader_at(5)], ids=["nothing", "another instrument"])
def test_a_change_without_a_snapshot_is_seen(reader):
    with pytest.raises(ProtocolError, match="DepthChanged of instrument 3 before its snapshot"):
        reader.take(change(6, instrument=3))


def test_a_change_amid_a_snapshot_is_seen():
    reader = FeedReader()
    reader.take(snapshot(5, BIDS, more=1))
    with pytest.raises(ProtocolError, match="before its snapshot"):
        reader.take(change(6))


def test_a_snapshot_that_changes_midway_is_seen():
    reader = FeedReader()
    reader.take(snapshot(5, BIDS, more=1))
    with pytest.raises(ProtocolError, match="changed midway"):
        reader.take(snapshot(6, ASKS))


def test_a_new_snapshot_begins_anew():
    reader = reader_at(5)
    assert reader.take(snapshot(2, BIDS)) == snapshot(2, BIDS)
    assert reader.take(change(3)) == change(3)


def test_after_an_unsubscribe_only_a_snapshot_may_come():
    reader = reader_at(5)
    reader.forget(1)
    with pytest.raises(ProtocolError):
        reader.take(change(6))
    reader.take(snapshot(6))
    assert reader.take(change(7)) == change(7)
