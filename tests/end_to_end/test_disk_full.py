"""The journal's disk is full: commands are refused, questions answered, nothing is lost, and it goes on by itself."""

import errno

import pytest

from protocol.messages import (
    CancelOrder,
    Code,
    CommandRejected,
    Depth,
    InstrumentDefined,
    OrderAccepted,
    Orders,
    QueryDepth,
    QueryOpenOrders,
    QueryStatistics,
    Refused,
    Statistics,
)
from tests.disks import Ballast, tmpfs
from tests.harness import CoreProcess, FaultyDisk, Peer, Venue, buy, eventually, instrument, peer, serving

TMPFS_BYTES = 1 << 20


@pytest.fixture
def small_disk(tmp_path):
    """A directory on a file system of its own, of TMPFS_BYTES."""
    directory = tmp_path / "small"
    directory.mkdir()
    with tmpfs(directory, TMPFS_BYTES):
        yield directory


async def fill(trader):
    """Place orders until one is refused for lack of space. -> order ids of those that were accepted."""
    accepted = []
    while True:
        trader.send(*[buy(100, 1) for _ in range(20)], QueryOpenOrders(0))
        messages = await trader.until(Orders)
        accepted += [message.order_id for message in messages if type(message) is OrderAccepted]
        refused = [message for message in messages if type(message) is Refused]
        if refused:
            assert {message.code for message in refused} == {Code.JOURNAL_FULL}
            return accepted


async def open_orders(trader):
    order_ids, after, more = [], 0, 1
    while more:
        page = await trader.ask(QueryOpenOrders(0, 0, after), Orders)
        order_ids += [row[0] for row in page.orders]
        after, more = order_ids[-1], page.more
    return order_ids


async def until_taken(trader):
    """Ask for an order until it is accepted again. -> its id."""
    while True:
        trader.send(buy(100, 1))
        message = await trader.receive()
        if type(message) is OrderAccepted:
            return message.order_id
        assert message.code == Code.JOURNAL_FULL


async def test_a_core_on_a_full_disk_refuses_commands_answers_questions_loses_nothing_and_goes_on(small_disk):
    venue = Venue(small_disk)
    ballast = Ballast(small_disk)
    with CoreProcess(venue) as core:
        core.ready()
        async with peer(core.trusted_port, venue.trusted) as operator, peer(core.port, venue.traders[0]) as trader:
            await operator.ask(instrument(), InstrumentDefined)
            ballast.take()
            accepted = await fill(trader)
            core.line("no space for the journal")
            assert await open_orders(trader) == accepted
            assert (await trader.ask(QueryDepth(0, 1), Depth)).levels == [[1, 100, len(accepted), len(accepted)]]
            statistics = dict((await operator.ask(QueryStatistics(0), Statistics)).statistics)
            assert statistics["takes_commands"] == 0
            async with peer(core.port, venue.traders[1]) as late:
                assert (await late.ask(CancelOrder(0, 1), Refused)).code == Code.JOURNAL_FULL
            ballast.give_back()
            core.line("there is space for the journal again")
            accepted.append(await until_taken(trader))
            assert await open_orders(trader) == accepted
            core.kill()
    with CoreProcess(venue) as core:
        core.ready()
        async with peer(core.port, venue.traders[0]) as trader:
            assert await open_orders(trader) == accepted


async def test_a_core_that_starts_on_a_full_disk_serves_questions_and_stops_in_order(small_disk):
    venue = Venue(small_disk)
    ballast = Ballast(small_disk)
    with CoreProcess(venue) as core:
        core.ready()
        async with peer(core.trusted_port, venue.trusted) as operator, peer(core.port, venue.traders[0]) as trader:
            await operator.ask(instrument(), InstrumentDefined)
            ballast.take()
            accepted = await fill(trader)
        core.kill()
    ballast.take()  # what the spare segment gave back
    with CoreProcess(venue) as core:
        core.ready()
        async with peer(core.port, venue.traders[0]) as trader:
            assert await open_orders(trader) == accepted
            trader.send(*[buy(100, 1) for _ in range(500)])  # more than the rest of the segment holds
            accepted += await fill(trader)
            assert await open_orders(trader) == accepted
        assert core.stop() == 0  # the journal is whole; a snapshot is a convenience
        core.line("no snapshot was written")
    ballast.give_back()
    with CoreProcess(venue) as core:
        core.ready()
        async with peer(core.port, venue.traders[0]) as trader:
            assert await open_orders(trader) == accepted
            await trader.ask(CancelOrder(0, 1), CommandRejected)


async def test_in_process_too_whatever_fails_while_the_next_segment_is_prepared(tmp_path):
    venue = Venue(tmp_path)
    disk = FaultyDisk()
    async with serving(venue, disk) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(), InstrumentDefined)
        trader = await Peer.logged_in(core.port, venue.traders[0])
        accepted = []
        for code in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            disk.faults["zero"] = code
            accepted += await fill(trader)
            assert core.server.failure is None
            disk.faults.clear()
            await eventually(lambda: core.server.takes_commands)
        assert await open_orders(trader) == accepted
        trader.vanish()
