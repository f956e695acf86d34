"""Many WebSocket clients in one process, and the orders that give them something to read. Started by perf/streams.py
with its settings on stdin; prints one line when all clients have what they asked for, and the figures at the end.

A frame is the same bytes for every client: it is understood once, and of each further one only the time is kept.
"""

import asyncio
import base64
import json
import os
import sys
import time
from array import array

import uvloop

from protocol.client import TradingClient

HOST = "127.0.0.1"
INSTRUMENT, SYMBOL = 1, "BTC-USDT"
CONNECTING_MAX = 200  # at a time
PRICE_UNITS, PRICES = 5_999_500, 900  # a range between the demo's best bid and ask; the same price again after a while
QUANTITY_UNITS = 100
FILL_BATCH = 500
TEXT, PING, PONG = 0x81, 0x89, 0x8A
HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n"
)


class Receipts:
    """When each frame came, at every client."""

    def __init__(self):
        self.times = {}  # frame -> array of ns
        self.closed = 0
        self.frames = 0

    def took(self, frame, now_ns):
        found = self.times.get(frame)
        if found is None:
            found = self.times[frame] = array("q")
        found.append(now_ns)


class Client(asyncio.Protocol):
    """Handshakes, subscribes, and gives every text frame to `receipts`."""

    def __init__(self, receipts, requests):
        self.receipts = receipts
        self.requests = requests
        self.ready = asyncio.get_running_loop().create_future()
        self.answers_missing = len(requests)
        self.is_open = False
        self.data = b""

    def connection_made(self, transport):
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            "GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        )
        transport.write((head % HOST + "Sec-WebSocket-Key: %s\r\n\r\n" % key).encode())

    def data_received(self, data):
        now_ns = time.time_ns()
        data = self.data + data if self.data else data
        if not self.is_open:
            head, separator, data = data.partition(b"\r\n\r\n")
            if not separator:
                self.data = head
                return
            assert b" 101 " in head.split(b"\r\n")[0], head
            self.is_open = True
            for request in self.requests:
                self.write(TEXT, json.dumps(request).encode())
            if not self.requests:
                self.ready.set_result(None)
        while len(data) >= 2:
            size, start = data[1], 2
            if size == 126:
                size, start = int.from_bytes(data[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(data[2:10], "big"), 10
            if len(data) < start + size:
                break
            first, payload, data = data[0], data[start : start + size], data[start + size :]
            if first == PING:
                self.write(PONG, payload)
            elif first == TEXT:
                self.took(payload, now_ns)
        self.data = data

    def took(self, payload, now_ns):
        self.receipts.frames += 1
        if not self.ready.done():
            self.answers_missing -= b'"subscribed"' in payload
            if not self.answers_missing:
                self.ready.set_result(None)
        elif b'"trade_executed"' in payload or b'"depth_update"' in payload:
            self.receipts.took(payload, now_ns)

    def write(self, first, payload):
        assert len(payload) < 126
        self.transport.write(bytes([first, 0x80 | len(payload), 0, 0, 0, 0]) + payload)

    def connection_lost(self, error):
        self.receipts.closed += 1


async def connect(settings, receipts):
    loop = asyncio.get_running_loop()
    channels = settings["channels"]
    requests = [{"type": "subscribe", "channel": channel, "symbol": SYMBOL} for channel in channels]
    slots = asyncio.Semaphore(CONNECTING_MAX)

    async def one():
        async with slots:
            _, client = await loop.create_connection(lambda: Client(receipts, requests), HOST, settings["port"])
            await client.ready
            return client

    return await asyncio.gather(*[one() for _ in range(settings["clients"])])


async def fill(settings):
    """So many pairs of orders at once, for a gateway whose memory of what was is as full as it gets."""
    logins = [{"key": key, "secret": secret} for key, secret in settings["logins"]]
    order = {"instrument": INSTRUMENT, "price": PRICE_UNITS, "quantity": QUANTITY_UNITS}
    async with (
        TradingClient(HOST, settings["core_port"], **logins[0]) as seller,
        TradingClient(HOST, settings["core_port"], **logins[1]) as buyer,
    ):
        for _ in range(0, settings["fill"], FILL_BATCH):
            await asyncio.gather(*[seller.place(side="sell", **order) for _ in range(FILL_BATCH)])
            await asyncio.gather(*[buyer.place(side="buy", **order) for _ in range(FILL_BATCH)])


async def trade(settings, seconds):
    """A seller's order and a buyer's that fills it, in turn: each changes the book. -> {what a frame tells: ns}"""
    events = {}
    logins = [{"key": key, "secret": secret} for key, secret in settings["logins"]]
    async with (
        TradingClient(HOST, settings["core_port"], **logins[0]) as seller,
        TradingClient(HOST, settings["core_port"], **logins[1]) as buyer,
    ):
        loop = asyncio.get_running_loop()
        began = loop.time()
        pause = 1 / settings["updates_per_second"]
        for number in range(int(seconds * settings["updates_per_second"])):
            await asyncio.sleep(began + number * pause - loop.time())
            price = PRICE_UNITS + number // 2 % PRICES
            order = {"instrument": INSTRUMENT, "price": price, "quantity": QUANTITY_UNITS}
            if number % 2:
                placed = await buyer.place(side="buy", **order)
                events[("trade", str(placed.fills[0].trade_id))] = placed.time_ns
            else:
                placed = await seller.place(side="sell", **order)
            is_there = number % 2 == 0
            text = "%d.%02d" % divmod(price, 100)
            events[("depth", text, is_there, number // 2 // PRICES)] = placed.time_ns
    return events


def figures_of(receipts, events):
    """-> milliseconds from event to client, by kind, and how many never came."""
    rounds = {}
    latencies = {"trade": [], "depth": []}
    seen = {}
    for frame, times in receipts.times.items():
        message = json.loads(frame)
        if message["type"] == "trade_executed":
            keys = [("trade", message["trade_id"])]
        else:
            keys = []
            for price, quantity in message["bids"] + message["asks"]:
                is_there = float(quantity) > 0
                count = rounds[(price, is_there)] = rounds.get((price, is_there), -1) + 1
                keys.append(("depth", price, is_there, count))
        for key in keys:
            if key in events:
                seen[key] = len(times)
                latencies[key[0]] += [(time_ns - events[key]) / 1e6 for time_ns in times]
    figures = {"events": len(events)}
    figures["fewest_clients_of_an_event"] = min(seen.get(key, 0) for key in events) if events else 0
    for kind, found in latencies.items():
        if found:
            found.sort()
            at = {name: found[int(len(found) * share / 100)] for name, share in (("p50", 50), ("p90", 90), ("p99", 99))}
            at["p99.9"], at["max"] = found[int(len(found) * 0.999)], found[-1]
            figures[kind + "_ms"] = {name: round(value, 2) for name, value in at.items()}
            figures[kind + "_samples"] = len(found)
    return figures


async def run(settings):
    receipts = Receipts()
    await fill(settings)
    print(json.dumps({"filled": settings["fill"]}), flush=True)
    await asyncio.sleep(settings["settle_seconds"])
    began = time.monotonic()
    clients = await connect(settings, receipts)
    print(json.dumps({"connected": len(clients), "seconds": round(time.monotonic() - began, 2)}), flush=True)
    await asyncio.sleep(settings["settle_seconds"])
    events = {}
    cpu = time.process_time()
    if settings["channels"]:
        events = await trade(settings, settings["seconds"])
        await asyncio.sleep(1)
    else:
        await asyncio.sleep(settings["seconds"])
    figures = figures_of(receipts, events)
    figures["frames"] = receipts.frames
    figures["closed"] = receipts.closed
    figures["client_processor_share"] = round((time.process_time() - cpu) / settings["seconds"], 3)
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    uvloop.run(run(json.load(sys.stdin)))
