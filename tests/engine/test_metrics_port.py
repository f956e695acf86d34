"""The port of the metrics: who asks is answered, and who only takes up room has none for long."""

import asyncio
import contextlib

import pytest

import engine.metrics
from engine.metrics import REQUESTS_MAX, serve_metrics
from tests.harness import HOST, SECONDS_MAX, Venue, serving


@contextlib.asynccontextmanager
async def metrics_port(tmp_path):
    async with serving(Venue(tmp_path)) as core:
        listening = await serve_metrics(asyncio.get_running_loop(), core.server, HOST, 0)
        try:
            yield listening.sockets[0].getsockname()[1]
        finally:
            listening.close()


async def rest(reader):
    """-> all bytes until the core closes the connection, or cuts it."""
    try:
        return await asyncio.wait_for(reader.read(), SECONDS_MAX)
    except ConnectionError:
        return b""


async def closed(writer):
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def asked(port):
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
    answer = await rest(reader)
    await closed(writer)
    return answer


async def test_requests_are_answered_one_after_another(tmp_path):
    async with metrics_port(tmp_path) as port:
        for _ in range(2 * REQUESTS_MAX):
            assert b"core_takes_commands 1\n" in await asked(port)


async def test_connections_beyond_the_limit_are_cut_and_there_is_room_when_others_end(tmp_path):
    async with metrics_port(tmp_path) as port:
        idle = [await asyncio.open_connection(HOST, port) for _ in range(REQUESTS_MAX)]
        assert await asked(port) == b""
        for _, writer in idle:
            await closed(writer)
        answer = b""
        while not answer:
            answer = await asked(port)
        assert answer.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("request_bytes", [b"", b"GET /metrics HTTP/1.1\r\n"])
async def test_a_request_that_is_not_completed_in_time_is_cut(tmp_path, monkeypatch, request_bytes):
    monkeypatch.setattr(engine.metrics, "REQUEST_SECONDS", 0.05)
    async with metrics_port(tmp_path) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(request_bytes)
        assert await rest(reader) == b""
        await closed(writer)
