"""Each message goes to the one that waits for it, and to nobody else."""

import asyncio

import pytest

from protocol.calls import ConnectionClosed, RequestRefused, SingleCall
from protocol.dispatch import Dispatcher
from protocol.messages import Code, DepthChanged, FeedSnapshot, OrderCancelled, Orders, Refused
from protocol.stream import Stream

KEY = 7


def cancelled(request_id, key=KEY, order_id=5):
    return OrderCancelled(70, order_id, 1, 1, 1, 100, 1, request_id=request_id, key=key)


def snapshot(request_id):
    return FeedSnapshot(1, 0, 1, 0, [], request_id=request_id)


class Client:
    """A dispatcher with a stream of events, and calls under way."""

    def __init__(self):
        self.dispatcher = Dispatcher(KEY)
        self.events = self.stream()
        self.dispatcher.add_events(self.events)

    def stream(self):
        return Stream(10, lambda stream: None)

    async def call(self, request_id, gather=None):
        call = asyncio.ensure_future(self.dispatcher.result(request_id, gather))
        await asyncio.sleep(0)
        return call


async def test_an_event_answers_the_call_it_names_and_is_an_event_as_well():
    client = Client()
    call = await client.call(1, SingleCall())
    client.dispatcher.deliver([cancelled(2), cancelled(1)])
    assert await call == cancelled(1)
    assert await client.events.batch() == [cancelled(2), cancelled(1)]


async def test_an_event_of_another_key_answers_no_call_of_the_same_number():
    client = Client()
    call = await client.call(1, SingleCall())
    client.dispatcher.deliver([cancelled(1, key=KEY + 1, order_id=99), cancelled(1)])
    assert (await call).order_id == 5


async def test_an_answer_goes_to_its_call_alone_and_without_one_to_events():
    client = Client()
    call = await client.call(1)
    client.dispatcher.deliver([Orders(0, [], request_id=1), Orders(0, [], request_id=2)])
    assert await call == Orders(0, [], request_id=1)
    assert await client.events.batch() == [Orders(0, [], request_id=2)]


async def test_a_refusal_raises_in_its_call():
    client = Client()
    call = await client.call(1, SingleCall())
    client.dispatcher.deliver([Refused(Code.JOURNAL_FULL, "no space", request_id=1)])
    with pytest.raises(RequestRefused, match="journal_full: no space"):
        await call


async def test_a_call_given_up_is_forgotten_and_its_answer_is_nobody_s():
    client = Client()
    call = await client.call(1)
    call.cancel()
    client.dispatcher.deliver([Orders(0, [], request_id=1)])  # before the cancelled task has run
    await asyncio.wait([call])
    client.dispatcher.deliver([Orders(1, [], request_id=1)])
    assert await client.events.batch() == [Orders(1, [], request_id=1)]


async def test_a_feed_begins_with_the_snapshot_of_its_own_subscription():
    client = Client()
    feed = client.stream()
    client.dispatcher.add_feed(1, feed, request_id=5)
    earlier = [DepthChanged(1, 7, []), snapshot(request_id=4), DepthChanged(1, 1, [])]
    client.dispatcher.deliver([*earlier, snapshot(request_id=5), DepthChanged(1, 8, [])])
    assert await feed.batch() == [snapshot(request_id=5), DepthChanged(1, 8, [])]
    assert len(client.events) == 0


async def test_a_refused_subscription_ends_its_feed():
    client = Client()
    feed = client.stream()
    client.dispatcher.add_feed(1, feed, request_id=5)
    client.dispatcher.deliver([Refused(Code.TOO_MANY_SUBSCRIPTIONS, "at most 256", request_id=5)])
    assert not client.dispatcher.has_feed(1)
    with pytest.raises(RequestRefused, match="too_many_subscriptions"):
        await feed.batch()


@pytest.mark.parametrize("code", [Code.LOGOUT, Code.SUPERSEDED])
async def test_the_end_raises_in_every_call_and_ends_every_stream(code):
    client = Client()
    calls = [await client.call(number) for number in (1, 2)]
    feed = client.stream()
    client.dispatcher.add_feed(1, feed, request_id=5)
    client.dispatcher.end(ConnectionClosed(code, "over"))
    for call in calls:
        with pytest.raises(ConnectionClosed, match="over"):
            await call
    for stream in (client.events, feed):
        if code == Code.LOGOUT:
            assert await stream.batch() == []
        else:
            with pytest.raises(ConnectionClosed, match="superseded: over"):
                await stream.batch()
