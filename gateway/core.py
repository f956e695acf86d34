"""The gateway's one connection to the core: who is live, which account a user has, what came of a command. A request
never waits for a core that is gone; one whose answer was lost is settled by asking again, never by guessing."""

import asyncio
import logging
import secrets

from aiohttp import web

from gateway.catalogue import Catalogue
from gateway.errors import ApiError, core_unavailable, of_core
from gateway.recent import RecentOrders
from protocol.calls import ConnectionClosed, Rejected, RequestRefused
from protocol.client import TradingClient
from protocol.connection import WindowFull
from protocol.messages import FEES_ACCOUNT, RESUME_NOTHING, AccountOpened, Code
from protocol.stream import StreamOverflow

ANSWER_SECONDS = 5.0  # for the core to answer, reconnects included
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.1, 5.0  # between clients, where one ended for good
POLL_SECONDS = 0.01
LOOK_SECONDS = 0.02  # between looks at whether the core has gone from under a question
EVENTS_WAITING_MAX = 1_000_000  # of the whole venue; beyond, the connection is made anew and resumes

log = logging.getLogger("gateway")


class Core:
    """start() it in a running loop, close() it. `catalogue` holds what is traded; `listeners` get every event."""

    def __init__(self, host, port, key, secret, history_events=0):
        self._address = (host, port)
        self._key = key
        self._secret = secret
        self._history_events = history_events  # of before the start: what clients of one that ended have missed
        self._client = None
        self._tasks = []
        self._is_loaded = False
        self._accounts = {}  # user -> number
        self._users = {}  # number -> user
        self._id_prefix = "g" + secrets.token_hex(7)
        self._ids = 0
        self._waiting = []  # of (event_seq, future), see caught_up()
        self._asking = {}  # asyncio.Timeout of each question under way -> None
        self.catalogue = Catalogue()
        self.recent = RecentOrders()
        self.last_event_seq = RESUME_NOTHING  # of what the listeners have been given
        #: Called with each list of events, in their order, every account's. Must not raise or block.
        self.listeners = []
        #: Called without arguments when events were missed that cannot be had again, before what comes next.
        self.gap_listeners = []
        #: Called with a fresh client as soon as it lives: subscriptions of an earlier one are gone.
        self.client_listeners = []

    # --- the connection ---

    def start(self):
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._keep()), loop.create_task(self._look())]

    async def close(self):
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._client is not None:
            await self._client.close()

    @property
    def is_live(self):
        """Whether the core answers at this moment, as far as is known."""
        return self._is_loaded and self._client.is_live

    @property
    def client(self):
        """The TradingClient, to be used at once and not kept. Raises ApiError 503 while the core is gone."""
        if not self.is_live:
            raise core_unavailable()
        return self._client

    def market(self, symbol):
        """-> catalogue.Market. Raises ApiError 404, or 503 while the core is gone and may know more markets."""
        try:
            return self.catalogue.market(symbol)
        except ApiError:
            if not self.is_live:
                raise core_unavailable() from None
            raise

    async def until_live(self, seconds):
        """Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not self.is_live:
                await asyncio.sleep(POLL_SECONDS)

    async def _keep(self):
        """A client lasts over reconnects; where one ends for good, make another after a while."""
        retry_seconds = RETRY_SECONDS_MIN
        has_history = False
        while True:
            if not has_history:
                has_history = True
                await self._go_back()
            self._client = client = self._new_client()
            try:
                with client.events() as events:
                    client.start()
                    consuming = asyncio.create_task(self._consume(events))
                    try:
                        await self._load(client)
                        retry_seconds = RETRY_SECONDS_MIN
                        await consuming
                    finally:
                        consuming.cancel()
                        await asyncio.wait([consuming])
            except StreamOverflow:
                log.error("too slow for the core's events; connecting again")
            except ConnectionClosed as error:
                log.error("the connection to the core ended: %s", error)
                if error.code == Code.RESUME_UNAVAILABLE:
                    self.last_event_seq = RESUME_NOTHING  # _load begins anew
                    self._accounts.clear()  # a core that has lost its journal gives the numbers to others
                    self._users.clear()
                    for listener in self.gap_listeners:
                        listener()
            self._is_loaded = False
            await client.close()
            await asyncio.sleep(retry_seconds)
            retry_seconds = min(2 * retry_seconds, RETRY_SECONDS_MAX)

    def _new_client(self):
        host, port = self._address
        return TradingClient(
            host,
            port,
            key=self._key,
            secret=self._secret,
            resume_after=self.last_event_seq,
            stream_messages_max=EVENTS_WAITING_MAX,
        )

    async def _go_back(self):
        """Log in once to learn what the newest event is, and begin so many before it. Where the core does not
        keep them any more, RESUME_UNAVAILABLE makes it begin with what comes."""
        self._client = client = self._new_client()
        try:
            client.start()
            await client.instruments()
        except ConnectionClosed as error:
            log.error("the connection to the core ended: %s", error)
        else:
            self.last_event_seq = max(client.last_event_seq - self._history_events, 0)
            self.recent.begin(self.last_event_seq)
        finally:
            await client.close()

    async def _load(self, client):
        """Waits for the first login; what changes from then on is told by events."""
        self.catalogue.ask()
        instruments = await client.instruments()
        assets = await client.balances(account=FEES_ACCOUNT)
        self.catalogue.load(assets, instruments)
        if self.last_event_seq == RESUME_NOTHING:
            self.last_event_seq = client.last_event_seq
            self.recent.begin(self.last_event_seq)
        for listener in self.client_listeners:
            listener(client)
        self._is_loaded = True

    async def _consume(self, events):
        while True:
            batch = await events.batch()
            if not batch:
                return
            batch = [event for event in batch if hasattr(event, "event_seq")]
            for event in batch:
                self.catalogue.take(event)
                if type(event) is AccountOpened:
                    self._remember(event.user, event.account)
            if batch and self.last_event_seq == RESUME_NOTHING:
                self.recent.begin(batch[0].event_seq - 1)
            self.recent.take(batch)
            for listener in self.listeners:
                listener(batch)
            if batch:
                self.last_event_seq = batch[-1].event_seq
                if self._waiting:
                    self._wake()

    async def _look(self):
        """Whoever asks while the core goes is not left waiting."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._asking and not self.is_live:
                asking, self._asking = self._asking, {}
                for deadline in asking:
                    deadline.reschedule(loop.time())

    async def caught_up(self, event_seq=None):
        """Wait until the listeners have been given this event, or all that have come. Raises ApiError 503."""
        if event_seq is None:
            event_seq = self.client.last_event_seq
        if self.last_event_seq < event_seq:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append((event_seq, waiting))
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await waiting
            except TimeoutError:
                raise core_unavailable() from None

    def _wake(self):
        for event_seq, waiting in self._waiting:
            if event_seq <= self.last_event_seq and not waiting.done():
                waiting.set_result(None)
        self._waiting = [pair for pair in self._waiting if not pair[1].done()]

    # --- requests ---

    async def ask(self, question):
        """Await a query, made by `question(client)`: `await core.ask(lambda client: client.balances(account=a))`.

        Raises ApiError for what the core says no to, and 503 core_unavailable where it is gone, or goes before it has
        answered.
        """
        client = self.client
        try:
            async with asyncio.timeout(ANSWER_SECONDS) as deadline:
                self._asking[deadline] = None
                try:
                    return await question(client)
                finally:
                    self._asking.pop(deadline, None)
        except (Rejected, RequestRefused) as failure:
            raise of_core(failure) from None
        except (WindowFull, ConnectionClosed, TimeoutError):
            raise core_unavailable() from None

    async def command(self, command):
        """The same for what changes something. It waits for a core that comes back, and raises ApiError 503
        outcome_unknown where it was sent and no answer came: it may have been, or may yet be, executed."""
        client = self.client
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await command(client)
        except (Rejected, RequestRefused) as failure:
            raise of_core(failure) from None
        except WindowFull:
            raise core_unavailable() from None
        except (ConnectionClosed, TimeoutError):
            raise outcome_unknown() from None

    async def place(self, **order):
        """As TradingClient.place, with a client_order_id made here where none is given: an order whose answer is lost
        is sent again under it, which finds the first or places the only one."""
        if not order.get("client_order_id"):
            order["client_order_id"] = self.new_client_order_id()
        client = self.client
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while True:
                    try:
                        return await client.place(**order)
                    except ConnectionClosed:
                        await self.until_live(ANSWER_SECONDS)
                        client = self.client
        except (Rejected, RequestRefused) as failure:
            raise of_core(failure, client_order_id=order["client_order_id"]) from None
        except WindowFull:
            raise core_unavailable() from None
        except TimeoutError:
            raise outcome_unknown(client_order_id=order["client_order_id"]) from None

    def new_client_order_id(self):
        """Never the same twice, whichever gateway makes it."""
        self._ids += 1
        return "%s-%x" % (self._id_prefix, self._ids)

    # --- accounts ---

    async def account_of(self, user):
        """-> the user's account number, opened now if there is none."""
        account = self._accounts.get(user)
        if account is None:
            found = await self.ask(lambda client: client.find_account(user=user))
            if found is None:
                found = await self.command(lambda client: client.open_account(user))
            account = found.account
            self._remember(user, account)
        return account

    async def user_of(self, account):
        """-> the external user id of an account, or None."""
        user = self._users.get(account)
        if user is None:
            found = await self.ask(lambda client: client.find_account(account=account))
            if found is None:
                return None
            user = found.user
            self._remember(user, account)
        return user

    def _remember(self, user, account):
        self._accounts[user] = account
        self._users[account] = user


def outcome_unknown(**details):
    text = "the exchange did not answer in time: the command may have been executed, or may yet be"
    return ApiError(503, "outcome_unknown", text, details=details, headers={"Retry-After": "1"})


CORE = web.AppKey("core", Core)
