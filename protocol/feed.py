"""The receiving end of the public feed: holds feed_seq to be without a gap and joins the parts of a snapshot."""

from protocol.errors import ProtocolError
from protocol.messages import Code, FeedSnapshot


class FeedReader:
    """One connection's feed, of every instrument subscribed. A fresh connection needs a fresh one."""

    def __init__(self):
        self._seqs = {}  # instrument -> feed_seq of its last message
        self._parts = {}  # instrument -> FeedSnapshot of which more is to come

    def take(self, message):
        """A FeedSnapshot, DepthChanged, Traded or StateChanged -> the message to act on; None where more is to come.

        Raises ProtocolError for a gap, which never happens: a consumer that is too slow is disconnected instead.
        """
        instrument = message.instrument
        part = self._parts.get(instrument)
        if type(message) is FeedSnapshot:
            return self._join(part, message)
        last = self._seqs.get(instrument)
        if last is None or part is not None:
            text = "%s of instrument %d before its snapshot" % (type(message).__name__, instrument)
            raise ProtocolError(Code.MALFORMED, text)
        if message.feed_seq != last + 1:
            text = "feed_seq %d of instrument %d follows %d" % (message.feed_seq, instrument, last)
            raise ProtocolError(Code.MALFORMED, text)
        self._seqs[instrument] = message.feed_seq
        return message

    def forget(self, instrument):
        """It was unsubscribed: only a snapshot may come next."""
        self._seqs.pop(instrument, None)
        self._parts.pop(instrument, None)

    def _join(self, part, message):
        instrument = message.instrument
        if part is not None:
            if message.feed_seq != part.feed_seq:
                raise ProtocolError(Code.MALFORMED, "a snapshot of instrument %d changed midway" % instrument)
            part.levels += message.levels
            part.more = message.more
            message = part
        self._seqs[instrument] = message.feed_seq
        if message.more:
            self._parts[instrument] = message
            return None
        self._parts.pop(instrument, None)
        return message
