"""After a lost connection nothing is lost and nothing done twice, wherever it was cut."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.codec import encode
from protocol.connection import FINAL_CODES
from protocol.messages import (
    CancelOrder,
    Code,
    DepthChanged,
    FeedSnapshot,
    OrderAccepted,
    Orders,
    PlaceOrder,
    QueryDepth,
    QueryOrder,
    Refused,
    Resumed,
    SessionClosed,
    Subscribe,
    Unsubscribe,
    Unsubscribed,
)
from tests.protocol.ends import accepted, broken, connection_of, filled, live, order, received
from tests.protocol.peer import KEY, Frames, go_live, log_in, nonce, server_login


def test_requests_made_before_the_first_connection_go_out_when_it_is_live():
    connection = connection_of()
    assert connection.send(order()) == b""
    assert connection.send(CancelOrder(0, 5)) == b""
    assert [message.request_id for message in go_live(connection)] == [1, 2]


def test_what_is_unanswered_is_sent_again_in_order_under_the_same_ids():
    connection = live()
    requests = [order(), QueryDepth(0, 1), CancelOrder(0, 5), order()]
    for request in requests:
        connection.send(request)
    received(connection, accepted(1, request_id=1))
    assert go_live(connection, number=2, event_seq=1) == requests[1:]


def test_a_command_answered_among_the_resumed_events_is_not_sent_again():
    connection = live()
    requests = [order(), order(), order()]
    for request in requests:
        connection.send(request)
    log_in(connection, number=2)
    events = [accepted(1, request_id=1), accepted(2, request_id=2)]
    assert received(connection, *events) == events
    assert connection.data_to_send() == b""
    assert received(connection, Resumed(2)) == []
    assert Frames()(connection.data_to_send()) == requests[2:]


def test_requests_made_while_resuming_wait_for_their_turn():
    connection = live()
    first, second = order(), order()
    connection.send(first)
    connection.lost()
    assert connection.send(second) == b""
    log_in(connection, number=2)
    third = order()
    assert connection.send(third) == b""
    received(connection, Resumed(0))
    assert Frames()(connection.data_to_send()) == [first, second, third]
    assert len(Frames()(connection.send(order()))) == 1


def test_a_login_resumes_after_the_last_event_seen():
    connection = live(event_seq=10)
    received(connection, accepted(15), accepted(17))
    assert log_in(connection, number=2).resume_after == 17


def test_events_seen_before_are_dropped():
    connection = live(event_seq=10)
    received(connection, accepted(15), accepted(17))
    log_in(connection, number=2)
    assert received(connection, accepted(15), accepted(17), accepted(18), Resumed(20), accepted(20)) == [accepted(18)]
    assert received(connection, accepted(21)) == [accepted(21)]


def test_an_event_seen_before_answers_nothing():
    connection = live(event_seq=10)
    connection.send(order())
    received(connection, accepted(10, request_id=1))
    assert list(connection.unanswered) == [1]


def test_a_frame_cut_by_the_loss_of_the_connection_is_forgotten():
    connection = live()
    connection.receive(encode(accepted(1))[:-3])
    go_live(connection, number=2)
    assert received(connection, accepted(1)) == [accepted(1)]


def test_a_core_that_lost_events_it_told_of_ends_it():
    connection = live(event_seq=10)
    connection.start(nonce("client", 2))
    received(connection, SessionClosed(Code.RESUME_UNAVAILABLE, "the newest event is 8"))
    assert connection.closed.code in FINAL_CODES


def test_what_follows_the_closing_is_not_taken():
    connection = live()
    closing = SessionClosed(Code.SHUTDOWN, "")
    assert received(connection, accepted(1), closing, accepted(2)) == [accepted(1), closing]
    assert not connection.is_live
    assert connection.last_event_seq == 1


# --- subscriptions ----------------------------------------------------------------------------------------------------


def snapshot(request_id, feed_seq=0, more=0, instrument=1):
    return FeedSnapshot(instrument, feed_seq, 1, more, [[1, 100, 5, 1]], request_id=request_id)


def test_a_subscription_is_repeated_after_a_reconnect_under_its_id():
    connection = live()
    subscribe = Subscribe(1)
    connection.send(subscribe)
    assert received(connection, snapshot(1), DepthChanged(1, 1, [])) == [snapshot(1), DepthChanged(1, 1, [])]
    assert go_live(connection, number=2) == [subscribe]
    assert received(connection, snapshot(1, feed_seq=0), DepthChanged(1, 1, [])) != []


def test_a_subscription_not_yet_answered_is_repeated_once():
    connection = live()
    connection.send(Subscribe(1))
    received(connection, snapshot(1, more=1))
    assert go_live(connection, number=2) == [Subscribe(1, request_id=1)]
    assert received(connection, snapshot(1)) == [snapshot(1)]


def test_an_unsubscribe_ends_it_for_later_connections_too():
    connection = live()
    connection.send(Subscribe(1))
    received(connection, snapshot(1))
    connection.send(Unsubscribe(1))
    received(connection, DepthChanged(1, 1, []), Unsubscribed(1, request_id=2))
    assert go_live(connection, number=2) == []


def test_a_refused_subscription_is_not_repeated():
    connection = live()
    connection.send(Subscribe(1))
    received(connection, Refused(Code.UNKNOWN_INSTRUMENT, "", request_id=1))
    assert go_live(connection, number=2) == []


def test_a_gap_in_the_feed_breaks_the_connection():
    connection = live()
    connection.send(Subscribe(1))
    assert broken(connection, snapshot(1), DepthChanged(1, 2, []))[:2] == ([snapshot(1)], Code.MALFORMED)


# --- all of it, cut anywhere ------------------------------------------------------------------------------------------


class Core:
    """A core that accepts every order, journals it, and can be talked to over connections that are cut."""

    def __init__(self):
        self.events = []
        self.logins = 0

    def connect(self):
        self.logins += 1
        self.login = server_login(self.logins)
        self.frames = Frames()
        self.is_open = True

    def receive(self, data):
        """-> bytes to send."""
        out = []
        for message in self.frames(data):
            if self.login.credentials is None:
                out += self.login.receive(message)
                if self.login.credentials is not None:
                    out.append(self.login.accepted(1, 1, len(self.events)))
                    out += self.events[max(self.login.resume_after, 0) :] if self.login.resume_after >= 0 else []
                    out.append(Resumed(len(self.events)))
            elif type(message) is QueryOrder:
                out.append(Orders(0, [], request_id=message.request_id))
            else:
                self.events.append(accepted(len(self.events) + 1, message.request_id, order_id=message.quantity))
                out.append(self.events[-1])
                self.events.append(filled(len(self.events) + 1, message.request_id, KEY))
                out.append(self.events[-1])
        return b"".join([encode(message) for message in out])


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32), orders=st.integers(1, 40))
def test_every_command_is_executed_once_and_every_event_seen_once_however_the_connection_is_cut(seed, orders):
    chance = random.Random(seed)
    core, connection, seen, answers, placed = Core(), connection_of(), [], 0, 0
    while placed < orders or connection.unanswered:
        core.connect()
        to_core = connection.start(nonce("client", core.logins))
        to_client = b""
        left = chance.choice((50, 200, 500, 5000))  # bytes until the cut
        while left > 0:
            if placed < orders and chance.random() < 0.5:
                placed += 1
                to_core += connection.send(PlaceOrder(0, 1, 1, 1, 1, 0, 1, placed))
                if chance.random() < 0.2:
                    to_core += connection.send(QueryOrder(0, placed))
            size = chance.randrange(left + 1) or 1
            left -= size
            if chance.random() < 0.5:
                to_client += core.receive(to_core[:size])
                to_core = to_core[size:]
            else:
                for message in connection.receive(to_client[:size]):
                    assert connection.error is None
                    if type(message) is Orders:
                        answers += 1
                    else:
                        seen.append(message)
                to_client = to_client[size:]
                to_core += connection.data_to_send()
            if placed == orders and not connection.unanswered:
                break
        connection.lost()
    core.connect()
    executed = [event.order_id for event in core.events if type(event) is OrderAccepted]
    assert executed == list(range(1, orders + 1))
    assert seen == core.events[: len(seen)]
    assert len(seen) >= 2 * orders - 1
