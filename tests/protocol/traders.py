"""Clients of a running core, for tests: its trusted key, and two traders."""

import asyncio

from protocol.client import TradingClient
from protocol.messages import (
    PlaceOrder,
    Side,
)

ALICE, BOB = 101, 102  # accounts


def admin_of(core, **options):
    key, secret = core.keys[0]
    return TradingClient(core.host, core.trusted_port, key=key, secret=secret, **options)


def trader_of(core, account=ALICE, port=None, **options):
    key, secret = core.keys[account - 100]
    return TradingClient(core.host, port or core.port, key=key, secret=secret, **options)


_numbers = iter(range(2, 1_000_000))  # 1 is the README's


async def new_instrument(core):
    """-> the number of an instrument that nobody has used."""
    number = next(_numbers)
    async with admin_of(core) as admin:
        await admin.define_instrument(number, "TEST-%d" % number, price_scale=2, quantity_scale=0, collar_bps=1000)
    return number


def order_for(instrument, price=100, quantity=1):
    return PlaceOrder(0, instrument, Side.BUY, 1, 1, 0, price, quantity)


async def gathered(stream, count):
    """-> the next `count` items, and no more may be there."""
    items = []
    while len(items) < count:
        items += await asyncio.wait_for(stream.batch(), 30)
    assert len(items) == count
    return items
