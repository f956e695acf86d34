"""What waits for a slow client: events all, states once and late."""

import pytest

from gateway.streams.frames import payload_of, text_frame
from gateway.streams.outbox import Outbox


def drained(outbox):
    found = []
    while len(outbox):
        found.append(outbox.pop())
    return found


def test_events_keep_their_order():
    outbox = Outbox()
    assert all(outbox.put(frame) for frame in (b"one", b"two", b"one"))
    assert drained(outbox) == [b"one", b"two", b"one"]


def test_a_state_waits_once_and_is_the_latest():
    outbox, now = Outbox(), [b"old"]
    source = lambda: now[0]  # noqa: E731 - the same one twice
    outbox.put_latest(source)
    outbox.put(b"event")
    outbox.put_latest(source)
    now[0] = b"new"
    assert drained(outbox) == [b"new", b"event"]
    outbox.put_latest(source)
    assert drained(outbox) == [b"new"]


def test_a_state_that_is_not_wanted_any_more():
    outbox = Outbox()
    source = lambda: b"state"  # noqa: E731
    outbox.put_latest(source)
    outbox.drop(source)
    outbox.drop(source)
    assert drained(outbox) == []


@pytest.mark.parametrize("limits", [{"messages_max": 2}, {"bytes_max": 6}])
def test_an_event_without_room_is_refused(limits):
    outbox = Outbox(**limits)
    assert [outbox.put(b"abc") for _ in range(3)] == [True, True, False]
    outbox.pop()
    assert outbox.put(b"abc")


@pytest.mark.parametrize("size, head", [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_frames(size, head):
    payload = b"x" * size
    frame = text_frame(payload)
    assert (frame[0], len(frame), payload_of(frame)) == (0x81, head + size, payload)
