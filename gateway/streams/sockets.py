"""The WebSocket addresses: who connects, what a socket begins with, how it ends. Each takes every request of
gateway/streams/topics.py; the address only says what is subscribed to at once."""

import asyncio
import time
from functools import partial

from aiohttp import WSMsgType, web

from gateway.admission import API_KEYS, identify, identify_token, signed
from gateway.api_keys import KEY_HEADER
from gateway.core import CORE
from gateway.errors import ApiError
from gateway.identity import bearer_token
from gateway.order_schema import Symbol
from gateway.routes import Nothing, Strict
from gateway.streams.client import (
    CLOSE_SECONDS,
    TOO_MANY_REQUESTS,
    TRY_AGAIN_LATER,
    UNAUTHORIZED,
    UNSUPPORTED_DATA,
    Client,
)
from gateway.streams.hub import STREAMS
from gateway.streams.requests import carry_out, error_frame
from gateway.streams.topics import EVERY_MARKET, ORDERBOOK, ORDERS, TICKER, TRADES, Sequence, Topic
from gateway.validation import read_query

PING_SECONDS = 20.0  # a client that does not answer within half of that is gone
MESSAGE_BYTES_MAX = 8 << 10  # of what a client sends
AUTHENTICATE_SECONDS = web.AppKey("authenticate_seconds", int)  # for the first message of /ws/orders without a token


def add_sockets(app, config):
    app[AUTHENTICATE_SECONDS] = config.authenticate_seconds
    for path, query, begin in (
        ("/ws", Nothing, _begin_nothing),
        ("/ws/orders", _OneStream, _begin_orders),
        ("/ws/trades", _Trades, _begin_trades),
        ("/ws/markets/{symbol}", _OneStream, _begin_market),
    ):
        app.router.add_get(path, _handler(query, begin), allow_head=False)


class _OneStream(Strict):
    sequence: Sequence | None = None  # the last one the client has seen


class _Trades(_OneStream):
    symbol: Symbol | None = None


def _handler(query, begin):
    async def handle(request):
        return await _serve(request, query, begin)

    return handle


async def _serve(request, query, begin):
    """One connection, from its handshake to its end. Raises ApiError where there is none."""
    app, streams = request.app, request.app[STREAMS]
    ws = web.WebSocketResponse(
        heartbeat=PING_SECONDS,
        max_msg_size=MESSAGE_BYTES_MAX,
        compress=False,
        writer_limit=0,  # sending waits as soon as the transport says that it is full
        timeout=CLOSE_SECONDS,
    )
    if not ws.can_prepare(request):
        headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
        raise ApiError(426, "upgrade_required", "this address is for WebSockets", headers=headers)
    proof = None
    if KEY_HEADER in request.headers:
        request["identity"] = await signed(request)
        proof = partial(app[API_KEYS].identity_of_key, request.headers[KEY_HEADER])
    elif "Authorization" in request.headers:
        request["identity"] = identify(request)
        proof = partial(identify_token, app, bearer_token(request))
    asked = _Asked(request, query)
    streams.admit()
    await ws.prepare(request)
    client = Client(ws, request.transport, streams.slow)
    client.default_symbol = asked.path_symbol
    client.identity, client.proof = request.get("identity"), proof
    streams.add(client)
    try:
        await begin(app, ws, client, asked)
        while client.is_open:
            await _next(app, ws, client)
    finally:
        streams.remove(client)
        await client.ended()
    return ws


class _Asked:
    """What address and query say. Raises ApiError 400, 404 or 503."""

    def __init__(self, request, query):
        asked = read_query(request, query)
        self.path_symbol = request.match_info.get("symbol")
        symbol = self.path_symbol or getattr(asked, "symbol", None)
        self.instrument = request.app[CORE].market(symbol).instrument if symbol is not None else EVERY_MARKET
        self.sequence = getattr(asked, "sequence", None)


# --- what an address begins with -----------------------------------------------------------------------------------


async def _begin_nothing(app, ws, client, asked):
    pass


async def _begin_orders(app, ws, client, asked):
    """Without a token in the header, the first message brings it."""
    if client.identity is None:
        try:
            async with asyncio.timeout(app[AUTHENTICATE_SECONDS]):
                await _next(app, ws, client)
        except TimeoutError:
            pass
    if client.identity is None:
        client.close(UNAUTHORIZED, "authentication_required")
    else:
        await _begin(app, client, Topic(ORDERS), asked.sequence)


async def _begin_trades(app, ws, client, asked):
    await _begin(app, client, Topic(TRADES, asked.instrument), asked.sequence)


async def _begin_market(app, ws, client, asked):
    await _begin(app, client, Topic(ORDERBOOK, asked.instrument), None)
    await _begin(app, client, Topic(TRADES, asked.instrument), asked.sequence)
    await _begin(app, client, Topic(TICKER, asked.instrument), None)


async def _begin(app, client, topic, after):
    """Where it cannot be, there is nothing to wait for on this socket."""
    streams = app[STREAMS]
    try:
        await streams.subscribe(client, topic, after=after)
    except ApiError as error:
        client.send(error_frame(streams, error))
        client.close(TRY_AGAIN_LATER, error.code)


# --- what comes ----------------------------------------------------------------------------------------------------


async def _next(app, ws, client):
    """One message, carried out; pings, pongs and closing are aiohttp's."""
    message = await ws.receive()
    if message.type is WSMsgType.TEXT:
        if client.requests.take(None, 1, time.monotonic())[1]:
            client.close(TOO_MANY_REQUESTS, "rate_limited")
        else:
            await carry_out(app, client, message.data)
    elif message.type is WSMsgType.BINARY:
        client.close(UNSUPPORTED_DATA, "text_only")
    else:
        client.is_open = False  # it is closed, or was closed for what was no WebSocket frame
