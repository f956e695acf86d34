"""Whatever bytes come: the session is refused or closed with a reason, the state and everyone else are untouched."""

import contextlib
import random
import struct

import attrs
import msgpack
import pytest

from engine.snapshot import state_hash
from protocol import codec
from protocol.framing import FRAME_BYTES_MAX
from protocol.messages import (
    BYTES,
    I64,
    INTEGER_MAX,
    INTEGER_MIN,
    MESSAGES,
    ROWS,
    TEXT,
    U8,
    U32,
    AmendOrder,
    CancelAll,
    CancelOrder,
    CancelReason,
    Code,
    Command,
    CommandRejected,
    Heartbeat,
    InstrumentDefined,
    Logout,
    OrderAccepted,
    PlaceOrder,
    QueryAccount,
    QueryBalances,
    QueryDepth,
    QueryInstruments,
    QueryOpenOrders,
    QueryOrder,
    QueryStatistics,
    Refused,
    SessionClosed,
    Subscribe,
    Tick,
    Unsubscribe,
    wire_fields,
)
from tests.harness import Venue, buy, eventually, instrument, peer, sell, serving

COMMANDS = (PlaceOrder, CancelOrder, AmendOrder, CancelAll)
TRUSTED_COMMANDS = tuple(cls for cls in MESSAGES.values() if issubclass(cls, Command) and cls is not Tick)
QUERIES = (QueryOrder, QueryOpenOrders, QueryDepth, QueryInstruments, QueryBalances, QueryAccount)
SESSION = (Heartbeat, Logout, Subscribe, Unsubscribe)
DEFAULTS = {U8: 1, U32: 1, I64: 1, TEXT: "a", BYTES: b"a", ROWS: []}


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path)


@attrs.define
class Attack:
    """A venue with an order in the book: `attacker` may do what it likes, `unchanged` says whether it mattered."""

    server: object
    attacker: object
    bystander: object
    before: tuple

    async def unchanged(self):
        """The state is what it was and a bystander is served; -> to be asserted."""
        is_same = state_of(self.server) == self.before
        rejected = await self.bystander.ask(CancelOrder(0, 1), CommandRejected)
        self.before = state_of(self.server)
        return is_same and rejected.code == Code.UNKNOWN_ORDER

    async def closed(self):
        """-> the code the attacker's session was closed with; it got nothing else."""
        messages = await self.attacker.rest()
        assert [type(message) for message in messages] == [SessionClosed], messages
        return messages[0].code


@contextlib.asynccontextmanager
async def attacking(venue, is_trusted=False):
    """-> Attack; the attacker is a trader, or a trusted session."""
    async with contextlib.AsyncExitStack() as stack:
        core = await stack.enter_async_context(serving(venue))
        async with peer(core.trusted_port, venue.trusted) as operator:
            await operator.ask(instrument(), InstrumentDefined)
        bystander = await stack.enter_async_context(peer(core.port, venue.traders[1]))
        await bystander.ask(buy(5000, 10), OrderAccepted)
        port, key = (core.trusted_port, venue.trusted) if is_trusted else (core.port, venue.traders[0])
        attacker = await stack.enter_async_context(peer(port, key))
        yield Attack(core.server, attacker, bystander, state_of(core.server))


def state_of(server):
    """Every command has an event, but for the Tick of an idle core, which may come at any time."""
    return server.sequencer.event_seq, state_hash(server.sequencer.exchange)


def framed(payload):
    return struct.pack(">I", len(payload)) + payload


def values_of(cls):
    """-> [type, request_id, ...] of a message with a plausible value in each field."""
    return [cls.TYPE] + [DEFAULTS[wire] for _, wire in wire_fields(cls)]


def wrong_values(wire):
    """What a field of this type cannot be."""
    wrong = [None, True, 1.0, {}, [], [1], b"x" * 300, "x" * 256, msgpack.ExtType(5, b"x"), 2**64 - 1]
    if wire in INTEGER_MAX:
        wrong += ["1", b"1", -(2**63)] if wire != I64 else ["1", b"1", 2**63]
        wrong += [INTEGER_MAX[wire] + 1] + ([INTEGER_MIN[wire] - 1] if wire != I64 else [])
    if wire == TEXT:
        wrong += [1, b"a", "\ud800"]
    return wrong


def packed(values):
    return framed(msgpack.packb(values, unicode_errors="surrogatepass"))


@pytest.mark.parametrize("is_trusted", [False, True])
async def test_a_field_of_a_wrong_type_or_out_of_its_range_is_refused_by_name_and_the_session_lives(venue, is_trusted):
    allowed = (TRUSTED_COMMANDS if is_trusted else COMMANDS) + QUERIES + SESSION
    async with attacking(venue, is_trusted) as attack:
        expected = []
        for cls in allowed:
            for index, (name, wire) in enumerate(wire_fields(cls)[1:], start=2):
                for wrong in wrong_values(wire):
                    values = values_of(cls)
                    values[1] = len(expected) + 1
                    values[index] = wrong
                    attack.attacker.write(packed(values))
                    expected.append((values[1], "%s.%s" % (cls.__name__, name)))
        refused = await attack.attacker.until(Refused, len(expected))
        assert all(message.code == Code.INVALID_FIELD for message in refused)
        assert [(message.request_id, message.text.partition(":")[0]) for message in refused] == expected
        assert len(expected) > 300 and await attack.unchanged()


async def test_elements_too_few_or_too_many_are_refused(venue):
    async with attacking(venue, is_trusted=True) as attack:
        count = 0
        for cls in TRUSTED_COMMANDS + QUERIES + SESSION:
            values = values_of(cls)
            shorter = [values[:length] for length in range(2, len(values))]
            for wrong in shorter + [values + [0], values + [0] * 20]:
                attack.attacker.write(packed(wrong))
                count += 1
        refused = await attack.attacker.until(Refused, count)
        assert len(refused) == count and {message.code for message in refused} == {Code.INVALID_FIELD}
        assert await attack.unchanged()


async def test_types_that_do_not_exist_are_refused(venue):
    unknown = [number for number in range(130) if number not in MESSAGES] + [255, 2**40, -1, -(2**63), 2**64 - 1]
    async with attacking(venue) as attack:
        for number in unknown:
            attack.attacker.write(packed([number, 77, 1]))
        refused = await attack.attacker.until(Refused, len(unknown))
        assert {(m.code, m.request_id) for m in refused} == {(Code.UNKNOWN_MESSAGE_TYPE, 77)}
        assert await attack.unchanged()


@pytest.mark.parametrize("is_trusted", [False, True])
async def test_what_is_not_for_a_session_to_send_is_refused(venue, is_trusted):
    """Ticks, events, answers, the feed, the login again, and for a trader what is the operator's."""
    allowed = COMMANDS + QUERIES + SESSION
    if is_trusted:
        allowed += TRUSTED_COMMANDS + (QueryStatistics,)
    forbidden = [cls for cls in MESSAGES.values() if cls not in allowed]
    async with attacking(venue, is_trusted) as attack:
        for request_id, cls in enumerate(forbidden, start=1):
            values = values_of(cls)
            values[1] = request_id
            attack.attacker.write(packed(values))
        refused = await attack.attacker.until(Refused, len(forbidden))
        assert [(m.request_id, m.code) for m in refused] == [
            (request_id, Code.NOT_ALLOWED) for request_id in range(1, len(forbidden) + 1)
        ]
        assert len(forbidden) > 20 and await attack.unchanged()


async def test_a_trader_may_neither_act_nor_look_for_another_account(venue):
    others = [sell(5000, 10, account=2), CancelOrder(2, 1), AmendOrder(2, 1, 1, 1), CancelAll(2)]
    others += [
        QueryOrder(2, 1),
        QueryOpenOrders(2),
        QueryDepth(2, 1),
        QueryInstruments(2),
        sell(1, 1, account=2**32 - 1),
    ]
    async with attacking(venue) as attack:
        attack.attacker.send(*others)
        refused = await attack.attacker.until(Refused, len(others))
        assert {message.code for message in refused} == {Code.NOT_ALLOWED} and len(refused) == len(others)
        assert await attack.unchanged()


@pytest.mark.parametrize("is_trusted", [False, True])
async def test_the_reason_of_a_cancel_on_disconnect_cannot_be_forged(venue, is_trusted):
    async with attacking(venue, is_trusted) as attack:
        for reason in (0, 1, CancelReason.DISCONNECT, CancelReason.IOC_REMAINDER, 127):
            attack.attacker.send(CancelAll(1, reason=reason))
        refused = await attack.attacker.until(Refused, 5)
        assert {message.code for message in refused} == {Code.NOT_ALLOWED} and len(refused) == 5
        assert await attack.unchanged()


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
    "a map with a list as key": b"\x94\x0a\x01\x81\x90\x01\x01",
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
        assert attack.server.sequencer.exchange.seq == attack.before[0] + 1


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
