"""Who is told the feed of which instrument. A deep snapshot goes out in parts, over many turns of the loop; meanwhile
the changes of its instrument, and what else the session asks of the feed, wait behind it.
"""

from protocol import codec
from protocol.messages import Code, Refused, Subscribe, Unsubscribed

SUBSCRIPTIONS_MAX = 256  # of a session; and so many Subscribe and Unsubscribe of one may wait to be done
SNAPSHOT_PARTS = 4  # of up to SNAPSHOT_LEVELS_MAX levels, sent to one session in one turn


class Subscriptions:
    def __init__(self, feed, turns, hold_first):
        """`hold_first(session, messages)`: have what has waited taken by take() after the next flush, in this order."""
        self.feed = feed
        self._turns = turns
        self._hold_first = hold_first
        self._subscribers = {}  # instrument -> {Session: True}
        self._sending = {}  # Session -> _Sending

    def take(self, session, message):
        """A Subscribe or Unsubscribe, between two flushes."""
        sending = self._sending.get(session)
        if sending is not None:
            sending.waiting.append(message)
            return
        session.feed_requests -= 1
        if type(message) is Subscribe:
            self._subscribe(session, message)
        else:
            session.subscriptions.pop(message.instrument, None)
            self.forget(session, message.instrument)
            session.send(codec.encode(Unsubscribed(message.instrument, request_id=message.request_id)))

    def _subscribe(self, session, message):
        instrument = message.instrument
        code = 0
        if instrument not in self.feed.exchange.books:
            code, text = Code.UNKNOWN_INSTRUMENT, "no instrument %d" % instrument
        elif len(session.subscriptions) >= SUBSCRIPTIONS_MAX and instrument not in session.subscriptions:
            code, text = Code.TOO_MANY_SUBSCRIPTIONS, "at most %d" % SUBSCRIPTIONS_MAX
        if code:
            session.send(codec.encode(Refused(code, text, request_id=message.request_id)))
            return
        session.subscriptions[instrument] = True
        self._subscribers.setdefault(instrument, {})[session] = True
        self._sending[session] = sending = _Sending(self, session, message, self.feed.snapshot(instrument))
        sending.send_parts()

    def sent(self, sending, is_whole):
        """Some parts have been sent, perhaps the last."""
        if not is_whole:
            self._turns.add(sending.send_parts)
            return
        session = sending.session
        del self._sending[session]
        for data in sending.changes:
            session.send(data)
        if sending.waiting:
            self._hold_first(session, sending.waiting)

    def changed(self, events):
        """Tell what the events of a flush changed."""
        if not self._subscribers:
            self.feed.pass_over()
            return
        for instrument, messages in self.feed.changes(events).items():
            subscribers = self._subscribers.get(instrument)
            if subscribers:
                data = b"".join([codec.encode(message) for message in messages])
                for session in list(subscribers):
                    sending = self._sending.get(session)
                    if sending is not None and sending.instrument == instrument:
                        sending.changes.append(data)
                    else:
                        session.send(data)

    def forget(self, session, instrument):
        subscribers = self._subscribers.get(instrument)
        if subscribers is not None:
            subscribers.pop(session, None)
            if not subscribers:
                del self._subscribers[instrument]

    def ended(self, session):
        for instrument in session.subscriptions:
            self.forget(session, instrument)
        self._sending.pop(session, None)


class _Sending:
    """A snapshot on its way to a session, and what waits behind it."""

    def __init__(self, subscriptions, session, message, snapshot):
        self.subscriptions = subscriptions
        self.session = session
        self.instrument = message.instrument
        self.request_id = message.request_id
        self.snapshot = snapshot
        self.changes = []  # frames of later changes
        self.waiting = []  # Subscribe, Unsubscribe
        self._place = 0

    def send_parts(self):
        end = min(self._place + SNAPSHOT_PARTS, self.snapshot.count)
        while self._place < end and not self.session.is_closing:
            self.session.send(self.snapshot.frame(self._place, self.request_id))
            self._place += 1
        if not self.session.is_closing:
            self.subscriptions.sent(self, self._place == self.snapshot.count)
