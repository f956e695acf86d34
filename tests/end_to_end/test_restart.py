"""Stop, kill, start again: what was acknowledged is there, by snapshot or by journal, and one core at a time has it."""

import os

import pytest

from protocol.messages import (
    CancelOrder,
    Code,
    CommandRejected,
    InstrumentDefined,
    Instruments,
    OrderAccepted,
    QueryInstruments,
    QueryStatistics,
    SessionClosed,
    Statistics,
)
from tests.harness import CoreProcess, Venue, buy, instrument, peer, sell


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path)


async def trade(core, venue, count):
    async with peer(core.trusted_port, venue.trusted) as operator:
        if not (await operator.ask(QueryInstruments(0), Instruments)).instruments:
            await operator.ask(instrument(), InstrumentDefined)
        operator.send(*[order(100, 1 + n, account=1 + n % 3) for n in range(count) for order in (buy, sell, buy)])
        await operator.until(OrderAccepted, 3 * count)


async def state(core, venue):
    async with peer(core.trusted_port, venue.trusted) as operator:
        found = dict((await operator.ask(QueryStatistics(0, 1), Statistics)).statistics)
        return {name: found[name] for name in ("events", "trades", "open_orders", "state_hash")}


def snapshots(venue):
    return sorted(os.path.join(venue.journal, name) for name in os.listdir(venue.journal) if name.endswith(".snapshot"))


def first_segment(venue):
    return os.path.join(venue.journal, "%020d.journal" % 1)


def overwrite(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


async def test_a_clean_stop_leaves_a_snapshot_and_the_next_start_replays_nothing(venue):
    with CoreProcess(venue) as core:
        core.ready()
        await trade(core, venue, 200)
        before = await state(core, venue)
        assert core.stop() == 0
    assert len(snapshots(venue)) == 1
    with CoreProcess(venue) as core:
        core.ready()
        assert ", 0 commands replayed" in core.line("recovered to command")
        assert await state(core, venue) == before


async def test_damaged_snapshots_cost_time_and_nothing_else(venue):
    for _ in range(3):
        with CoreProcess(venue) as core:
            core.ready()
            await trade(core, venue, 50)
            before = await state(core, venue)
            assert core.stop() == 0
    kept = snapshots(venue)
    assert len(kept) == 2
    replayed = []
    for path in [None, *reversed(kept)]:
        if path is not None:
            overwrite(path, os.path.getsize(path) // 2, b"\xc1")
        with CoreProcess(venue) as core:
            core.ready()
            replayed.append(int(core.line("recovered to command").split(", ")[-1].split()[0]))
            assert await state(core, venue) == before
            core.kill()
    assert replayed[0] == 0 and 150 <= replayed[1] < 300 and replayed[2] > 450


async def test_a_journal_that_ends_before_its_snapshot_is_refused(venue):
    with CoreProcess(venue) as core:
        core.ready()
        await trade(core, venue, 10)
        assert core.stop() == 0
    overwrite(first_segment(venue), 200, bytes(os.path.getsize(first_segment(venue)) - 200))
    with CoreProcess(venue) as core:
        core.line("refusing to start")
        assert core.wait() == 1


@pytest.mark.parametrize("durability", ["sync", "write"])
async def test_after_a_kill_the_journal_gives_back_everything(venue, durability):
    with CoreProcess(venue, "--durability", durability) as core:
        core.ready()
        await trade(core, venue, 100)
        before = await state(core, venue)
        core.kill()
    with CoreProcess(venue) as core:
        core.ready()
        assert await state(core, venue) == before


async def test_two_cores_never_share_a_journal_and_the_first_is_not_disturbed(venue):
    with CoreProcess(venue) as first:
        first.ready()
        with CoreProcess(venue) as second:
            assert second.wait() == 1
            assert "in use by another core" in "\n".join(second.log)
        await trade(first, venue, 3)
        first.kill()
    with CoreProcess(venue) as third:
        third.ready()


async def test_a_damaged_journal_is_refused_with_file_and_offset_and_left_as_it_is(venue):
    with CoreProcess(venue) as core:
        core.ready()
        await trade(core, venue, 10)
        core.kill()
    path = first_segment(venue)
    overwrite(path, 100, b"\xff")
    with open(path, "rb") as file:
        before = file.read()
    with CoreProcess(venue) as core:
        assert "%s at byte 48" % path in core.line("refusing to start")
        assert core.wait() == 1
    with open(path, "rb") as file:
        assert file.read() == before


async def test_a_stop_says_goodbye(venue):
    with CoreProcess(venue) as core:
        core.ready()
        async with peer(core.port, venue.traders[0]) as trader:
            await trader.ask(CancelOrder(0, 1), CommandRejected)
            assert core.stop() == 0
            messages = await trader.rest()
            assert [type(message) for message in messages] == [SessionClosed]
            assert messages[0].code == Code.SHUTDOWN


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("--durability", "hope"), 2, "durability must be sync or write"),
        (("--segment-bytes", "10"), 2, "segment_bytes must be"),
        (("--keys", "missing.json"), 1, "missing.json"),
        (("--journal", "/dev/null/journal"), 1, "/dev/null"),
    ],
)
def test_settings_that_cannot_be_used_are_named(venue, arguments, status, text):
    with CoreProcess(venue, *arguments) as core:
        assert core.wait() == status
        assert text in "\n".join(core.log) and "Traceback" not in "\n".join(core.log)
