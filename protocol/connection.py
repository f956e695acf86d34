"""The client's end of a connection without the socket: login, request ids, event sequence, resume and resend. No clock
or chance either: bytes and nonces come in, bytes and messages go out. (The core's end of a login is in login.py.)

A request is unanswered from `send` until what answers it (ANSWERS) has come. After a reconnect the client logs in with
the last event it saw, is sent the events it missed, and only then repeats what is still unanswered, under the same
request ids. As every command yields an event that names it, each is executed exactly once.
"""

from protocol.codec import decode, encode
from protocol.errors import FieldError, ProtocolError
from protocol.feed import FeedReader
from protocol.framing import LENGTH_BYTES, FrameReader
from protocol.liveness import Liveness
from protocol.login import ClientLogin, Credentials, ServerLogin
from protocol.messages import (
    MESSAGES,
    RESUME_NOTHING,
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
    CommandRejected,
    DefineAsset,
    DefineInstrument,
    Deposit,
    Deposited,
    Depth,
    DepthChanged,
    Event,
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
    Orders,
    PlaceOrder,
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
    StateChanged,
    Statistics,
    Subscribe,
    Traded,
    Unsubscribe,
    Unsubscribed,
    Withdraw,
    Withdrawn,
)

__all__ = ["ANSWERS", "FINAL_CODES", "ClientConnection", "Credentials", "Liveness", "ServerLogin", "WindowFull"]

UNANSWERED_MAX = 100_000  # requests; send() raises WindowFull beyond

#: request -> the messages that answer it. Refused answers any.
ANSWERS = {
    PlaceOrder: (OrderAccepted, OrderDuplicate, CommandRejected),
    CancelOrder: (OrderCancelled, CommandRejected),
    AmendOrder: (OrderAmended, CommandRejected),
    CancelAll: (AllCancelled, CommandRejected),
    DefineInstrument: (InstrumentDefined, CommandRejected),
    SetInstrumentState: (InstrumentStateChanged, CommandRejected),
    DefineAsset: (AssetDefined, CommandRejected),
    OpenAccount: (AccountOpened, CommandRejected),
    Deposit: (Deposited, CommandRejected),
    Withdraw: (Withdrawn, CommandRejected),
    SetFees: (FeesSet, CommandRejected),
    SetAccountTier: (AccountTierSet, CommandRejected),
    SetAccountLimits: (AccountLimitsSet, CommandRejected),
    SetInstrumentLimits: (InstrumentLimitsSet, CommandRejected),
    BlockAccount: (AccountBlocked, CommandRejected),
    CancelInstrument: (AllCancelled, CommandRejected),
    CancelAccount: (AllCancelled, CommandRejected),
    SetAccountRate: (AccountRateSet, CommandRejected),
    QueryOrder: (Orders,),
    QueryOpenOrders: (Orders,),
    QueryDepth: (Depth,),
    QueryInstruments: (Instruments,),
    QueryStatistics: (Statistics,),
    QueryBalances: (Balances,),
    QueryAccount: (Accounts,),
    Subscribe: (FeedSnapshot,),
    Unsubscribe: (Unsubscribed,),
}

#: Reasons for which a session was closed, or a login refused, that a reconnect cannot cure.
FINAL_CODES = frozenset(
    (
        Code.MALFORMED,
        Code.FRAME_TOO_LARGE,
        Code.LOGIN_REQUIRED,
        Code.LOGIN_FAILED,
        Code.VERSION_UNSUPPORTED,
        Code.SUPERSEDED,
        Code.RESUME_UNAVAILABLE,
        Code.KEY_REVOKED,
        Code.LOGOUT,
    )
)

_EVENTS = frozenset(cls for cls in MESSAGES.values() if issubclass(cls, Event))
_FEED = frozenset((FeedSnapshot, DepthChanged, Traded, StateChanged))
_QUERY_ANSWERS = frozenset((Orders, Depth, Instruments, Statistics, Balances, Accounts))

DISCONNECTED, LOGGING_IN, RESUMING, LIVE = "disconnected", "logging in", "resuming", "live"


class WindowFull(Exception):
    """unanswered_max requests are on their way; await answers before sending more."""


class ClientConnection:
    """start() -> bytes for a fresh socket, receive(bytes from it) -> messages, send(message) -> bytes, lost() when it
    is gone; then start() again. Bytes that receive() wants sent are in data_to_send().
    """

    def __init__(
        self,
        key,
        secret,
        first_request_id=1,
        resume_after=RESUME_NOTHING,
        cancel_on_disconnect=False,
        unanswered_max=UNANSWERED_MAX,
    ):
        """`first_request_id` must be above any this key has used in the events it resumes after."""
        assert key > 0 and first_request_id > 0
        self.key = key
        self.state = DISCONNECTED
        self.accepted = None  # the LoginAccepted of the present or the last connection
        self.closed = None  # the SessionClosed of the present or the last connection
        self.error = None  # ProtocolError: the core broke the protocol; nothing more is taken from it
        self.last_event_seq = resume_after
        self.unanswered = {}  # request id -> request, in the order of sending
        self.unanswered_max = unanswered_max
        self.subscriptions = {}  # instrument -> Subscribe, repeated after a reconnect
        self._login = ClientLogin(key, secret)
        self._cancel_on_disconnect = cancel_on_disconnect
        self._next_request_id = first_request_id
        self._frames = FrameReader()
        self._out = []
        self._feeds = FeedReader()

    @property
    def is_live(self):
        return self.state is LIVE

    @property
    def is_logged_in(self):
        return self.state is LIVE or self.state is RESUMING

    def start(self, client_nonce):
        """-> the first bytes of a new connection. `client_nonce` is fresh chance, see scram.is_nonce."""
        self.lost()
        self.closed = self.error = None
        self.state = LOGGING_IN
        return encode(self._login.start(client_nonce, self.last_event_seq, self._cancel_on_disconnect))

    def lost(self):
        """The socket is gone. Requests are kept; what was received of an unfinished frame or snapshot is not."""
        self.state = DISCONNECTED
        self._frames = FrameReader()
        self._out = []
        self._feeds = FeedReader()

    def send(self, message):
        """-> bytes to send now; none while the connection is not live, then they go out as soon as it is.

        Gives a request with request_id 0 the next one. Raises WindowFull, and ValueError for a field that does not
        fit, a request_id that is not above all before it, and what is no request. Heartbeat and Logout are not kept for
        later. The message must not be changed afterwards: it may have to be sent again.
        """
        cls = type(message)
        if cls is Heartbeat or cls is Logout:
            return encode(message) if self.is_logged_in else b""
        if cls not in ANSWERS:
            raise ValueError("%s is not for a client to send" % cls.__name__)
        if len(self.unanswered) >= self.unanswered_max:
            raise WindowFull("%d requests are unanswered" % len(self.unanswered))
        request_id = message.request_id or self._next_request_id
        if request_id < self._next_request_id:
            raise ValueError("request_id %d is not above those before it" % request_id)
        message.request_id = request_id
        data = encode(message)
        self._next_request_id = request_id + 1
        self.unanswered[request_id] = message
        if cls is Subscribe:
            self.subscriptions[message.instrument] = message
        elif cls is Unsubscribe:
            self.subscriptions.pop(message.instrument, None)
        return data if self.state is LIVE else b""

    def data_to_send(self):
        """-> bytes that receive() has left to send; to be asked for after each receive()."""
        data = b"".join(self._out)
        self._out = []
        return data

    def receive(self, data):
        """-> messages for the application: new events, answers, feed, Refused, SessionClosed, in their order.

        Never raises: where the core breaks the protocol, what came before is returned and `error` is set. Events seen
        before are dropped; a FeedSnapshot in several parts comes as one.
        """
        messages = []
        if self.error is not None or self.state is DISCONNECTED:
            return messages
        try:
            buffer, ends = self._frames.feed(data)
            start = 0
            for end in ends:
                message = decode(buffer, start + LENGTH_BYTES, end)
                start = end
                cls = type(message)
                if cls in _EVENTS:
                    if self.state is LOGGING_IN:
                        raise ProtocolError(Code.LOGIN_REQUIRED, "%s before the login" % cls.__name__)
                    if message.event_seq <= self.last_event_seq:
                        continue
                    self.last_event_seq = message.event_seq
                    if message.key == self.key:
                        self._answer(cls, message.request_id)
                elif cls is Heartbeat:
                    continue
                elif cls is SessionClosed:
                    self.closed = message
                    self.state = DISCONNECTED
                    messages.append(message)
                    break
                else:
                    message = self._take(cls, message)
                    if message is None:
                        continue
                messages.append(message)
            if self._frames.error is not None:
                raise self._frames.error
        except ProtocolError as error:
            self.error = error
        except FieldError as error:
            self.error = ProtocolError(error.code, error.text)
        return messages

    def _answer(self, cls, request_id):
        request = self.unanswered.get(request_id)
        if request is not None and cls in ANSWERS[type(request)]:
            del self.unanswered[request_id]

    def _take(self, cls, message):
        """What is no event -> the message for the application, or None. Raises ProtocolError."""
        if self.state is LOGGING_IN:
            return self._log_in(cls, message)
        if cls is Resumed:
            self.last_event_seq = max(self.last_event_seq, message.event_seq)
            if self.state is RESUMING:
                self._go_live()
            return None
        if self.state is not LIVE or cls in (LoginChallenge, LoginAccepted):
            raise ProtocolError(Code.MALFORMED, "%s while %s" % (cls.__name__, self.state))
        if cls in _FEED:
            message = self._feeds.take(message)
        elif cls is Unsubscribed:
            self._feeds.forget(message.instrument)
        elif cls is Refused:
            self._refused(message.request_id)
        elif cls not in _QUERY_ANSWERS:
            raise ProtocolError(Code.MALFORMED, "%s is not for a core to send" % cls.__name__)
        if message is not None:
            self._answer(cls, message.request_id)
        return message

    def _log_in(self, cls, message):
        if cls is LoginChallenge:
            self._out.append(encode(self._login.prove(message)))
        elif cls is LoginAccepted:
            self._login.verify(message)
            self.accepted = message
            if self.last_event_seq == RESUME_NOTHING:
                self.last_event_seq = message.event_seq
                self._go_live()
            else:
                self.state = RESUMING
        else:
            raise ProtocolError(Code.LOGIN_REQUIRED, "%s before the login" % cls.__name__)

    def _go_live(self):
        """Repeat, in order, what is unanswered, and the subscriptions under the request ids they began with."""
        self.state = LIVE
        for subscribe in self.subscriptions.values():
            self.unanswered.setdefault(subscribe.request_id, subscribe)
        self._out += [encode(request) for request in self.unanswered.values()]

    def _refused(self, request_id):
        request = self.unanswered.pop(request_id, None)
        if type(request) is Subscribe and self.subscriptions.get(request.instrument) is request:
            del self.subscriptions[request.instrument]
