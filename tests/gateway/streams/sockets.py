"""The client's end of a WebSocket, for the tests of streams."""

import asyncio
import contextlib

import aiohttp

from tests.harness import SECONDS_MAX


class Socket:
    """next() gives the messages in their order; until() those up to one that fits."""

    def __init__(self, ws):
        self.ws = ws

    async def next(self):
        """-> the next message as a dict. A close is an AssertionError that says how it closed."""
        async with asyncio.timeout(SECONDS_MAX):
            message = await self.ws.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, (message, self.ws.close_code)
        found = message.json()
        assert set(found) >= {"type", "sequence", "timestamp"}
        return found

    async def until(self, kind, **fields):
        """Read on to a message of this type with these fields. -> it; others are skipped."""
        return (await self.all_until(kind, **fields))[-1]

    async def all_until(self, kind, **fields):
        """-> [the messages up to and with the one that fits]"""
        found = []
        async with asyncio.timeout(SECONDS_MAX):
            while True:
                message = await self.next()
                found.append(message)
                if message["type"] == kind and fields.items() <= message.items():
                    return found

    async def send(self, kind, **fields):
        await self.ws.send_json({"type": kind, **fields})

    async def ask(self, kind, **fields):
        """Send a request. -> what answers it, and whatever has come before."""
        await self.send(kind, id="asked", **fields)
        return await self.until_answer()

    async def until_answer(self):
        while True:
            message = await self.next()
            if message.get("id") == "asked":
                return message

    async def closed(self):
        """Read on to the end. -> (code, reason)"""
        async with asyncio.timeout(SECONDS_MAX):
            while True:
                message = await self.ws.receive()
                if message.type is aiohttp.WSMsgType.CLOSE:
                    return message.data, message.extra
                assert message.type is aiohttp.WSMsgType.TEXT, message


@contextlib.asynccontextmanager
async def connected(api, path, headers=None, **query):
    """-> Socket of an Api's user, with the token in the header where it has one."""
    headers = dict(headers or {})
    if api.token is not None:
        headers.setdefault("Authorization", "Bearer " + api.token)
    # autoclose would answer a close frame before a test could look at it
    async with api.session.ws_connect(api.url + path, headers=headers, params=query, autoclose=False) as ws:
        yield Socket(ws)


@contextlib.asynccontextmanager
async def own_orders(api, **query):
    """-> Socket at /ws/orders, once it is subscribed."""
    async with connected(api, "/ws/orders", **query) as socket:
        await socket.until("resumed" if "sequence" in query else "subscribed", channel="orders")
        if "sequence" not in query:
            await socket.until("orders_snapshot")
        yield socket


def told(update):
    """-> what an order_update says of the order: (status, filled, remaining, average price, reason)."""
    names = ("status", "filled_quantity", "remaining_quantity", "average_price", "reason")
    return tuple(update[name] for name in names)
