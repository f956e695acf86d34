"""Message <-> frame: a msgpack array `[type, request_id, ...]` behind its length.

We write each field at a fixed width (u8: positive fixint, u32: 0xce, i64: 0xd3), so that a whole message is one
`struct` call: on PyPy 30 ns to write and 16 ns to read, a tenth of what the msgpack library takes for the shortest
form. We read any valid msgpack: what is not in our fixed layout goes through the library. For each message class
whose fields are all numbers, save that the last may be text, a writer and a reader are generated from its fields.
"""

import struct

import attrs
import msgpack

from protocol.errors import FieldError, ProtocolError
from protocol.framing import FRAME_BYTES_MAX, LENGTH_BYTES
from protocol.messages import (
    BYTES,
    BYTES_MAX,
    I64,
    INTEGER_MAX,
    INTEGER_MIN,
    MESSAGES,
    ROWS,
    TEXT,
    TEXT_BYTES_MAX,
    U8,
    U32,
    Code,
    wire_fields,
)

_FORMAT = {U8: "b", U32: "BI", I64: "Bq"}
_MARKER = {U8: None, U32: 0xCE, I64: 0xD3}


def _layout(cls):
    """-> (struct format after the length, [expressions to pack], [(target, expected or None)] to unpack, has_tail),
    or None where a field has no fixed width."""
    fields = wire_fields(cls)
    has_tail = fields[-1][1] == TEXT
    numbers = fields[:-1] if has_tail else fields
    if any(wire not in _FORMAT for _, wire in numbers):
        return None
    count = len(fields) + 1
    if count < 16:
        form, pack, unpack = "Bb", ["%d" % (0x90 | count), "%d" % cls.TYPE], [("h0", 0x90 | count), ("h1", cls.TYPE)]
    else:
        form, pack = "BHb", ["0xdc", "%d" % count, "%d" % cls.TYPE]
        unpack = [("h0", 0xDC), ("h1", count), ("h2", cls.TYPE)]
    for index, (name, wire) in enumerate(numbers):
        form += _FORMAT[wire]
        if _MARKER[wire] is not None:
            pack.append("%d" % _MARKER[wire])
            unpack.append(("m%d" % index, _MARKER[wire]))
        pack.append("m." + name)
        unpack.append((name, None))
    return form, pack, unpack, has_tail


_WRITER = """
def write(buffer, at, m):
    pack_into(buffer, at, {size}, {values})
    return at + {end}
"""

_WRITER_WITH_TAIL = """
def write(buffer, at, m):
    tail = m.{tail}
    if not tail:
        pack_into(buffer, at, {size} + 1, {values}, 0xa0)
        return at + {end}
    tail = tail.encode("utf-8")
    size = len(tail)
    if size < 32:
        pack_into(buffer, at, {size} + 1 + size, {values}, 0xa0 | size)
        at += {end}
    else:
        if size > TEXT_BYTES_MAX:
            raise ValueError("{tail}: %d bytes; at most %d" % (size, TEXT_BYTES_MAX))
        pack_into(buffer, at, {size} + 2 + size, {values}, 0xd9)
        at += {end}
        buffer[at] = size
        at += 1
    buffer[at : at + size] = tail
    return at + size
"""

_READER = """
def read(buffer, start, end):
    if end - start {compare} {size}:
        return None
    ({targets}) = unpack_from(buffer, start)
    if {unexpected}:
        return None
{read_tail}    return cls({arguments})
"""

_READ_TAIL = """
    tail_start = start + {size} + 1
    tail_size = buffer[tail_start - 1] - 0xa0
    if not 0 <= tail_size < 32 or tail_start + tail_size != end:
        return None
    if tail_size:
        try:
            {tail} = buffer[tail_start:end].decode("utf-8")  # str(..., "utf-8") takes surrogates on PyPy
        except UnicodeDecodeError:
            return None
    else:
        {tail} = ""
"""


def _arguments(cls):
    """[(name, must be given by keyword), ...], positional ones first."""
    return sorted(((a.name, a.kw_only) for a in attrs.fields(cls)), key=lambda pair: pair[1])


def _generate(cls):
    """-> (write, read) as WRITERS and _READERS hold them, or None where _layout gives none."""
    layout = _layout(cls)
    if layout is None:
        return None
    form, pack, unpack, has_tail = layout
    size = struct.calcsize(">" + form)
    unexpected = ["%s != %d" % (name, value) for name, value in unpack if value is not None]
    unexpected += ["%s < 0" % name for name, wire in wire_fields(cls) if wire == U8]
    tail = wire_fields(cls)[-1][0] if has_tail else ""
    arguments = ["%s=%s" % (name, name) if keyword else name for name, keyword in _arguments(cls)]
    source = (_WRITER_WITH_TAIL if has_tail else _WRITER).format(
        size=size, end=LENGTH_BYTES + size + (1 if has_tail else 0), values=", ".join(pack), tail=tail
    )
    source += _READER.format(
        compare="<=" if has_tail else "!=",
        size=size,
        targets=", ".join(name for name, _ in unpack) + ",",
        unexpected=" or ".join(unexpected),
        read_tail=_READ_TAIL.format(size=size, tail=tail) if has_tail else "",
        arguments=", ".join(arguments),
    )
    names = {
        "pack_into": struct.Struct(">I" + form + ("B" if has_tail else "")).pack_into,
        "unpack_from": struct.Struct(">" + form).unpack_from,
        "cls": cls,
        "TEXT_BYTES_MAX": TEXT_BYTES_MAX,
    }
    exec(compile(source, "<codec of %s>" % cls.__name__, "exec"), names)
    return names["write"], names["read"]


_write_length = struct.Struct(">I").pack
_packer = msgpack.Packer(autoreset=True)


def _write_any(message):
    """The frame of a message that has no fixed layout. Raises ValueError where it would exceed FRAME_BYTES_MAX."""
    values = [message.TYPE] + [getattr(message, name) for name, _ in wire_fields(type(message))]
    payload = _packer.pack(values)
    if len(payload) > FRAME_BYTES_MAX:
        raise ValueError("%s of %d bytes; at most %d" % (type(message).__name__, len(payload), FRAME_BYTES_MAX))
    return _write_length(len(payload)) + payload


def with_request_id(frame, request_id):
    """-> the same message with another request_id; `frame`: of a message without a fixed layout, whose own is 0."""
    at = LENGTH_BYTES + 2  # behind the array's head and the type
    payload = frame[LENGTH_BYTES:at] + _packer.pack(request_id) + frame[at + 1 :]
    return _write_length(len(payload)) + payload


def _read_nothing(buffer, start, end):
    return None


#: No frame of a fixed layout is longer.
FIXED_FRAME_BYTES_MAX = 512

#: type number -> write(buffer, at, message) -> where the frame ends; None where the class has no fixed layout. The
#: buffer is a bytearray with FIXED_FRAME_BYTES_MAX bytes to spare; raises as encode(), or struct.error.
WRITERS = [None] * 128
#: type number -> read(buffer, start, end) -> message, or None where the bytes are not in our fixed layout
_READERS = [_read_nothing] * 128
for _cls in MESSAGES.values():
    _pair = _generate(_cls)
    if _pair:
        WRITERS[_cls.TYPE], _READERS[_cls.TYPE] = _pair

_scratch = bytearray(FIXED_FRAME_BYTES_MAX)


def encode(message):
    """-> the frame, length included. Raises ValueError for a field of a wrong type, or that does not fit it.

    For the sake of speed a negative u8 is not seen here; who reads it refuses it.
    """
    write = WRITERS[message.TYPE]
    if write is None:
        return _write_any(message)
    try:
        return bytes(_scratch[: write(_scratch, 0, message)])
    except (struct.error, AttributeError) as error:  # AttributeError: a number where text is due
        raise ValueError("%r: %s" % (message, error)) from None


def decode(buffer, start=0, end=None):
    """-> the message whose payload is buffer[start:end] (bytes).

    Raises ProtocolError where the bytes are not a msgpack array with a type and a request id, FieldError where they
    are, but the type is unknown or a field is missing, of the wrong type or out of its range.
    """
    if end is None:
        end = len(buffer)
    if end - start > 3:
        first = buffer[start]
        type_number = buffer[start + 1] if first < 0xDC else buffer[start + 3]
        if type_number < 128:
            message = _READERS[type_number](buffer, start, end)
            if message is not None:
                return message
    return decode_values(_unpack(buffer[start:end]))


def _unpack(payload):
    """No message has a map. One becomes a tuple, never a dict: its sender could choose keys that have one hash."""
    try:
        values = msgpack.unpackb(
            payload, unicode_errors="surrogateescape", strict_map_key=False, object_pairs_hook=tuple
        )
    except (ValueError, RecursionError, TypeError, msgpack.UnpackException) as error:
        raise ProtocolError(Code.MALFORMED, "not msgpack: %s" % (str(error) or type(error).__name__)) from None
    if type(values) is not list or len(values) < 2:
        raise ProtocolError(Code.MALFORMED, "not a msgpack array [type, request_id, ...]")
    return values


def decode_values(values):
    """-> the message of an unpacked array. Raises as decode()."""
    type_number, request_id = values[0], values[1]
    if type(type_number) is not int or type(request_id) is not int:
        raise ProtocolError(Code.MALFORMED, "type and request_id must be integers")
    if not INTEGER_MIN[I64] <= request_id <= INTEGER_MAX[I64]:
        raise ProtocolError(Code.MALFORMED, "request_id out of range")
    cls = MESSAGES.get(type_number)
    if cls is None:
        raise FieldError(request_id, Code.UNKNOWN_MESSAGE_TYPE, "no message has type %d" % type_number)
    fields = wire_fields(cls)
    if len(values) != len(fields) + 1:
        raise FieldError(
            request_id,
            Code.INVALID_FIELD,
            "%s has %d elements, not %d" % (cls.__name__, len(fields) + 1, len(values)),
        )
    arguments = {}
    for (name, wire), value in zip(fields, values[1:]):
        problem = _problem(wire, value)
        if problem:
            raise FieldError(request_id, Code.INVALID_FIELD, "%s.%s: %s" % (cls.__name__, name, problem))
        arguments[name] = value
    return cls(**arguments)


def _problem(wire, value):
    """What is wrong with `value` as a field of type `wire`, or None."""
    if wire in INTEGER_MAX:
        if type(value) is not int:
            return "must be an integer"
        if not INTEGER_MIN[wire] <= value <= INTEGER_MAX[wire]:
            return "out of range for %s" % wire
    elif wire == TEXT:
        if type(value) is not str:
            return "must be text"
        try:
            size = len(value.encode("utf-8"))
        except UnicodeEncodeError:
            return "must be UTF-8"
        if size > TEXT_BYTES_MAX:
            return "at most %d bytes" % TEXT_BYTES_MAX
    elif wire == BYTES:
        if type(value) is not bytes:
            return "must be bytes"
        if len(value) > BYTES_MAX:
            return "at most %d bytes" % BYTES_MAX
    elif wire == ROWS:
        if type(value) is not list or any(type(row) is not list for row in value):
            return "must be an array of arrays"
    return None
