"""A venue as processes for the tests of the gateway: core, gateways, keys of tokens; and those who call them.

A test shares the venue of its run (fixture `live`) and keeps apart from others by its own market and users, which
`exchange` makes. What kills or stops a process has a venue of its own (`own_venue`).
"""

import asyncio
import contextlib
import itertools
import os
import sys
import time
from functools import partial

import aiohttp
import attrs
from multidict import CIMultiDict

from engine.credentials import create_key, save_keys
from protocol.client import TradingClient
from protocol.login import TRUSTED
from tests.harness import HOST, SECONDS_MAX, CoreProcess, LoggedProcess, Venue
from tools.token import make_token, new_secret_key, write_jwks

ASSETS = {"BTC": 1, "USDT": 2}
ASSET_SCALE = 8
PRICE_SCALE, QUANTITY_SCALE = 2, 6
GATEWAYS_MAX = 4


#: `python -m` with a clock that is ahead of everybody else's: seconds, then as after -m.
_AHEAD = """
import runpy, sys, time
ahead_ns, time_ns = int(float(sys.argv.pop(1)) * 10**9), time.time_ns
time.time_ns = lambda: time_ns() + ahead_ns
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


class GatewayProcess(LoggedProcess):
    """`python -m gateway`; `settings` are its arguments."""

    def __init__(self, seconds_ahead=0, **settings):
        """`seconds_ahead`: of its clock, where a test would have to wait."""
        arguments = ["--%s=%s" % (name.replace("_", "-"), value) for name, value in settings.items()]
        how = ["-c", _AHEAD, str(seconds_ahead)] if seconds_ahead else ["-m"]
        super().__init__([sys.executable, *how, "gateway", *arguments])

    def ready(self):
        """Wait until it listens. -> itself, with `url`."""
        self.url = self.line("ready: http").split()[-1]
        return self


class DrainerProcess(LoggedProcess):
    """`python -m persistence`; `settings` are its arguments."""

    def __init__(self, **settings):
        arguments = ["--%s=%s" % (name.replace("_", "-"), value) for name, value in settings.items()]
        super().__init__([sys.executable, "-m", "persistence", *arguments])

    def ready(self):
        """Wait until it listens. -> itself, with `url`."""
        self.url = self.line("metrics: http").split()[-1].removesuffix("/metrics")
        return self


class LiveVenue:
    """Use start_core(), start_drainer(), start_gateway(); close() kills what runs."""

    def __init__(self, directory, database_url=""):
        self.directory = str(directory)
        self.venue = Venue(directory)
        self.back_office = create_key(self.venue.keys, 0, TRUSTED, os.urandom)
        self._gateway_keys = [create_key(self.venue.keys, 0, TRUSTED, os.urandom) for _ in range(GATEWAYS_MAX)]
        save_keys(self.venue.keys_path, self.venue.keys)
        self.jwks = {"keys": [new_secret_key("test")]}
        self.jwks_path = os.path.join(self.directory, "jwt.json")
        write_jwks(self.jwks_path, self.jwks)
        self.database_url = database_url
        self.trusted_port = 0
        self.core = None
        self.drainer_url = ""
        self.gateways = []
        self.other_urls = []  # of gateways that see the same core, and are asked by some tests only
        self.numbers = itertools.count(1)  # of instruments, users and whatever must be the only one of its name
        self._stack = contextlib.ExitStack()

    def start_core(self, *arguments):
        """Again on the same port after it was killed."""
        self.core = CoreProcess(self.venue, "--trusted-port", str(self.trusted_port), *arguments)
        self._stack.enter_context(self.core)
        self.trusted_port = self.core.ready().trusted_port
        return self.core

    def start_gateway(self, number=0, **settings):
        """`number` is whose key it has: one at a time for each. -> GatewayProcess that is ready and sees the core."""
        key, secret = self._gateway_keys[number]
        secret_path = os.path.join(self.directory, "gateway-%d.secret" % number)
        with open(secret_path, "w", encoding="utf-8") as file:
            file.write(secret)
        given = {
            "port": 0,
            "core_port": self.trusted_port,
            "core_key": key,
            "core_secret_file": secret_path,
            "jwt_keys": self.jwks_path,
            "database_url": self.database_url,
            "persistence_url": self.drainer_url,
            "user_rate": 0,
            "address_rate": 0,
        }
        gateway = GatewayProcess(**{**given, **settings})
        self._stack.enter_context(gateway)
        self.gateways.append(gateway)
        return gateway.ready()

    def start_drainer(self, **settings):
        """From the core's journal into the database. -> DrainerProcess; what has happened comes a moment later."""
        given = {"journal": self.venue.journal, "database_url": self.database_url, "metrics_port": 0}
        given["depth_seconds"] = 1
        drainer = self._stack.enter_context(DrainerProcess(**{**given, **settings}))
        self.drainer_url = drainer.ready().url
        return drainer

    @property
    def url(self):
        return self.gateways[-1].url

    def token(self, user, *roles, **more):
        return make_token(self.jwks, user, roles, **more)[0]

    def close(self):
        self._stack.close()


@attrs.frozen
class Answer:
    """Of the gateway. `data` or `error` of the envelope, as there is."""

    status: int
    headers: object
    body: object  # the whole envelope; None where it is no JSON

    @property
    def data(self):
        assert self.body["success"] is True, self.body
        return self.body["data"]

    @property
    def error(self):
        assert self.body["success"] is False, self.body
        return self.body["error"]

    @property
    def code(self):
        return self.error["code"]

    @property
    def field(self):
        return self.error["details"].get("field")


class Api:
    """Calls `/api/v1` as one user, or as nobody where token is None."""

    def __init__(self, session, url, token=None, user="", account=0):
        self.session = session
        self.url = url
        self.token = token
        self.user = user
        self.account = account

    async def get(self, path, headers=None, **query):
        return await self.request("GET", path, headers=headers, params=query)

    async def post(self, path, body=None, headers=None):
        return await self.request("POST", path, headers=headers, json=body)

    async def patch(self, path, body=None):
        return await self.request("PATCH", path, json=body)

    async def delete(self, path, **query):
        return await self.request("DELETE", path, params=query)

    async def request(self, method, path, headers=None, prefix="/api/v1", url=None, **more):
        """As aiohttp's; -> Answer. `url`: all of it, instead of a path."""
        headers = CIMultiDict(headers or {})
        if self.token is not None:
            headers.setdefault("Authorization", "Bearer " + self.token)
        url = url or self.url + prefix + path
        async with self.session.request(method, url, headers=headers, **more) as response:
            is_json = response.content_type == "application/json"
            return Answer(response.status, response.headers, await response.json() if is_json else None)

    def at(self, gateway):
        """-> the same user at another gateway."""
        return Api(self.session, gateway.url, self.token, self.user, self.account)


@attrs.define
class Market:
    instrument: int
    symbol: str


class Exchange:
    """Makes the markets and users of one test, through a trusted session of its own (`client`)."""

    def __init__(self, live, session, client):
        self.live = live
        self.session = session
        self.client = client

    async def market(self, maker_ppm=0, taker_ppm=0, **more):
        """-> a new Market of BTC for USDT: prices of 0.01, quantities of 0.000001."""
        number = next(self.live.numbers)
        symbol = "M%d-USDT" % number
        fields = {"tick": 1, "lot": 1, "collar_bps": 1_000, **more}
        await self.client.define_instrument(
            number,
            symbol,
            price_scale=PRICE_SCALE,
            quantity_scale=QUANTITY_SCALE,
            base=ASSETS["BTC"],
            quote=ASSETS["USDT"],
            **fields,
        )
        if maker_ppm or taker_ppm:
            await self.client.set_fees(number, maker_ppm=maker_ppm, taker_ppm=taker_ppm)
        for url in (self.live.url, *self.live.other_urls):
            api = Api(self.session, url)
            await until(partial(api.get, "/orderbook/" + symbol), lambda answer: answer.status == 200)
        return Market(number, symbol)

    async def trader(self, name="trader", roles=(), btc=100, usdt=1_000_000, **token):
        """-> Api of a new user with an account and money."""
        number = next(self.live.numbers)
        user = "%s-%d" % (name, number)
        account = (await self.client.open_account(user)).account
        for asset, whole in (("BTC", btc), ("USDT", usdt)):
            if whole:
                reference = "%s-%s" % (user, asset)
                await self.client.deposit(account, ASSETS[asset], whole * 10**ASSET_SCALE, reference)
        return Api(self.session, self.live.url, self.live.token(user, *roles, **token), user, account)

    async def admin(self):
        return await self.trader("admin", roles=("admin",), btc=0, usdt=0)

    def nobody(self):
        return Api(self.session, self.live.url)


@contextlib.asynccontextmanager
async def exchange_of(live):
    """-> Exchange; assets are defined with the first."""
    key, secret = live.back_office
    async with (
        TradingClient(HOST, live.trusted_port, key=key, secret=secret) as client,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(SECONDS_MAX)) as session,
    ):
        known = {balance.symbol for balance in await client.balances(account=2**32 - 1)}
        for symbol, number in ASSETS.items():
            if symbol not in known:
                await client.define_asset(number, symbol, scale=ASSET_SCALE)
        exchange = Exchange(live, session, client)
        await until_ready(exchange.nobody())
        yield exchange


async def until_ready(api, status=200):
    """Wait until /readyz answers with this status."""
    async with asyncio.timeout(SECONDS_MAX):
        while (await api.request("GET", "/readyz", prefix="")).status != status:
            await asyncio.sleep(0.01)


async def well_before_the_end(seconds, left=30):
    """Where the present one of periods of so many seconds, as candles have them, is over in less than `left` seconds,
    wait for the next."""
    async with asyncio.timeout(left + SECONDS_MAX):
        while -time.time() % seconds < left:
            await asyncio.sleep(0.1)


async def until(ask, is_met):
    """Ask again until is_met(answer). -> that answer."""
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            answer = await ask()
            if is_met(answer):
                return answer
            await asyncio.sleep(0.02)
