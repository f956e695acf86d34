"""A core that has no files left: who comes then has to wait, and all else goes on."""

import signal
import socket
import sys

import pytest

from protocol.messages import CancelOrder, CommandRejected
from tests.engine.attack import framed
from tests.harness import HOST, CoreProcess, Peer, Venue, peer


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path)


@pytest.mark.skipif(sys.implementation.name != "pypy", reason="uvloop, under CPython, accepts in its own way")
async def test_a_core_that_is_told_to_stop_just_as_it_has_no_file_for_a_connection_stops_in_order(venue):
    """It waits for one who does not read, and asyncio tries meanwhile to accept again, on a listener that is closed."""
    with CoreProcess(venue, files=48, files_max=48) as core:
        core.ready()
        lazy = await Peer.logged_in(core.port, venue.traders[0], receive_bytes=4096)
        lazy.writer.transport.pause_reading()
        lazy.write(framed(b"\x92\xcc\xc8\1") * 150_000)  # messages of no known type are refused, and not journaled
        async with peer(core.trusted_port, venue.trusted) as operator:
            for _ in range(50):  # turns of the loop, in which the other is read too, until it is no more
                await operator.ask(CancelOrder(1, 1), CommandRejected)
        core.process.send_signal(signal.SIGSTOP)
        crowd = [socket.create_connection((HOST, core.port)) for _ in range(64)]
        core.process.send_signal(signal.SIGCONT)
        core.line("out of system resource")
        assert core.stop() == 0
        assert core.line("; snapshot ")
        for each in crowd:
            each.close()
        lazy.vanish()
