"""The orders that give perf/stream_clients.py something to read, from a process of their own. Started by
perf/streams.py with its settings on stdin; prints {"events": {what a frame of the streams tells: ns of the core's
clock}, "answers_ms": [from then to the answer, when the order was in the journal and synced, ...]}."""

import asyncio
import json
import sys
import time

import uvloop

from protocol.client import TradingClient

HOST = "127.0.0.1"
INSTRUMENT = 1
PRICE_UNITS, PRICES = 5_999_500, 900  # a range between the demo's best bid and ask; the same price again after a while
QUANTITY_UNITS = 100
FILL_BATCH = 500


async def fill(seller, buyer, pairs):
    """So many pairs of orders at once, for a gateway whose memory of what was is as full as it gets."""
    order = {"instrument": INSTRUMENT, "price": PRICE_UNITS, "quantity": QUANTITY_UNITS}
    for _ in range(0, pairs, FILL_BATCH):
        await asyncio.gather(*[seller.place(side="sell", **order) for _ in range(FILL_BATCH)])
        await asyncio.gather(*[buyer.place(side="buy", **order) for _ in range(FILL_BATCH)])


async def trade(seller, buyer, seconds, updates_per_second):
    """A seller's order and a buyer's that fills it, in turn: each changes the book."""
    events, answers_ms = {}, []
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(int(seconds * updates_per_second)):
        await asyncio.sleep(began + number / updates_per_second - loop.time())
        pair, is_buy = divmod(number, 2)
        count, offset = divmod(pair, PRICES)
        order = {"instrument": INSTRUMENT, "price": PRICE_UNITS + offset, "quantity": QUANTITY_UNITS}
        if is_buy:
            placed = await buyer.place(side="buy", **order)
            events["trade %d" % placed.fills[0].trade_id] = placed.time_ns
        else:
            placed = await seller.place(side="sell", **order)
        answers_ms.append((time.time_ns() - placed.time_ns) / 1e6)
        price = "%d.%02d" % divmod(PRICE_UNITS + offset, 100)
        events["depth %s %d %d" % (price, not is_buy, count)] = placed.time_ns
    return {"events": events, "answers_ms": answers_ms}


async def run(settings):
    logins = [{"key": key, "secret": secret} for key, secret in settings["logins"]]
    async with (
        TradingClient(HOST, settings["port"], **logins[0]) as seller,
        TradingClient(HOST, settings["port"], **logins[1]) as buyer,
    ):
        await fill(seller, buyer, settings["fill"])
        found = await trade(seller, buyer, settings["seconds"], settings["updates_per_second"])
    print(json.dumps(found))


if __name__ == "__main__":
    uvloop.run(run(json.load(sys.stdin)))
