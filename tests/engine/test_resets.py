"""Connections that are reset by the peer in the worst moment: it ends them, and nothing else."""

import asyncio
import os
import select
import socket
import struct

import pytest

import engine.session
from protocol.messages import CancelOrder, Code, CommandRejected
from tests.harness import SECONDS_MAX, Peer, Venue, eventually, peer, serving


@pytest.fixture
def event_loop_policy():
    """asyncio's own, on which the core runs under PyPy and where there is no uvloop."""
    return asyncio.DefaultEventLoopPolicy()


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path)


async def rejected(core, venue, count):
    """A past of so many events, to resume."""
    async with peer(core.port, venue.traders[0]) as trader:
        for _ in range(count // 500):
            trader.send(*[CancelOrder(0, 1) for _ in range(500)])
            await trader.until(CommandRejected, 500)


async def resuming(core, venue):
    """-> (the core's session, the bare socket at the other end) of one that has begun to resume."""
    client = await Peer.connect(core.port, receive_bytes=4096)
    await client.login(venue.traders[0], resume_after=0)
    bare = socket.socket(fileno=os.dup(client.writer.get_extra_info("socket").fileno()))
    (session,) = core.server.connections
    client.vanish()  # of two descriptors one is left
    await client.writer.wait_closed()
    return session, bare


def reset(bare, session):
    """RST, and wait until the core's kernel has it."""
    bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    bare.close()
    poll = select.poll()
    poll.register(session.transport.get_extra_info("socket").fileno(), 0)  # errors alone
    assert poll.poll(SECONDS_MAX * 1000)


async def drained(bare):
    """Read, without waiting, until the socket is closed. (The kernel asks the core for more when there is much space:
    it then sends all it holds.)"""
    bare.setblocking(False)
    while bare.fileno() >= 0:
        try:
            assert bare.recv(1 << 16), "closed before"
        except BlockingIOError:
            pass
        await asyncio.sleep(0)


async def test_a_reset_just_as_all_is_sent_and_more_of_what_was_missed_follows(venue, monkeypatch):
    monkeypatch.setattr(engine.session, "OUTBOUND_BYTES_HIGH", 1 << 16)
    async with serving(venue) as core:
        await rejected(core, venue, 100_000)
        session, bare = await resuming(core, venue)
        resume_writing = session.resume_writing

        def reset_and_resume():
            if not session.transport.get_write_buffer_size() and bare.fileno() >= 0:
                reset(bare, session)
            resume_writing()

        session.resume_writing = reset_and_resume
        await drained(bare)
        async with peer(core.port, venue.traders[1]) as other:
            await other.ask(CancelOrder(0, 1), CommandRejected)
        assert session not in core.server.connections and core.server.failure is None


async def test_nothing_more_is_written_to_a_connection_that_is_found_to_be_reset(venue, monkeypatch, caplog):
    """asyncio would log each attempt."""
    monkeypatch.setattr(engine.session, "OUTBOUND_BYTES_HIGH", 1 << 16)
    async with serving(venue) as core:
        await rejected(core, venue, 100_000)
        session, bare = await resuming(core, venue)
        await eventually(lambda: session.transport.get_write_buffer_size() > 1 << 16)
        catch_up = session._catch_up

        def reset_and_catch_up():
            if not session.transport.get_write_buffer_size() and bare.fileno() >= 0:
                reset(bare, session)
            catch_up()

        session._catch_up = reset_and_catch_up
        await drained(bare)
        await eventually(lambda: session not in core.server.connections)
    assert not [record for record in caplog.records if "raised exception" in record.getMessage()]


async def test_who_is_refused_before_a_login_leaves_no_line_in_the_log(venue, caplog):
    caplog.set_level("INFO")
    async with serving(venue) as core, peer(core.port) as stranger:
        stranger.write(b"\0\0\0\1\xc1")
        assert [message.code for message in await stranger.rest()] == [Code.MALFORMED]
        async with peer(core.port, venue.traders[0]) as trader:
            trader.write(b"\0\0\0\1\xc1")
            await trader.rest()
    closed = [record.getMessage() for record in caplog.records if "closed" in record.getMessage()]
    assert len(closed) == 1 and "key %d closed" % venue.traders[0][0] in closed[0]
