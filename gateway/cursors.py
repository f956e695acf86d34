"""Where a page ended, as opaque text: keyset pages go on after it, whatever was added meanwhile."""

import base64
import binascii
from typing import Annotated

import msgpack
import msgspec

from gateway.errors import ApiError

CURSOR_CHARACTERS_MAX = 128
PATTERN = r"^[A-Za-z0-9_-]{1,%d}$" % CURSOR_CHARACTERS_MAX
Cursor = Annotated[str, msgspec.Meta(pattern=PATTERN)]  # of a query


def cursor_of(kind, *keys):
    """`kind` names what is paged, `keys` are the ints that say where."""
    return base64.urlsafe_b64encode(msgpack.packb([kind, *keys])).rstrip(b"=").decode("ascii")


def keys_of(cursor, kind, count):
    """-> the `count` ints of a cursor of this kind. Raises ApiError 400."""
    try:
        data = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        given_kind, *keys = msgpack.unpackb(data)
    except (ValueError, binascii.Error, TypeError, msgpack.UnpackException, RecursionError):
        raise _invalid() from None
    if given_kind != kind or len(keys) != count or not all(type(key) is int and abs(key) < 2**63 for key in keys):
        raise _invalid()
    return keys


def _invalid():
    return ApiError(400, "invalid_cursor", "not a cursor of this list; begin again without one", "cursor")
