"""A message as the bytes of one WebSocket frame (RFC 6455, section 5.2), made once and written to every client. Pure.

Servers do not mask and nothing here is compressed, so that a frame is the same for everybody.
"""

import struct

_FIN_AND_TEXT = 0x81
_short = struct.Struct(">BB").pack
_medium = struct.Struct(">BBH").pack
_long = struct.Struct(">BBQ").pack


def text_frame(payload):
    """UTF-8 bytes -> a text frame."""
    size = len(payload)
    if size < 126:
        return _short(_FIN_AND_TEXT, size) + payload
    if size < 65_536:
        return _medium(_FIN_AND_TEXT, 126, size) + payload
    return _long(_FIN_AND_TEXT, 127, size) + payload


def payload_of(frame):
    """-> what text_frame() was given."""
    size = frame[1]
    return frame[2 if size < 126 else 4 if size == 126 else 10 :]
