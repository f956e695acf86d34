"""One run of data sets against one core: one of its own, killed on the way if so wanted, or one that runs already."""

import asyncio
import random
import tempfile
import time

import attrs

from protocol.client import TradingClient
from tools.market.core import HOST, OwnCore
from tools.market.feed import Feed
from tools.market.venue import OutOfStep

PRICE_SCALE = 4  # LOBSTER's prices are dollars x 10,000
WATCH_SECONDS = 1
ANSWER_SECONDS_MAX = 120  # a core that recovers a long journal takes its time
KILL_IN_FLIGHT_MIN = 5  # commands on their way, or the kill would disturb little
KILL_DELAY_SECONDS_MAX = 0.003  # after the last command before a kill: some of what is under way is done, some not


@attrs.define
class Result:
    data_set: object
    instrument: int
    agreement: object
    seconds: float


@attrs.define
class Outcome:
    results: list
    state_hash: str = ""  # "": not asked for, a trusted key is needed
    kills: list = attrs.field(factory=list)  # [(message, commands on their way), ...]


@attrs.define
class Target:
    """Where a core listens, and the keys for it: (number, secret) each, trusted_key None where there is none."""

    host: str
    port: int
    key: tuple
    trusted_port: int = 0
    trusted_key: tuple = None

    def client(self):
        return TradingClient(self.host, self.port, key=self.key[0], secret=self.key[1])

    def trusted_client(self):
        return TradingClient(self.host, self.trusted_port, key=self.trusted_key[0], secret=self.trusted_key[1])


@attrs.define
class Settings:
    window: int
    limit: int = None  # messages of each data set; None: all
    instrument: int = 0  # 0: the first free number, defined by the trusted key
    kills: int = 0  # of each data set
    seed: int = 1
    core_python: str = ""
    durability: str = "sync"
    directory: str = None  # where the own core's directory is made
    progress: object = None  # (data set, messages in all) -> context manager that gives progress(messages)


class Killer:
    """Kills the core and starts it again at messages chosen by the seed, once commands are on their way there."""

    def __init__(self, core, messages, kills, seed):
        self._core = core
        self._random = random.Random(seed)
        self._points = sorted(self._random.sample(range(1, messages), min(kills, messages - 1)), reverse=True)
        self.done = []

    async def __call__(self, messages, in_flight):
        if self._points and messages >= self._points[-1] and in_flight >= KILL_IN_FLIGHT_MIN:
            self._points.pop()
            self.done.append((messages, in_flight))
            await asyncio.sleep(self._random.uniform(0, KILL_DELAY_SECONDS_MAX))
            self._core.kill()
            await self._core.start()


async def run_own(data_sets, settings):
    """-> Outcome on a core of its own in a temporary directory, removed afterwards. Raises CoreFailed and as feed()."""
    with tempfile.TemporaryDirectory(prefix="market-", dir=settings.directory) as directory:
        core = OwnCore(directory, settings.core_python, settings.durability)
        try:
            await core.start()
            target = Target(HOST, core.port, core.key, core.trusted_port, core.trusted_key)
            outcome = await feed(data_sets, target, settings, core)
            core.stop()
        finally:
            core.kill()
    return outcome


async def feed(data_sets, target, settings, core=None):
    """-> Outcome. Raises ConnectionClosed, RequestRefused, Rejected, OutOfStep, DataError, CoreFailed, OSError."""
    outcome = Outcome([])
    async with target.client() as client:
        for data_set in data_sets:
            instrument = settings.instrument or await _define_instrument(target)
            count = len(data_set.messages[: settings.limit])
            killer = Killer(core, count, settings.kills, settings.seed) if settings.kills else None
            with settings.progress(data_set, count) as progress, client.events() as events:
                fed = Feed(client, events, data_set, instrument, settings.window, settings.limit, progress, killer)
                started_s = time.perf_counter()
                agreement = await _watched(fed, core)
                seconds = time.perf_counter() - started_s
            outcome.results.append(Result(data_set, instrument, agreement, seconds))
            if killer is not None:
                outcome.kills += killer.done
    if target.trusted_key is not None:
        async with target.trusted_client() as client:
            outcome.state_hash = (await client.statistics(state_hash=True))["state_hash"]
    return outcome


async def _watched(fed, core):
    """Feed.run(), ended where no answer comes any more: a client by itself would wait for the core for ever."""
    running = asyncio.ensure_future(fed.run())
    try:
        answers, waited_s = -1, 0
        while not (await asyncio.wait([running], timeout=WATCH_SECONDS))[0]:
            if core is not None and core.has_died:
                raise core.failure("ended by itself")
            waited_s = waited_s + WATCH_SECONDS if fed.answers == answers else 0
            answers = fed.answers
            if waited_s >= ANSWER_SECONDS_MAX:
                raise OutOfStep("no answer for %d s" % ANSWER_SECONDS_MAX)
        return await running
    finally:
        running.cancel()


async def _define_instrument(target):
    """-> the first free number, now an instrument with LOBSTER's units."""
    async with target.trusted_client() as client:
        number = max([known.instrument for known in await client.instruments()], default=0) + 1
        await client.define_instrument(
            number, "MARKET-%d" % number, price_scale=PRICE_SCALE, quantity_scale=0, collar_bps=10_000
        )
    return number
