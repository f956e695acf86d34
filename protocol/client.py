"""The asyncio client of the core, used by gateway, tools and traders alike. It decides nothing and loses nothing: a
lost connection is resumed, and requests under way are answered once, however often the socket went."""

import asyncio
import contextlib
import time

from protocol.administration import Administration
from protocol.calls import (
    Account,
    Balance,
    CancelAllCall,
    ConnectionClosed,
    Instrument,
    MatchingCall,
    Order,
    SingleCall,
    book_of,
    number_of,
)
from protocol.connection import UNANSWERED_MAX, ClientConnection, WindowFull
from protocol.dispatch import Dispatcher
from protocol.link import Link
from protocol.messages import (
    DEPTH_LEVELS_MAX,
    ORDER_TYPES,
    RESUME_NOTHING,
    SELF_TRADE_PREVENTIONS,
    SIDES,
    TIMES_IN_FORCE,
    AmendOrder,
    CancelAll,
    CancelOrder,
    OrderType,
    PlaceOrder,
    QueryAccount,
    QueryBalances,
    QueryDepth,
    QueryInstruments,
    QueryOpenOrders,
    QueryOrder,
    QueryStatistics,
    SelfTradePrevention,
    Subscribe,
    TimeInForce,
    Unsubscribe,
)
from protocol.stream import Stream

STREAM_MESSAGES_MAX = 100_000  # waiting in one Stream; it ends with StreamOverflow beyond
CONNECT_SECONDS = 10.0  # for connect(), which retries until then


class TradingClient(Administration):
    """`async with TradingClient(host, port, key=1, secret="...") as client: await client.place(...)`

    Prices and quantities are ints in the instrument's units. `account` is 0 for the session's own and names whom to
    act for on the trusted listener. Calls raise Rejected (the exchange said no), RequestRefused (the core did not take
    it), ConnectionClosed (over for good; pending calls too), WindowFull (unanswered_max calls are pending), ValueError.
    While the connection is down calls wait; cancelling a call does not take its request back.
    """

    def __init__(
        self,
        host,
        port,
        *,
        key,
        secret,
        first_request_id=None,
        resume_after=RESUME_NOTHING,
        cancel_on_disconnect=False,
        unanswered_max=UNANSWERED_MAX,
        stream_messages_max=STREAM_MESSAGES_MAX,
    ):
        """`first_request_id`: above any that this key has used; by default the wall clock in nanoseconds.
        `resume_after`: the last event_seq seen by an earlier client; what came since is then in events()."""
        self._connection = ClientConnection(
            key,
            secret,
            first_request_id=first_request_id or time.time_ns(),
            resume_after=resume_after,
            cancel_on_disconnect=cancel_on_disconnect,
            unanswered_max=unanswered_max,
        )
        self._dispatcher = Dispatcher(key)
        self._link = Link(host, port, self._connection, self._dispatcher.deliver, self._dispatcher.end)
        self._stream_messages_max = stream_messages_max

    # --- the connection ---

    async def __aenter__(self):
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_):
        await self.close()

    def start(self):
        """Begin to connect in the background, and go on until close(). Must be called in a running event loop."""
        self._link.start()

    async def connect(self, seconds=CONNECT_SECONDS):
        """start(), then wait until requests flow. Raises ConnectionClosed, or the OSError met last when it is late."""
        self.start()
        try:
            await asyncio.wait_for(self._link.live(), seconds)
        except asyncio.TimeoutError:
            raise self._link.last_error or ConnectionError("not connected within %g seconds" % seconds) from None

    async def close(self):
        """Log out. Pending calls raise ConnectionClosed; streams end after what they hold. Idempotent."""
        await self._link.close()

    @property
    def is_live(self):
        """Whether requests flow at this moment."""
        return self._connection.is_live

    @property
    def account(self):
        """The session's account, 0 for a trusted one. Known after the first login, as is `durability`."""
        return self._connection.accepted.account

    @property
    def durability(self):
        return self._connection.accepted.durability

    @property
    def last_event_seq(self):
        """The last event seen; what to give a later client as resume_after."""
        return self._connection.last_event_seq

    # --- commands ---

    async def place(
        self,
        *,
        instrument,
        side,
        quantity=0,
        price=0,
        order_type=OrderType.LIMIT,
        time_in_force=None,
        post_only=False,
        self_trade_prevention=SelfTradePrevention.CANCEL_TAKER,
        stop_price=0,
        expire_time_ns=0,
        quote_quantity=0,
        second_factor=False,
        client_order_id="",
        account=0,
    ):
        """-> Placed, when all its fills have come; `is_duplicate` where the client_order_id was used before.

        side, order_type, time_in_force and self_trade_prevention may be names, such as "buy" or "stop_limit".
        Market and stop orders have no price. time_in_force is by default IOC for a market order, GTD with an
        expire_time_ns, else GTC. A market order may have a quote_quantity, to spend or earn, instead of a quantity.
        """
        order_type = number_of(ORDER_TYPES, order_type, "order_type")
        if time_in_force is None:
            waiting = TimeInForce.GTD if expire_time_ns else TimeInForce.GTC
            time_in_force = TimeInForce.IOC if order_type == OrderType.MARKET else waiting
        command = PlaceOrder(
            account=account,
            instrument=instrument,
            side=number_of(SIDES, side, "side"),
            order_type=order_type,
            time_in_force=number_of(TIMES_IN_FORCE, time_in_force, "time_in_force"),
            post_only=int(post_only),
            price=price,
            quantity=quantity,
            self_trade_prevention=number_of(SELF_TRADE_PREVENTIONS, self_trade_prevention, "self_trade_prevention"),
            stop_price=stop_price,
            expire_time_ns=expire_time_ns,
            quote_quantity=quote_quantity,
            second_factor=int(second_factor),
            client_order_id=client_order_id,
        )
        return await self._call(command, MatchingCall())

    async def cancel(self, order_id, *, account=0):
        """-> OrderCancelled."""
        return await self._call(CancelOrder(account=account, order_id=order_id), SingleCall())

    async def amend(self, order_id, *, price=0, quantity=0, stop_price=0, account=0):
        """New price, new total quantity (what is filled included), new stop price of an order that waits; 0 leaves each
        as it is. -> Amended."""
        command = AmendOrder(account=account, order_id=order_id, price=price, quantity=quantity, stop_price=stop_price)
        return await self._call(command, MatchingCall())

    async def cancel_all(self, *, instrument=0, side=0, account=0):
        """Every open order, or those of one instrument, or side. -> CancelledAll."""
        side = side and number_of(SIDES, side, "side")
        return await self._call(CancelAll(account=account, instrument=instrument, side=side), CancelAllCall())

    # --- queries ---

    async def order(self, order_id=0, *, client_order_id="", account=0):
        """By either id. -> Order, or None where no such order is open."""
        query = QueryOrder(account=account, order_id=order_id, client_order_id=client_order_id)
        rows = (await self._call(query)).orders
        return Order(*rows[0]) if rows else None

    async def open_orders(self, *, instrument=0, account=0):
        """-> every open Order in order_id order, page by page: what changes meanwhile may be in it or not."""
        orders = []
        more = True
        while more:
            after = orders[-1].order_id if orders else 0
            answer = await self._call(QueryOpenOrders(account=account, instrument=instrument, after_order_id=after))
            orders += [Order(*row) for row in answer.orders]
            more = answer.more
        return orders

    async def balances(self, *, account=0):
        """-> a Balance for every asset, in units of 10^-scale; [] where no such account has been opened."""
        return [Balance(*row) for row in (await self._call(QueryBalances(account=account))).balances]

    async def find_account(self, *, account=0, user=""):
        """By number, or on the trusted listener by user. -> Account, or None where it has not been opened."""
        rows = (await self._call(QueryAccount(account=account, user=user))).accounts
        return Account(*rows[0]) if rows else None

    async def depth(self, instrument, *, levels=DEPTH_LEVELS_MAX):
        """-> Book of at most `levels` a side."""
        return book_of(await self._call(QueryDepth(account=0, instrument=instrument, levels=levels)))

    async def instruments(self):
        """-> every Instrument in the order of their numbers, page by page."""
        instruments = []
        more = True
        while more:
            after = instruments[-1].instrument if instruments else 0
            answer = await self._call(QueryInstruments(account=0, after_instrument=after))
            instruments += [Instrument(*row) for row in answer.instruments]
            more = answer.more
        return instruments

    async def statistics(self, *, state_hash=False):
        """-> {name: value}. Trusted sessions only; the state hash takes a walk over every order."""
        answer = await self._call(QueryStatistics(account=0, state_hash=int(state_hash)))
        return {name: value for name, value in answer.statistics}

    # --- streams ---

    def events(self):
        """-> Stream of what comes from now on: own events (a trusted session: every event), and Refused and answers to
        what was sent by submit()."""
        stream = Stream(self._stream_messages_max, self._dispatcher.remove_events)
        if self._link.end is None:
            self._dispatcher.add_events(stream)
        else:
            stream.finish(self._ended())
        return stream

    def subscribe(self, instrument):
        """-> Stream of one instrument's feed: FeedSnapshot, then changes. After a reconnect a FeedSnapshot comes again
        and replaces what was known. Raises ValueError where this client has such a stream already."""
        if self._dispatcher.has_feed(instrument):
            raise ValueError("instrument %d is subscribed already; share its stream" % instrument)
        request_id = self.submit(Subscribe(instrument=instrument))
        stream = Stream(self._stream_messages_max, lambda _: self._unsubscribe(instrument))
        self._dispatcher.add_feed(instrument, stream, request_id)
        return stream

    def submit(self, request):
        """Send a request (a message) and wait for nothing -> its request_id. What comes of it is in events()."""
        if self._link.end is not None:
            raise self._ended()
        self._link.send(request)
        return request.request_id

    def _unsubscribe(self, instrument):
        self._dispatcher.remove_feed(instrument)
        with contextlib.suppress(ConnectionClosed, WindowFull):
            self.submit(Unsubscribe(instrument=instrument))

    async def _call(self, request, gather=None):
        return await self._dispatcher.result(self.submit(request), gather)

    def _ended(self):
        """A traceback belongs to one raise; so does the exception."""
        return ConnectionClosed(self._link.end.code, self._link.end.text)
