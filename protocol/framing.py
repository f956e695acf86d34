"""Length-prefixed frames out of a byte stream: u32 big-endian payload length, then the payload. Knows no sockets."""

import struct

from protocol.errors import ProtocolError
from protocol.messages import Code

FRAME_BYTES_MAX = 65_536  # of payload, either direction; refused on the length alone
LENGTH_BYTES = 4

_length_at = struct.Struct(">I").unpack_from


class FrameReader:
    """Cuts a stream into frames. Holds at most one incomplete frame (FRAME_BYTES_MAX + 4 bytes)."""

    def __init__(self, frame_bytes_max=FRAME_BYTES_MAX):
        self.frame_bytes_max = frame_bytes_max
        #: set when a frame was too large: what came before it is still returned, nothing can follow.
        self.error = None
        self._held = b""

    def feed(self, data):
        """Take the next bytes. -> (buffer, ends): frame i's payload is buffer[start + 4 : ends[i]], where start is
        ends[i - 1], or 0 for the first. O(len(data)); raises the ProtocolError in `error` if called after one."""
        if self.error is not None:
            raise self.error
        if self._held:
            data = self._held + data
        size = len(data)
        ends = []
        position = 0
        while size - position >= LENGTH_BYTES:
            (length,) = _length_at(data, position)
            if length > self.frame_bytes_max:
                self.error = ProtocolError(
                    Code.FRAME_TOO_LARGE, "frame of %d bytes; at most %d" % (length, self.frame_bytes_max)
                )
                break
            end = position + LENGTH_BYTES + length
            if end > size:
                break
            ends.append(end)
            position = end
        self._held = data[position:] if self.error is None else b""
        return data, ends
