"""The commands of a record, for the few events that do not tell everything: a reject says why, not what was asked.

Decoded only when an event asks. Pure.
"""

from collections import deque

import msgpack

from protocol.content import record_commands, split_frames
from protocol.framing import LENGTH_BYTES
from protocol.messages import (
    AccountOpened,
    CommandRejected,
    OpenAccount,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderTriggered,
    SelfTradePrevented,
    Tick,
)

#: Events that follow from a command, or answer one that names its order; and the one whose account is news.
_NO_ANSWERS = {
    cls.TYPE for cls in (OrderFilled, OrderCancelled, OrderTriggered, SelfTradePrevented, OrderAmended, AccountOpened)
}


class Commands:
    def __init__(self, record):
        self._record = record
        self._answered = None  # event_seq of the answer -> command

    def answered(self, event_seq):
        """-> the command that this event answers, or None where that is one that names its order, or an OpenAccount."""
        if self._answered is None:
            self._answered = self._match()
        return self._answered.get(event_seq)

    def _match(self):
        """Commands and what answers them stand in the same order. That alone tells apart those to which a client gave
        the same request_id."""
        waiting = {}  # (key, account, request id) -> deque of those not answered yet
        for source, command in record_commands(self._record):
            names_order = getattr(command, "order_id", 0)
            if not names_order and type(command) not in (Tick, OpenAccount):
                waiting.setdefault((source.key, command.account, command.request_id), deque()).append(command)
        found = {}
        for frame in split_frames(self._record.events):
            kind, request_id, event_seq, _, key, account, *rest = msgpack.unpackb(frame[LENGTH_BYTES:])
            commands = waiting.get((key, account, request_id))
            if not commands or kind in _NO_ANSWERS:
                continue
            if kind == CommandRejected.TYPE:
                _, instrument, order_id, client_order_id = rest
                asked = getattr(commands[0], "instrument", 0), getattr(commands[0], "client_order_id", "")
                if order_id or asked != (instrument, client_order_id):
                    continue  # it answers a command that names its order, or an OpenAccount
            found[event_seq] = commands.popleft()
        return found
