"""One flush a turn: apply, append, sync, and only then do events, answers and feed leave."""

import asyncio
import errno
import struct

import pytest

import engine.server
import engine.session
from protocol import codec
from protocol.framing import FrameReader
from protocol.messages import (
    CancelOrder,
    Code,
    CommandRejected,
    DepthChanged,
    Durability,
    Event,
    FeedSnapshot,
    InstrumentDefined,
    OrderAccepted,
    Orders,
    QueryOpenOrders,
    Subscribe,
    Traded,
)
from protocol.records import RECORD_MAGIC, read_record
from tests.harness import FaultyDisk, Venue, buy, eventually, instrument, peer, sell, serving


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path)


async def test_a_session_that_idles_through_the_tick_that_closes_the_last_record_is_left_in_peace(venue):
    async with serving(venue) as core, peer(core.port, venue.traders[0]) as trader:
        await trader.ask(CancelOrder(0, 1), CommandRejected)
        await eventually(lambda: core.server.sequencer.exchange.seq == 2)
        await trader.ask(CancelOrder(0, 1), CommandRejected)
        assert core.server.failure is None
