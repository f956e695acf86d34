"""A stream gives one consumer everything in order, and never holds more than it may."""

import asyncio

import pytest

from protocol.stream import Stream, StreamOverflow


class Closed(list):
    """Notes which streams were closed."""

    def stream(self, size_max=10):
        return Stream(size_max, self.append)


async def gather(stream):
    return [item async for item in stream]


async def test_items_come_in_order_until_the_stream_is_finished():
    stream = Closed().stream()
    for item in (1, 2, 3):
        stream.put(item)
    stream.finish()
    assert await gather(stream) == [1, 2, 3]


async def test_a_consumer_waits_for_what_comes():
    stream = Closed().stream()
    consumer = asyncio.ensure_future(gather(stream))
    for item in (1, 2):
        await asyncio.sleep(0)
        stream.put(item)
    stream.finish()
    assert await consumer == [1, 2]


async def test_a_batch_is_all_that_waits_and_an_empty_one_the_end():
    stream = Closed().stream()
    stream.put(1)
    stream.put(2)
    assert await stream.batch() == [1, 2]
    waiting = asyncio.ensure_future(stream.batch())
    await asyncio.sleep(0)
    stream.put(3)
    assert await waiting == [3]
    stream.finish()
    assert await stream.batch() == []


async def test_an_error_comes_after_what_was_there():
    stream = Closed().stream()
    stream.put(1)
    stream.finish(ConnectionError("gone"))
    assert await stream.batch() == [1]
    for _ in range(2):
        with pytest.raises(ConnectionError, match="gone"):
            await stream.batch()


async def test_a_stream_that_is_not_read_ends_at_its_limit_and_loses_nothing_before_it():
    closed = Closed()
    stream = closed.stream(size_max=3)
    for item in range(10):
        stream.put(item)
    assert closed == [stream]
    assert len(stream) == 3
    seen = []
    with pytest.raises(StreamOverflow, match="3 messages were waiting"):
        async for item in stream:
            seen.append(item)
    assert seen == [0, 1, 2]


async def test_closing_it_tells_its_owner_once_and_drops_what_waits():
    closed = Closed()
    with closed.stream() as stream:
        stream.put(1)
    stream.close()
    stream.put(2)
    assert closed == [stream]
    assert await gather(stream) == []


async def test_a_finished_stream_is_not_closed_again():
    closed = Closed()
    stream = closed.stream()
    stream.finish()
    stream.close()
    assert closed == []


async def test_a_consumer_that_gives_up_leaves_the_stream_to_the_next():
    stream = Closed().stream()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(stream.batch(), 0.001)
    stream.put(1)
    assert await stream.batch() == [1]
