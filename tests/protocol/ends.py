"""A ClientConnection in the states that tests begin from, and the messages they are made of."""

from protocol.codec import encode
from protocol.connection import ClientConnection
from protocol.messages import (
    Heartbeat,
    OrderAccepted,
    OrderFilled,
    PlaceOrder,
)
from tests.protocol.peer import ACCOUNT, KEY, SECRET, go_live


def connection_of(**changes):
    return ClientConnection(KEY, SECRET, **changes)


def live(event_seq=0, **changes):
    connection = connection_of(**changes)
    go_live(connection, event_seq=event_seq)
    return connection


def order(request_id=0):
    return PlaceOrder(0, 1, 1, 1, 1, 0, 100, 10, request_id=request_id)


def accepted(event_seq, request_id=0, key=KEY, order_id=5):
    return OrderAccepted(
        ACCOUNT, order_id, 1, 1, 1, 1, 0, 100, 10, 0, 10, 1, 0, 0, request_id=request_id, event_seq=event_seq, key=key
    )


def filled(event_seq, request_id=0, key=0):
    return OrderFilled(ACCOUNT, 5, 1, 1, 1, 9, 100, 1, 9, 0, request_id=request_id, event_seq=event_seq, key=key)


def received(connection, *messages):
    found = connection.receive(b"".join([encode(message) for message in messages]))
    assert connection.error is None, connection.error
    return found


def broken(connection, *messages):
    """Give the connection messages, the last of which breaks the protocol. -> (messages taken, code, text)."""
    found = connection.receive(b"".join([encode(message) for message in messages]))
    assert connection.receive(encode(Heartbeat())) == []
    return found, connection.error.code, connection.error.text
