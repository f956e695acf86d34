"""Hypothesis strategies: any message, and any valid msgpack for it, not only the forms a library would choose."""

import struct

from hypothesis import strategies as st

from protocol.messages import (
    BYTES,
    BYTES_MAX,
    INTEGER_MAX,
    INTEGER_MIN,
    MESSAGES,
    ROWS,
    TEXT,
    TEXT_BYTES_MAX,
    wire_fields,
)

CLASSES = [MESSAGES[number] for number in sorted(MESSAGES)]

integers = st.integers(INTEGER_MIN["i64"], INTEGER_MAX["i64"])
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=TEXT_BYTES_MAX).filter(
    lambda text: len(text.encode("utf-8")) <= TEXT_BYTES_MAX
)


def values_of(wire):
    """Any value that a field of this wire type can carry."""
    if wire in INTEGER_MAX:
        low, high = INTEGER_MIN[wire], INTEGER_MAX[wire]
        return st.one_of(st.integers(low, high), st.sampled_from((low, high, 0, 1)))
    if wire == TEXT:
        return texts
    if wire == BYTES:
        return st.binary(max_size=BYTES_MAX)
    assert wire == ROWS
    return st.lists(st.lists(st.one_of(integers, texts), max_size=9), max_size=5)


def messages_of(cls):
    return st.builds(cls, **{name: values_of(wire) for name, wire in wire_fields(cls)})


messages = st.sampled_from(CLASSES).flatmap(messages_of)


def values_in(message):
    """-> [type, request_id, ...], what the message is on the wire."""
    return [message.TYPE] + [getattr(message, name) for name, _ in wire_fields(type(message))]


_UNSIGNED = ((0xCC, ">B", 2**8), (0xCD, ">H", 2**16), (0xCE, ">I", 2**32), (0xCF, ">Q", 2**64))
_SIGNED = ((0xD0, ">b", 2**7), (0xD1, ">h", 2**15), (0xD2, ">i", 2**31), (0xD3, ">q", 2**63))


@st.composite
def msgpack_of(draw, value):
    """Any bytes that msgpack allows for this int, text, bytes or list."""
    if type(value) is int:
        forms = [struct.pack(">b", value)] if -32 <= value <= 127 else []
        forms += [bytes((first,)) + struct.pack(form, value) for first, form, end in _UNSIGNED if 0 <= value < end]
        forms += [bytes((first,)) + struct.pack(form, value) for first, form, end in _SIGNED if -end <= value < end]
        return draw(st.sampled_from(forms))
    if type(value) is list:
        head = _head(draw, len(value), (0x90, 16), (None, 0xDC, 0xDD))
        return head + b"".join([draw(msgpack_of(item)) for item in value])
    if type(value) is str:
        data = value.encode("utf-8")
        return _head(draw, len(data), (0xA0, 32), (0xD9, 0xDA, 0xDB)) + data
    assert type(value) is bytes
    return _head(draw, len(value), (0, 0), (0xC4, 0xC5, 0xC6)) + value


def _head(draw, size, fixed, wide):
    """A type byte with the size in it (below a limit), or one followed by the size in 1, 2 or 4 bytes."""
    forms = [bytes((fixed[0] | size,))] if size < fixed[1] else []
    for first, form, end in zip(wide, (">B", ">H", ">I"), (2**8, 2**16, 2**32)):
        if first is not None and size < end:
            forms.append(bytes((first,)) + struct.pack(form, size))
    return draw(st.sampled_from(forms))
