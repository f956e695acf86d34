"""Requests with wrong fields, of wrong kinds, for others: refused by name; session and state live on untouched."""

import msgpack
import pytest

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
    Heartbeat,
    Logout,
    PlaceOrder,
    QueryAccount,
    QueryBalances,
    QueryDepth,
    QueryInstruments,
    QueryOpenOrders,
    QueryOrder,
    QueryStatistics,
    Refused,
    Subscribe,
    Tick,
    Unsubscribe,
    wire_fields,
)
from tests.engine.attack import attacking, framed
from tests.harness import Venue, sell

COMMANDS = (PlaceOrder, CancelOrder, AmendOrder, CancelAll)
TRUSTED_COMMANDS = tuple(cls for cls in MESSAGES.values() if issubclass(cls, Command) and cls is not Tick)
QUERIES = (QueryOrder, QueryOpenOrders, QueryDepth, QueryInstruments, QueryBalances, QueryAccount)
SESSION = (Heartbeat, Logout, Subscribe, Unsubscribe)
DEFAULTS = {U8: 1, U32: 1, I64: 1, TEXT: "a", BYTES: b"a", ROWS: []}


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path)


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
