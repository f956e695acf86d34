"""A logged-in blocking connection to a core, and what a load needs of the venue before it starts."""

import base64
import os
import socket
import struct

from protocol.codec import decode, encode
from protocol.connection import ANSWERS
from protocol.errors import ProtocolError
from protocol.framing import LENGTH_BYTES
from protocol.login import ClientLogin
from protocol.messages import (
    CODES,
    RESUME_NOTHING,
    Code,
    CommandRejected,
    LoginAccepted,
    LoginChallenge,
    QueryStatistics,
    Resumed,
    SessionClosed,
    Statistics,
)
from tools.load.flow import definition, funded_venue

LOGIN_SECONDS = 30


class LoadError(Exception):
    """The load cannot be run; the text says why."""


def connect(host, port):
    """-> a blocking socket without Nagle's delay; raises LoadError."""
    try:
        connection = socket.create_connection((host, port), LOGIN_SECONDS)
    except OSError as error:
        raise LoadError("%s:%d: %s" % (host, port, error)) from None
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(None)
    return connection


def log_in(host, port, key, secret):
    """-> a blocking socket on which requests may be sent; nothing is left to read on it. Raises LoadError."""
    connection = connect(host, port)
    connection.settimeout(LOGIN_SECONDS)
    try:
        _log_in(connection, ClientLogin(key, secret))
    except (OSError, ProtocolError, LoadError) as error:
        connection.close()
        raise LoadError("%s:%d: %s" % (host, port, error)) from None
    connection.settimeout(None)
    return connection


def _log_in(connection, login):
    nonce = base64.b64encode(os.urandom(18)).decode("ascii")
    connection.sendall(encode(login.start(nonce, RESUME_NOTHING, False)))
    while True:
        message = receive(connection)
        if type(message) is LoginChallenge:
            connection.sendall(encode(login.prove(message)))
        elif type(message) is LoginAccepted:
            login.verify(message)
        elif type(message) is Resumed:
            return
        elif type(message) is SessionClosed:
            raise LoadError("the core closed the session: %d %s" % (message.code, message.text))


def receive(connection):
    """-> the next message, read frame by frame. Raises LoadError at the end of the connection."""
    (length,) = struct.unpack(">I", _receive_exactly(connection, LENGTH_BYTES))
    return decode(_receive_exactly(connection, length))


def _receive_exactly(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise LoadError("the core closed the connection")
        data += part
    return data


def call(connection, request, answers):
    """Send a request and -> the first message of the types `answers` that comes back."""
    connection.sendall(encode(request))
    while True:
        message = receive(connection)
        if type(message) in answers:
            return message
        if type(message) is SessionClosed:
            raise LoadError("session closed: %d %s" % (message.code, message.text))


def prepare_venue(trusted, funded_accounts=()):
    """Over a trusted connection: make the instrument of the flow, where it is not there, with a ledger and money for
    `funded_accounts` where there are any. Raises LoadError."""
    commands = funded_venue(funded_accounts) if funded_accounts else [definition()]
    for request_id, command in enumerate(commands, start=1):
        command.request_id = request_id
        reply = call(trusted, command, ANSWERS[type(command)])
        if type(reply) is CommandRejected and reply.code not in (Code.INVALID_INSTRUMENT, Code.INVALID_ASSET):
            raise LoadError("%s was rejected: %s" % (type(command).__name__, CODES[reply.code]))


def statistics(trusted, with_hash=False):
    """-> {name: value} of the core's own counters, over a trusted connection."""
    query = QueryStatistics(0, 1 if with_hash else 0, request_id=1)
    return dict(call(trusted, query, (Statistics,)).statistics)
