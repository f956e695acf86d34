"""The client's end logs in, numbers its requests, knows what answers them, and what a core never sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codec import encode
from protocol.connection import ANSWERS, FINAL_CODES, ClientConnection, WindowFull
from protocol.messages import (
    MESSAGES,
    AccountBlocked,
    AccountLimitsSet,
    AccountOpened,
    AccountRateSet,
    Accounts,
    AccountTierSet,
    AllCancelled,
    AmendOrder,
    AssetDefined,
    Balances,
    BlockAccount,
    CancelAccount,
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
    OrderAmended,
    OrderCancelled,
    OrderDuplicate,
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
    SetAccountRate,
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
from tests.protocol.ends import accepted, broken, connection_of, filled, live, order, received
from tests.protocol.peer import ACCOUNT, KEY, Frames, go_live, log_in, nonce, server_login

# --- login --------------------------------------------------------------------------------------------------------


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


# --- requests -----------------------------------------------------------------------------------------------------


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
    (SetAccountRate(3, 5, 9), AccountRateSet(3, 5, 9, "", event_seq=5)),
    (CancelAccount(3, 1, 0, 9), AllCancelled(3, 1, 0, event_seq=5)),
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


# --- what a core never does -------------------------------------------------------------------------------------------


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
