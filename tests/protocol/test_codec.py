"""Messages survive the wire in every valid form, and what is no message is told apart from what is a wrong one."""

import random
import struct

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.codec import decode, encode
from protocol.errors import FieldError, ProtocolError
from protocol.framing import FRAME_BYTES_MAX
from protocol.messages import (
    BYTES,
    INTEGER_MAX,
    INTEGER_MIN,
    MESSAGES,
    ROWS,
    TEXT,
    CancelOrder,
    Code,
    Orders,
    PlaceOrder,
    SessionClosed,
    wire_fields,
)
from tests.protocol.strategies import CLASSES, messages, messages_of, msgpack_of, values_in

EVERY_CLASS = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


def every_field(*wires):
    """Parametrize by (cls, name, wire): the fields of all messages, or those of some wire types."""
    fields = [(cls, name, wire) for cls in CLASSES for name, wire in wire_fields(cls)[1:] if not wires or wire in wires]
    return pytest.mark.parametrize("cls, name, wire", fields, ids=lambda part: getattr(part, "__name__", part))


SAMPLE = {TEXT: "abc", BYTES: b"abc", ROWS: [[1, 2]]}


def sample(cls):
    """-> [type, request_id, ...] of some message of the class."""
    return [cls.TYPE, 77] + [SAMPLE.get(wire, 5) for _, wire in wire_fields(cls)[1:]]


@EVERY_CLASS
@given(data=st.data())
def test_a_message_survives_the_wire_in_our_form_and_in_a_library_s(cls, data):
    message = data.draw(messages_of(cls))
    frame = encode(message)
    assert struct.unpack_from(">I", frame) == (len(frame) - 4,)
    assert decode(frame, 4) == message
    assert msgpack.unpackb(frame[4:]) == values_in(message)
    assert decode(msgpack.packb(values_in(message))) == message


@settings(max_examples=300)
@given(st.data())
def test_every_valid_form_is_read(data):
    message = data.draw(messages)
    assert decode(data.draw(msgpack_of(values_in(message)))) == message


@given(messages, st.binary(max_size=20), st.binary(max_size=20))
def test_a_message_is_read_from_the_middle_of_a_buffer(message, before, after):
    payload = encode(message)[4:]
    assert decode(before + payload + after, len(before), len(before) + len(payload)) == message


@EVERY_CLASS
def test_a_request_id_of_another_kind_is_malformed(cls):
    for wrong in ("1", None, True, 1.0, [], 2**63):
        values = sample(cls)
        values[1] = wrong
        with pytest.raises(ProtocolError) as caught:
            decode(msgpack.packb(values))
        assert caught.value.code == Code.MALFORMED


@every_field()
def test_a_field_of_a_wrong_type_is_named(cls, name, wire):
    right = {TEXT: str, BYTES: bytes, ROWS: list}.get(wire, int)
    for wrong in (5, "text", b"bytes", [[1]], None, True, 1.5, {1: 2}, [1], msgpack.ExtType(5, b"x")):
        if type(wrong) is right and wrong != [1]:
            continue
        refused(cls, name, wrong)


@pytest.mark.parametrize("wire", sorted(INTEGER_MAX))
def test_every_integer_type_has_its_fields_checked_at_both_ends(wire):
    for cls in CLASSES:
        for name, its_wire in wire_fields(cls)[1:]:
            if its_wire == wire:
                taken(cls, name, INTEGER_MAX[wire])
                taken(cls, name, INTEGER_MIN[wire])
                if wire != "i64":  # msgpack has no integer below i64
                    refused(cls, name, INTEGER_MIN[wire] - 1)
                refused(cls, name, INTEGER_MAX[wire] + 1)


@every_field("u8")
def test_a_negative_u8_in_our_own_layout_is_refused_too(cls, name, wire):
    message = decode(msgpack.packb(sample(cls)))
    setattr(message, name, -1)
    with pytest.raises(FieldError, match=r"%s\.%s: out of range for u8" % (cls.__name__, name)):
        decode(encode(message), 4)


@every_field(TEXT, BYTES)
def test_text_and_bytes_are_at_most_255_bytes(cls, name, wire):
    if wire == TEXT:
        taken(cls, name, "x" * 255)
        refused(cls, name, "x" * 256)
        refused(cls, name, "é" * 128)
    else:
        taken(cls, name, bytes(255))
        refused(cls, name, bytes(256))


def test_text_that_is_not_utf_8_is_refused_by_name():
    payload = encode(SessionClosed(5, "abc", request_id=77))[4:].replace(b"abc", b"a\xffc")
    with pytest.raises(FieldError, match=r"SessionClosed\.text: must be UTF-8"):
        decode(payload)


@EVERY_CLASS
def test_a_missing_and_an_extra_element_are_refused(cls):
    shorter, longer = sample(cls)[:-1], sample(cls) + [0]
    for values in (shorter, longer) if len(shorter) > 1 else (longer,):  # without a request_id it is malformed
        with pytest.raises(FieldError) as caught:
            decode(msgpack.packb(values))
        assert (caught.value.request_id, caught.value.code) == (77, Code.INVALID_FIELD)
        assert caught.value.text == "%s has %d elements, not %d" % (cls.__name__, len(sample(cls)), len(values))


@pytest.mark.parametrize("number", sorted(set(range(-40, 140)) - set(MESSAGES)) + [2**40, -(2**40)])
def test_an_unknown_type_is_refused_and_the_session_goes_on(number):
    with pytest.raises(FieldError) as caught:
        decode(msgpack.packb([number, 9, "whatever", 5]))
    assert (caught.value.request_id, caught.value.code) == (9, Code.UNKNOWN_MESSAGE_TYPE)


MALFORMED = {
    "nothing": b"",
    "a number": b"\x05",
    "nil": b"\xc0",
    "text": b"\xa5hello",
    "a map": b"\x82\x0a\x01\x0b\x01",
    "an empty array": b"\x90",
    "only a type": b"\x91\x05",
    "a type that is text": b"\x92\xa1x\x01",
    "a type that is true": b"\x92\xc3\x01",
    "an array that ends early": b"\x93\x05\x01",
    "bytes after the array": b"\x92\x05\x01\x00",
    "the byte msgpack never uses": b"\x92\x05\xc1",
    "an array of four billion": b"\xdd\xff\xff\xff\xff",
    "bytes of four billion": b"\x92\x05\xc6\xff\xff\xff\xff",
    "text of four billion": b"\x92\x05\xdb\xff\xff\xff\xff",
    "arrays in arrays without an end": b"\x91" * 60_000,
    "a timestamp out of range": b"\x93\x05\x01\xc7\x0c\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00",
}


def test_a_map_is_a_wrong_value_whatever_its_keys_are():
    """None is ever made: its keys, timestamps say, could be chosen so that all have one hash."""
    an_array_for_a_key = b"\x81\x90\x01"
    payload = b"\x94" + bytes([CancelOrder.TYPE, 9, 1]) + an_array_for_a_key
    with pytest.raises(FieldError) as caught:
        decode(payload)
    assert (caught.value.code, caught.value.request_id) == (Code.INVALID_FIELD, 9)


@pytest.mark.parametrize("payload", list(MALFORMED.values()), ids=list(MALFORMED))
def test_what_is_no_message_closes_the_session(payload):
    with pytest.raises(ProtocolError) as caught:
        decode(payload)
    assert caught.value.code == Code.MALFORMED


@given(st.binary(max_size=200))
def test_random_bytes_are_a_message_or_one_of_two_errors(payload):
    read(payload)


@given(messages, st.integers(0, 2**32))
def test_changed_bytes_are_a_message_or_one_of_two_errors(message, seed):
    chance = random.Random(seed)
    payload = bytearray(encode(message)[4:])
    for _ in range(chance.randrange(1, 4)):
        payload[chance.randrange(len(payload))] = chance.randrange(256)
    read(bytes(payload))


@given(messages, st.data())
def test_a_message_that_ends_early_is_no_message(message, data):
    payload = encode(message)[4:]
    end = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(ProtocolError):
        decode(payload, 0, end)


def test_a_field_that_does_not_fit_is_not_written():
    order = dict(account=1, instrument=1, side=1, order_type=1, time_in_force=1, post_only=0, price=1, quantity=1)
    encode(PlaceOrder(**order))
    for name, wrong in (
        ("instrument", -1),
        ("instrument", 2**32),
        ("side", 128),
        ("price", 2**63),
        ("price", 1.5),
        ("price", "1"),
        ("client_order_id", "x" * 256),
        ("client_order_id", 5),
        ("client_order_id", "\udcff"),
    ):
        with pytest.raises(ValueError):
            encode(PlaceOrder(**{**order, name: wrong}))


def test_a_message_larger_than_a_frame_is_not_written():
    row = ["x" * 255] * 9
    whole_rows = FRAME_BYTES_MAX // len(msgpack.packb(row))
    assert len(encode(Orders(0, [row] * whole_rows))) <= FRAME_BYTES_MAX + 4
    with pytest.raises(ValueError, match="at most 65536"):
        encode(Orders(0, [row] * (whole_rows + 1)))


def test_the_error_carries_the_request_id_to_answer():
    payload = msgpack.packb([CancelOrder.TYPE, 123456, 0, "no number"])
    with pytest.raises(FieldError) as caught:
        decode(payload)
    assert caught.value.request_id == 123456
    assert caught.value.text == "CancelOrder.order_id: must be an integer"


def read(payload):
    """Decode, and hold that a message read is one that can be written again (what is in rows is not looked at)."""
    try:
        message = decode(payload)
    except (ProtocolError, FieldError):
        return
    if all(wire != ROWS for _, wire in wire_fields(type(message))):
        assert decode(encode(message), 4) == message


def with_field(cls, name, value):
    values = sample(cls)
    names = [field for field, _ in wire_fields(cls)]
    values[1 + names.index(name)] = value
    return msgpack.packb(values)


def taken(cls, name, value):
    assert getattr(decode(with_field(cls, name, value)), name) == value


def refused(cls, name, value):
    with pytest.raises(FieldError) as caught:
        decode(with_field(cls, name, value))
    assert (caught.value.request_id, caught.value.code) == (77, Code.INVALID_FIELD)
    assert caught.value.text.startswith("%s.%s: " % (cls.__name__, name))
