"""The client's end keeps what is unanswered, drops what it has seen, and executes nothing twice, however it is cut."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.codec import encode
from protocol.connection import ANSWERS, FINAL_CODES, ClientConnection, WindowFull
from protocol.messages import (
    MESSAGES,
    AccountBlocked,
    AccountLimitsSet,
    AccountOpened,
    Accounts,
    AccountTierSet,
    AllCancelled,
    AmendOrder,
    AssetDefined,
    Balances,
    BlockAccount,
    CancelAll,
    CancelInstrument,
    CancelOrder,
    Code,
    Command,
    CommandRejected,
    DefineAsset,
    DefineInstrument,
    Deposit,
    Deposited,
    Depth,
    DepthChanged,
    FeedSnapshot,
    FeesSet,
    Heartbeat,
    InstrumentDefined,
    InstrumentLimitsSet,
    Instruments,
    InstrumentStateChanged,
    LoginAccepted,
    LoginChallenge,
    Logout,
    OpenAccount,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderDuplicate,
    OrderFilled,
    Orders,
    PlaceOrder,
    Query,
    QueryAccount,
    QueryBalances,
    QueryDepth,
    QueryInstruments,
    QueryOpenOrders,
    QueryOrder,
    QueryStatistics,
    Refused,
    Resumed,
    SessionClosed,
    SetAccountLimits,
    SetAccountTier,
    SetFees,
    SetInstrumentLimits,
    SetInstrumentState,
    Statistics,
    Subscribe,
    Tick,
    Unsubscribe,
    Unsubscribed,
    Withdraw,
    Withdrawn,
)
from tests.protocol.peer import ACCOUNT, KEY, SECRET, Frames, go_live, log_in, nonce, server_login


def connection_of(**changes):
    return ClientConnection(KEY, SECRET, **changes)


def live(event_seq=0, **changes):
    connection = connection_of(**changes)
    go_live(connection, event_seq=event_seq)
    return connection


def order(request_id=0):
    return PlaceOrder(0, 1, 1, 1, 1, 0, 100, 10, request_id=request_id)


def accepted(event_seq, request_id=0, key=KEY, order_id=5):
    return OrderAccepted(
        ACCOUNT, order_id, 1, 1, 1, 1, 0, 100, 10, 0, 10, 1, 0, 0, request_id=request_id, event_seq=event_seq, key=key
    )


def filled(event_seq, request_id=0, key=0):
    return OrderFilled(ACCOUNT, 5, 1, 1, 1, 9, 100, 1, 9, 0, request_id=request_id, event_seq=event_seq, key=key)


def received(connection, *messages):
    found = connection.receive(b"".join([encode(message) for message in messages]))
    assert connection.error is None, connection.error
    return found


def broken(connection, *messages):
    """Give the connection messages, the last of which breaks the protocol. -> (messages taken, code, text)."""
    found = connection.receive(b"".join([encode(message) for message in messages]))
    assert connection.receive(encode(Heartbeat())) == []
    return found, connection.error.code, connection.error.text


# --- login ---------------------------------------------------------------------------------------------------------


def test_a_first_login_goes_live_with_nothing_to_resume():
    connection = connection_of()
    login = log_in(connection, event_seq=41)
    assert login.resume_after == -1
    assert connection.is_live
    assert (connection.accepted.account, connection.last_event_seq) == (ACCOUNT, 41)


def test_a_login_with_a_point_to_resume_from_is_live_when_resumed():
    connection = connection_of(resume_after=41)
    login = log_in(connection, event_seq=50)
    assert login.resume_after == 41
    assert not connection.is_live
    received(connection, accepted(45), Resumed(50))
    assert connection.is_live
    assert connection.last_event_seq == 50


def test_a_login_may_ask_for_cancel_on_disconnect():
    assert log_in(connection_of(cancel_on_disconnect=True)).cancel_on_disconnect is True
    assert log_in(connection_of()).cancel_on_disconnect is False


def test_the_core_s_first_bytes_may_come_in_any_pieces():
    connection = connection_of()
    connection.start(nonce("client", 1))
    data = encode(server_login().receive(Frames()(connection_of().start(nonce("client", 1)))[0])[0])
    for at in range(len(data)):
        connection.receive(data[at : at + 1])
    assert len(Frames()(connection.data_to_send())) == 1


def test_a_wrong_secret_ends_in_what_the_core_says():
    connection = ClientConnection(KEY, "wrong")
    connection.start(nonce("client", 1))
    closing = SessionClosed(Code.LOGIN_FAILED, "unknown key or wrong secret")
    assert received(connection, closing) == [closing]
    assert connection.closed == closing
    assert Code.LOGIN_FAILED in FINAL_CODES


@pytest.mark.parametrize(
    "message", [accepted(1), Resumed(1), Orders(0, []), Refused(61), LoginAccepted(b"", 1, 1, 1, 1)], ids=repr
)
def test_nothing_comes_before_the_login(message):
    connection = connection_of()
    connection.start(nonce("client", 1))
    assert broken(connection, message)[:2] == ([], Code.LOGIN_REQUIRED)


def test_nothing_is_taken_without_a_connection():
    connection = connection_of()
    assert connection.receive(encode(accepted(1))) == []
    assert connection.last_event_seq == -1


# --- requests ------------------------------------------------------------------------------------------------------


def test_requests_get_ids_from_the_first_one_given():
    connection = live(first_request_id=1000)
    sent = Frames()(connection.send(order()) + connection.send(CancelOrder(0, 5)) + connection.send(order()))
    assert [message.request_id for message in sent] == [1000, 1001, 1002]


def test_an_id_given_is_kept_and_ids_never_repeat():
    connection = live()
    connection.send(order(request_id=50))
    second = order()
    connection.send(second)
    assert second.request_id == 51
    for used in (51, 50, 1, -5):
        with pytest.raises(ValueError, match="not above those before it"):
            connection.send(order(request_id=used))


def test_ids_do_not_repeat_after_a_reconnect():
    connection = live()
    connection.send(order())
    received(connection, accepted(1, request_id=1))
    go_live(connection, number=2, event_seq=1)
    second = order()
    connection.send(second)
    assert second.request_id == 2


DEFINE_INSTRUMENT = DefineInstrument(0, 1, 2, 2, 1, 1, 500, 0, 0, 0, "BTC-USD")
ANSWERED_BY = [
    (order(), accepted(5)),
    (order(), CommandRejected(ACCOUNT, 7, event_seq=5)),
    (CancelOrder(0, 5), OrderCancelled(ACCOUNT, 5, 1, 1, 1, 100, 10, event_seq=5)),
    (CancelOrder(0, 5), CommandRejected(ACCOUNT, 2, event_seq=5)),
    (AmendOrder(0, 5, 101, 0), OrderAmended(ACCOUNT, 5, 1, 1, 0, 100, 101, 10, 0, 0, 10, event_seq=5)),
    (AmendOrder(0, 5, 101, 0), CommandRejected(ACCOUNT, 2, event_seq=5)),
    (CancelAll(0), AllCancelled(ACCOUNT, 0, 0, event_seq=5)),
    (CancelAll(0), CommandRejected(ACCOUNT, 1, event_seq=5)),
    (DEFINE_INSTRUMENT, InstrumentDefined(0, 1, 2, 2, 1, 1, 500, 0, 0, 0, "X", event_seq=5)),
    (DEFINE_INSTRUMENT, CommandRejected(0, 22, event_seq=5)),
    (SetInstrumentState(0, 1, 2), InstrumentStateChanged(0, 1, 2, 0, event_seq=5)),
    (SetInstrumentState(0, 1, 2), CommandRejected(0, 1, event_seq=5)),
    (order(), OrderDuplicate(ACCOUNT, 5, 1, 1, 10, 10, 0, "mine", event_seq=5)),
    (DefineAsset(0, 1, 8, 9, "BTC"), AssetDefined(0, 1, 8, 9, "BTC", event_seq=5)),
    (OpenAccount(0, 9, "ann"), AccountOpened(3, 1, 9, "ann", event_seq=5)),
    (Deposit(3, 1, 10, 9, "d1"), Deposited(3, 1, 10, 10, 0, 9, "d1", event_seq=5)),
    (Withdraw(3, 1, 10, 9, "w1"), Withdrawn(3, 1, 10, 0, 0, 9, "w1", event_seq=5)),
    (SetFees(0, 1, 0, 10, 20, 9), FeesSet(0, 1, 0, 10, 20, 9, "", event_seq=5)),
    (SetAccountTier(3, 1, 9), AccountTierSet(3, 1, 9, "", event_seq=5)),
    (SetAccountLimits(3, 1, 1, 2, 3, 4, 9), AccountLimitsSet(3, 1, 1, 2, 3, 4, 9, "", event_seq=5)),
    (SetInstrumentLimits(0, 1, 1, 2, 3, 4, 9), InstrumentLimitsSet(0, 1, 1, 2, 3, 4, 9, "", event_seq=5)),
    (BlockAccount(3, 1, 9), AccountBlocked(3, 1, 0, 9, "", event_seq=5)),
    (CancelInstrument(0, 1, 0, 9), AllCancelled(0, 1, 0, event_seq=5)),
    (QueryBalances(0), Balances([])),
    (QueryAccount(0), Accounts([])),
    (QueryOrder(0, 5), Orders(0, [])),
    (QueryOpenOrders(0), Orders(1, [])),
    (QueryDepth(0, 1), Depth(1, 5, [])),
    (QueryInstruments(0), Instruments(0, [])),
    (QueryStatistics(0), Statistics(5, [["a", 1]])),
    (Subscribe(1), FeedSnapshot(1, 0, 1, 0, [])),
    (Unsubscribe(1), Unsubscribed(1)),
]


def test_every_request_is_in_the_table_of_answers():
    requests = {cls for cls in MESSAGES.values() if issubclass(cls, (Command, Query))} - {Tick} | {
        Subscribe,
        Unsubscribe,
    }
    assert set(ANSWERS) == requests
    assert {type(request) for request, _ in ANSWERED_BY} == requests


@pytest.mark.parametrize(
    "request_sent, answer", ANSWERED_BY, ids=lambda message: type(message).__name__ if message else ""
)
def test_is_answered_by(request_sent, answer):
    connection = live()
    request_sent.request_id = 0
    connection.send(request_sent)
    answer.request_id = request_sent.request_id
    if hasattr(answer, "key"):
        answer.key = KEY
    assert received(connection, answer) == [answer]
    assert connection.unanswered == {}


@pytest.mark.parametrize("request_sent", [request for request, _ in ANSWERED_BY], ids=lambda m: type(m).__name__)
def test_anything_is_answered_by_refused(request_sent):
    connection = live()
    request_sent.request_id = 0
    connection.send(request_sent)
    refused = Refused(Code.NOT_ALLOWED, "no", request_id=request_sent.request_id)
    assert received(connection, refused) == [refused]
    assert connection.unanswered == {}


def test_events_of_other_keys_and_other_kinds_answer_nothing():
    connection = live()
    connection.send(order())
    received(
        connection,
        accepted(1, request_id=1, key=KEY + 1),
        filled(2, request_id=1, key=KEY),
        accepted(3, request_id=2),
        AllCancelled(ACCOUNT, 1, 0, event_seq=4, key=KEY, request_id=1),
        Orders(0, [], request_id=1),
    )
    assert list(connection.unanswered) == [1]


def test_a_cancel_all_is_answered_after_its_cancels():
    connection = live()
    connection.send(CancelAll(0))
    received(connection, OrderCancelled(ACCOUNT, 5, 1, 1, 2, 100, 10, event_seq=1, key=KEY, request_id=1))
    assert list(connection.unanswered) == [1]
    received(connection, AllCancelled(ACCOUNT, 0, 1, event_seq=2, key=KEY, request_id=1))
    assert connection.unanswered == {}


def test_no_more_than_the_window_is_under_way():
    connection = live(unanswered_max=3)
    for _ in range(3):
        connection.send(order())
    with pytest.raises(WindowFull, match="3 requests are unanswered"):
        connection.send(order())
    received(connection, accepted(1, request_id=2))
    assert [message.request_id for message in Frames()(connection.send(order()))] == [4]


def test_a_request_that_cannot_be_written_is_not_kept_and_takes_no_id():
    connection = live()
    with pytest.raises(ValueError):
        connection.send(PlaceOrder(0, 1, 1, 1, 1, 0, 2**63, 10))
    assert connection.unanswered == {}
    assert Frames()(connection.send(order()))[0].request_id == 1


@pytest.mark.parametrize("message", [Tick(0), Resumed(1), accepted(1), Orders(0, [])], ids=repr)
def test_only_requests_are_sent(message):
    with pytest.raises(ValueError, match="is not for a client to send"):
        live().send(message)


def test_heartbeat_and_logout_are_sent_when_logged_in_and_not_kept():
    connection = connection_of(resume_after=0)
    assert connection.send(Heartbeat()) == b""
    log_in(connection)
    assert Frames()(connection.send(Heartbeat()) + connection.send(Logout())) == [Heartbeat(), Logout()]
    assert connection.unanswered == {}


def test_heartbeats_of_the_core_are_not_for_the_application():
    assert received(live(), Heartbeat(), accepted(1), Heartbeat()) == [accepted(1)]


# --- resume --------------------------------------------------------------------------------------------------------


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


# --- what a core never does ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [LoginChallenge("x", b"", 1), LoginAccepted(b"", 1, 1, 1, 1), order(), Subscribe(1), Logout(), Tick(0)],
    ids=lambda message: type(message).__name__,
)
def test_a_message_out_of_place_breaks_the_connection_and_loses_nothing_before_it(message):
    assert broken(live(), accepted(1), message)[:2] == ([accepted(1)], Code.MALFORMED)


def test_answers_before_resumed_break_the_connection():
    connection = live()
    log_in(connection, number=2)
    assert broken(connection, Orders(0, []))[2] == "Orders while resuming"


def test_bytes_that_are_no_message_break_the_connection_and_lose_nothing_before_them():
    for junk, code in (
        (b"\0\0\0\1\xc1", Code.MALFORMED),
        (b"\0\0\0\0", Code.MALFORMED),
        (b"\0\0\0\2\x92\x78", Code.MALFORMED),
        (b"\0\0\0\3\x92\x78\0", Code.UNKNOWN_MESSAGE_TYPE),
        (b"\0\0\0\3\x92\x09\0", Code.INVALID_FIELD),
        (b"\xff\xff\xff\xff", Code.FRAME_TOO_LARGE),
    ):
        connection = live()
        assert connection.receive(encode(accepted(1)) + junk) == [accepted(1)]
        assert connection.error.code == code


@given(st.binary(max_size=300))
def test_random_bytes_never_raise(data):
    for connection in (live(), connection_of()):
        connection.start(nonce("client", 2)) if not connection.is_live else None
        connection.receive(data)


# --- subscriptions -------------------------------------------------------------------------------------------------


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


# --- all of it, cut anywhere ---------------------------------------------------------------------------------------


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
