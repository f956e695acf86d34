"""The core's memory stays bounded on PyPy, whatever makes the garbage, though no command flows."""

import struct
import sys

import pytest

from protocol.messages import InstrumentDefined, QueryStatistics, Refused, Statistics, Subscribe
from tests.harness import CoreProcess, Peer, Venue, instrument, peer

pytestmark = pytest.mark.skipif(sys.implementation.name != "pypy", reason="only PyPy's collector leaves garbage")

#: A core whose collector has to work after far less growth than usual.
PROGRAM = """
import sys
import engine.collector as collector
collector.GROWTH_BYTES_MIN = 4 << 20
collector.GROWTH_SHARE = 0.0
from engine.__main__ import main
sys.exit(main())
"""
GROWTH_BYTES_MAX = 64 << 20  # the nursery is 16 MiB, and nothing is seen before it is full
ROUNDS_MAX = 400
MAJORS = 3
UNKNOWN = struct.pack(">I", 4) + b"\x92\xcc\xc8\x01"  # [200, 1]


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path)


async def refusals(core, venue, watcher):
    watcher.write(UNKNOWN * 2_000)
    await watcher.until(Refused, 2_000)


async def logins(core, venue, watcher):
    for _ in range(20):
        made = await Peer.logged_in(core.port, venue.traders[1])
        made.vanish()


async def connections(core, venue, watcher):
    for _ in range(100):
        (await Peer.connect(core.port)).vanish()
    await watcher.ask(Subscribe(99), Refused)


@pytest.mark.parametrize("make_garbage", [refusals, logins, connections])
async def test_memory_is_collected_though_no_command_flows(venue, make_garbage):
    with CoreProcess(venue, program=("-c", PROGRAM)) as core:
        core.ready()
        async with peer(core.trusted_port, venue.trusted) as operator, peer(core.port, venue.traders[0]) as watcher:
            await operator.ask(instrument(), InstrumentDefined)

            async def statistics():
                return dict(map(tuple, (await operator.ask(QueryStatistics(0), Statistics)).statistics))

            before = await statistics()
            while before["memory_bytes"] == 0:  # not known before the nursery was full once
                await make_garbage(core, venue, watcher)
                before = await statistics()
            now = before
            for _ in range(ROUNDS_MAX):
                await make_garbage(core, venue, watcher)
                now = await statistics()
                assert now["memory_bytes"] < before["memory_bytes"] + GROWTH_BYTES_MAX
                if now["collector_majors"] >= before["collector_majors"] + MAJORS:
                    break
            else:
                pytest.fail("%s, and before %s" % (now, before))
            assert now["commands"] <= before["commands"] + 1  # the Tick of an idle core
