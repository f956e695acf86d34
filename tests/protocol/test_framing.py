"""A stream is cut into the same frames however it arrives, and a frame that is too large is known by its length."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import ProtocolError
from protocol.framing import FRAME_BYTES_MAX, FrameReader
from protocol.messages import Code

PAYLOADS = [b"", b"a", b"bc", bytes(300), b"d" * 7]


def frame(payload):
    return struct.pack(">I", len(payload)) + payload


def cut(reader, data):
    """-> the payloads of the frames that `data` completes."""
    buffer, ends = reader.feed(data)
    starts = [0] + ends
    return [buffer[start + 4 : end] for start, end in zip(starts, ends)]


def test_frames_split_at_every_byte_are_the_same_frames():
    stream = b"".join([frame(payload) for payload in PAYLOADS])
    for split in range(len(stream) + 1):
        reader = FrameReader()
        assert cut(reader, stream[:split]) + cut(reader, stream[split:]) == PAYLOADS


def test_frames_that_come_byte_by_byte_are_the_same_frames():
    reader = FrameReader()
    stream = b"".join([frame(payload) for payload in PAYLOADS])
    found = []
    for at in range(len(stream)):
        found += cut(reader, stream[at : at + 1])
    assert found == PAYLOADS


@given(st.lists(st.binary(max_size=100)), st.lists(st.integers(1, 150)))
def test_any_frames_in_any_pieces_are_the_same_frames(payloads, pieces):
    reader = FrameReader()
    stream = b"".join([frame(payload) for payload in payloads])
    found = []
    for size in pieces:
        found += cut(reader, stream[:size])
        stream = stream[size:]
    assert found + cut(reader, stream) == payloads


def test_the_largest_frame_is_taken():
    assert cut(FrameReader(), frame(bytes(FRAME_BYTES_MAX))) == [bytes(FRAME_BYTES_MAX)]


def test_a_larger_one_is_refused_on_its_length_alone():
    reader = FrameReader()
    assert cut(reader, struct.pack(">I", FRAME_BYTES_MAX + 1)) == []
    assert reader.error.code == Code.FRAME_TOO_LARGE


def test_what_came_before_a_frame_too_large_is_still_given_and_nothing_after():
    reader = FrameReader()
    assert cut(reader, frame(b"good") + b"\xff\xff\xff\xff" + frame(b"never")) == [b"good"]
    with pytest.raises(ProtocolError, match="frame of 4294967295 bytes; at most 65536"):
        reader.feed(frame(b"never"))


@given(st.lists(st.binary(max_size=50)))
def test_random_bytes_are_frames_or_too_large(chunks):
    reader = FrameReader(frame_bytes_max=1000)
    for chunk in chunks:
        if reader.error is None:
            assert all(len(payload) <= 1000 for payload in cut(reader, chunk))
        else:
            with pytest.raises(ProtocolError):
                reader.feed(chunk)


def test_a_reader_holds_no_more_than_one_unfinished_frame():
    reader = FrameReader()
    cut(reader, frame(bytes(FRAME_BYTES_MAX)) * 3 + frame(bytes(FRAME_BYTES_MAX))[:-1])
    assert len(reader._held) == FRAME_BYTES_MAX + 3
