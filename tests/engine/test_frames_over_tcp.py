"""Whatever bytes come: the session is closed with a reason, the state and everyone else are untouched."""

import random
import struct

import msgpack
import pytest

from protocol import codec
from protocol.framing import FRAME_BYTES_MAX
from protocol.messages import (
    CancelOrder,
    Code,
    CommandRejected,
    InstrumentDefined,
    OrderAccepted,
    PlaceOrder,
    Refused,
    SessionClosed,
)
from tests.engine.attack import attacking, framed
from tests.harness import Venue, buy, eventually, instrument, peer, sell, serving


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path)


MALFORMED = {
    "empty": b"",
    "not an array": msgpack.packb(10),
    "map": msgpack.packb({10: 1}),
    "empty array": b"\x90",
    "no request id": b"\x91\x0a",
    "type is text": msgpack.packb(["10", 1]),
    "type is true": msgpack.packb([True, 1]),
    "request id is text": msgpack.packb([10, "1"]),
    "request id is a float": msgpack.packb([10, 1.0]),
    "request id is above i64": msgpack.packb([10, 2**63]),
    "never used byte": b"\xc1",
    "array cut short": msgpack.packb([11, 1, 1, 1])[:-1],
    "bytes after the array": msgpack.packb([11, 1, 1, 1]) + b"\x00",
    "array that claims four billion elements": b"\xdd\xff\xff\xff\xff\x0b\x01",
    "text that claims four gigabytes": b"\x93\x0a\x01\xdb\xff\xff\xff\xff",
    "nested a thousand deep": b"\x91" * 1000 + b"\x00",
    "nested as deep as a frame allows": b"\x91" * (FRAME_BYTES_MAX - 1) + b"\x00",
    "a timestamp of wrong size": b"\x93\x0a\x01\xc7\x03\xff\x00\x00\x00",
}


@pytest.mark.parametrize("payload", list(MALFORMED.values()), ids=list(MALFORMED))
async def test_a_frame_that_is_no_message_closes_the_session_as_malformed(venue, payload):
    async with attacking(venue) as attack:
        attack.attacker.write(framed(payload))
        assert await attack.closed() == Code.MALFORMED
        assert await attack.unchanged()


async def test_what_came_before_a_malformed_frame_is_executed_and_what_comes_after_is_not(venue):
    async with attacking(venue) as attack:
        order = codec.encode(buy(100, 1))
        attack.attacker.write(order + framed(b"\xc1") + order * 3)
        assert [type(m) for m in await attack.attacker.rest()] == [SessionClosed]
        assert attack.server.sequencer.event_seq == attack.before[0] + 1


async def test_a_frame_too_large_is_refused_on_its_length_alone(venue):
    async with attacking(venue) as attack:
        attack.attacker.write(struct.pack(">I", FRAME_BYTES_MAX + 1))
        assert await attack.closed() == Code.FRAME_TOO_LARGE
        assert await attack.unchanged()


async def test_the_largest_frame_is_read(venue):
    async with attacking(venue) as attack:
        empty = len(msgpack.packb([10, 1] + [1] * 9 + [b""], use_bin_type=True))
        filler = b"x" * (FRAME_BYTES_MAX - empty - 1)
        payload = msgpack.packb([10, 1] + [1] * 9 + [filler])
        assert len(payload) == FRAME_BYTES_MAX
        attack.attacker.write(framed(payload))
        assert (await attack.attacker.until(Refused))[0].code == Code.INVALID_FIELD
        assert await attack.unchanged()


async def test_a_map_is_a_wrong_value_whatever_its_keys_are(venue):
    async with attacking(venue) as attack:
        attack.attacker.write(framed(b"\x94\x0b\x01\x00\x81\x90\x01"))  # CancelOrder, its id a map with a list as key
        assert (await attack.attacker.until(Refused))[0].code == Code.INVALID_FIELD
        assert await attack.unchanged()


async def test_a_client_that_vanishes_in_the_middle_of_a_frame_leaves_nothing_behind(venue):
    order = codec.encode(buy(100, 1))
    async with serving(venue) as core, peer(core.trusted_port, venue.trusted) as operator:
        await operator.ask(instrument(), InstrumentDefined)
        for length in range(1, len(order)):
            async with peer(core.port, venue.traders[0]) as attacker:
                attacker.write(order[:length])
                attacker.writer.write_eof()
                assert await attacker.rest() == []
        await eventually(lambda: len(core.server.connections) == 1)
        assert core.server.sequencer.exchange.orders.number == 0


async def test_requests_that_come_byte_by_byte_are_requests(venue):
    async with attacking(venue) as attack:
        for byte in codec.encode(sell(5000, 4, client_order_id="drop-by-drop")):
            attack.attacker.write(bytes((byte,)))
            await attack.attacker.writer.drain()
        accepted = (await attack.attacker.until(OrderAccepted))[-1]
        assert (accepted.filled_quantity, accepted.client_order_id) == (4, "drop-by-drop")


def test_frames_of_the_shortest_encoding_are_what_fixed_ones_are():
    values = [PlaceOrder.TYPE, 1, 0, 1, 1, 1, 1, 0, 5000, 10, 1, 0, 0, 0, 0, "a"]
    short = codec.decode(msgpack.packb(values))
    assert short == codec.decode(codec.encode(short)[4:])


async def test_random_bytes_and_damaged_frames_close_one_session_and_touch_nothing_else(venue):
    chance = random.Random(20)
    valid = codec.encode(CancelOrder(0, 12345, request_id=1))
    async with serving(venue) as core, peer(core.port, venue.traders[1]) as bystander:
        for round_number in range(150):
            async with peer(core.port, venue.traders[0]) as attacker:
                if round_number % 2:
                    data = bytes(chance.getrandbits(8) for _ in range(chance.randint(1, 400)))
                else:
                    data = bytearray(valid * 8)
                    for _ in range(chance.randint(1, 6)):
                        data[chance.randrange(len(data))] = chance.getrandbits(8)
                attacker.write(bytes(data))
                attacker.writer.write_eof()
                for message in await attacker.rest():
                    assert type(message) in (CommandRejected, Refused, SessionClosed), message
            assert (await bystander.ask(CancelOrder(0, 1), CommandRejected)).code == Code.UNKNOWN_ORDER
        assert core.server.failure is None and core.server.sequencer.exchange.orders.number == 0
        core.server.sequencer.exchange.check()
