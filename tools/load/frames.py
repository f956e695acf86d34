"""A flow as bytes ready to send, and the least that must be read of what comes back.

Only the order ids of cancels are filled in while sending, from the acceptances that came back: 8 bytes at a known place
in a frame of our fixed layout. Replies are walked by their lengths; type, request id and order id are read in place.
"""

import copy
import struct

import attrs

from protocol.codec import encode
from protocol.framing import LENGTH_BYTES
from protocol.messages import CancelOrder, OrderAccepted
from tools.load.flow import NOTHING

ACCEPTED = OrderAccepted.TYPE
TYPES = 128  # message types there can be
LONG_ARRAY = 0xDC  # msgpack marker of an array of 16 elements or more; two bytes longer than a short one

_length_at = struct.Struct(">I").unpack_from
_i64_at = struct.Struct(">q").unpack_from
_put_i64 = struct.Struct(">q").pack_into


def _offset_of(field, cls, **other):
    """-> where in a frame of `cls` the 8 bytes of an i64 field stand."""
    mark = 0x0123456789ABCDEF
    values = {a.name: 1 for a in attrs.fields(cls) if a.default is attrs.NOTHING}
    frame = encode(cls(**{**values, **other, field: mark}))
    return frame.index(struct.pack(">q", mark))


CANCEL_ORDER_ID_AT = _offset_of("order_id", CancelOrder)
ACCEPTED_ORDER_ID_AT = _offset_of("order_id", OrderAccepted)
# behind the length: array header, type, i64 marker, request id
TYPE_AT_SHORT, REQUEST_ID_AT_SHORT = LENGTH_BYTES + 1, LENGTH_BYTES + 3
TYPE_AT_LONG, REQUEST_ID_AT_LONG = LENGTH_BYTES + 3, LENGTH_BYTES + 5


class Outgoing:
    """The frames of one connection in the order they are sent; request i has id i + 1."""

    def __init__(self):
        self.data = bytearray()
        self.starts = [0]  # of each frame, and where the next would start
        self.order_ids = [0]  # by request id, as acceptances tell them; 0: not known
        self.cancels = []  # requests that are cancels, ascending
        self.places = []  # of each request: where in the flow it stands
        self.targets = []  # of each of these: request id of the order it cancels
        self.next_cancel = 0  # the first one without its order id

    @property
    def count(self):
        return len(self.starts) - 1

    def add(self, frame, target, place):
        if target != NOTHING:
            self.cancels.append(self.count)
            self.targets.append(target + 1)
        self.places.append(place)
        self.data += frame
        self.starts.append(len(self.data))
        self.order_ids.append(0)

    def prepare(self, end):
        """Fill in the order ids of all cancels before request `end`. One that is not known stays 0, and the core
        will say so."""
        cancels, targets, order_ids, data = self.cancels, self.targets, self.order_ids, self.data
        index = self.next_cancel
        while index < len(cancels) and cancels[index] < end:
            _put_i64(data, self.starts[cancels[index]] + CANCEL_ORDER_ID_AT, order_ids[targets[index]])
            index += 1
        self.next_cancel = index


def outgoing_of(flow, is_trusted, accounts=None):
    """-> Outgoing of the flow's commands for `accounts` (all by default).

    A trusted session names the account of each command, a trader's leaves it at 0.
    """
    outgoing = Outgoing()
    request_of = {}  # index in the flow -> request here
    for index, command in enumerate(flow.commands):
        account = command.account
        if accounts is not None and account not in accounts:
            continue
        request_of[index] = outgoing.count
        target = flow.cancels[index]
        sent = copy.copy(command)
        sent.request_id = outgoing.count + 1
        sent.account = account if is_trusted else 0
        if target == NOTHING:
            outgoing.add(encode(sent), NOTHING, index)
        else:
            sent.order_id = 0  # until prepare()
            outgoing.add(encode(sent), request_of[target], index)
    return outgoing


class Incoming:
    """Counts what comes back on one connection. Answers come in the order of the requests: the highest request id seen
    tells how many are answered."""

    def __init__(self, order_ids):
        self.order_ids = order_ids  # by request id; filled in here
        self.counts = [0] * TYPES  # messages by type
        self.answered = 0  # requests
        self._held = b""

    def feed(self, data):
        """Take the next bytes. -> number of requests answered so far. O(frames)."""
        if self._held:
            data = self._held + data
        counts, order_ids, answered = self.counts, self.order_ids, self.answered
        last_request_id = len(order_ids) - 1
        position, size = 0, len(data)
        while size - position >= LENGTH_BYTES:
            end = position + LENGTH_BYTES + _length_at(data, position)[0]
            if end > size:
                break
            if data[position + LENGTH_BYTES] == LONG_ARRAY:
                kind = data[position + TYPE_AT_LONG]
                (request_id,) = _i64_at(data, position + REQUEST_ID_AT_LONG)
            else:
                kind = data[position + TYPE_AT_SHORT]
                (request_id,) = _i64_at(data, position + REQUEST_ID_AT_SHORT)
            counts[kind] += 1
            if answered < request_id <= last_request_id:
                answered = request_id
            if kind == ACCEPTED and 0 < request_id <= last_request_id:
                (order_ids[request_id],) = _i64_at(data, position + ACCEPTED_ORDER_ID_AT)
            position = end
        self._held = data[position:]
        self.answered = answered
        return answered
