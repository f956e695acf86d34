"""A trader who has never seen our code: bytes, struct, msgpack and HMAC, from what protocol/README.md says."""

import base64
import hashlib
import hmac
import os
import socket
import struct

import msgpack
import pytest

from tests.harness import HOST, SECONDS_MAX, CoreProcess, Venue

LOGIN, CHALLENGE, PROOF, LOGIN_ACCEPTED, HEARTBEAT, RESUMED = 1, 2, 3, 4, 5, 9
PLACE, CANCEL, DEFINE = 10, 11, 14
ACCEPTED, REJECTED, FILLED, CANCELLED, DEFINED = 40, 41, 42, 43, 46


class Stranger:
    def __init__(self, port, key, secret, resume_after=-1):
        self.socket = socket.create_connection((HOST, port), timeout=SECONDS_MAX)
        self.stream = self.socket.makefile("rb")
        nonce = base64.b64encode(os.urandom(18)).decode()
        self.send(LOGIN, 1, 1, key, nonce, resume_after, 0)
        _, _, full_nonce, salt, iterations = self.receive(CHALLENGE)
        assert full_nonce.startswith(nonce)
        salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), salt, iterations)
        parts = (key, nonce, full_nonce, base64.b64encode(salt).decode(), iterations, full_nonce)
        message = ("n=%d,r=%s,r=%s,s=%s,i=%d,c=biws,r=%s" % parts).encode()
        client_key = hmac.new(salted, b"Client Key", "sha256").digest()
        signature = hmac.new(hashlib.sha256(client_key).digest(), message, "sha256").digest()
        self.send(PROOF, 1, full_nonce, bytes(a ^ b for a, b in zip(client_key, signature)))
        accepted = self.receive(LOGIN_ACCEPTED)
        server_key = hmac.new(salted, b"Server Key", "sha256").digest()
        assert accepted[2] == hmac.new(server_key, message, "sha256").digest()
        self.account = accepted[3]

    def send(self, *values):
        payload = msgpack.packb(values)
        self.socket.sendall(struct.pack(">I", len(payload)) + payload)

    def message(self):
        (length,) = struct.unpack(">I", self.stream.read(4))
        return msgpack.unpackb(self.stream.read(length))

    def receive(self, wanted):
        """-> the next message that is no Heartbeat; it must be of the type wanted."""
        message = self.message()
        while message[0] == HEARTBEAT:
            message = self.message()
        assert message[0] == wanted, message
        return message

    def close(self):
        self.stream.close()
        self.socket.close()


@pytest.fixture
def venue(tmp_path):
    return Venue(tmp_path)


def test_a_stranger_logs_in_places_is_filled_cancels_is_cut_off_and_resumes(venue):
    with CoreProcess(venue) as core:
        core.ready()
        operator = Stranger(core.trusted_port, *venue.trusted)
        operator.receive(RESUMED)
        operator.send(DEFINE, 1, 0, 7, 2, 2, 1, 1, 100, 0, 0, 0, "A-B")
        assert operator.receive(DEFINED)[6:] == [7, 2, 2, 1, 1, 100, 0, 0, 0, "A-B"]

        seller = Stranger(core.port, *venue.traders[0])
        assert seller.account == 1
        seller.receive(RESUMED)
        seller.send(PLACE, 5, 0, 7, 2, 1, 1, 0, 10_050, 30, 1, 0, 0, 0, 0, "mine")
        accepted = seller.receive(ACCEPTED)
        request_id, last_seq, _, key, account, order_id = accepted[1:7]
        assert (request_id, key, account) == (5, venue.traders[0][0], 1)
        assert accepted[7:] == [7, 2, 1, 1, 0, 10_050, 30, 0, 30, 1, 0, 0, "mine"]
        seller.close()

        buyer = Stranger(core.port, *venue.traders[1])
        buyer.receive(RESUMED)
        buyer.send(PLACE, 9, 0, 7, 1, 1, 1, 0, 10_100, 10, 1, 0, 0, 0, 0, "")
        assert buyer.receive(ACCEPTED)[12:] == [10_100, 10, 10, 0, 1, 0, 0, ""]
        assert buyer.receive(FILLED)[-4:] == [10_050, 10, 0, 0]

        seller = Stranger(core.port, *venue.traders[0], resume_after=last_seq)
        missed = seller.receive(FILLED)
        assert missed[6] == order_id and missed[-4:] == [10_050, 10, 20, 0]
        seller.receive(RESUMED)
        seller.send(CANCEL, 6, 0, order_id)
        assert seller.receive(CANCELLED)[-1] == 20
        seller.send(CANCEL, 7, 0, order_id)
        assert seller.receive(REJECTED)[1] == 7
        for stranger in (operator, seller, buyer):
            stranger.close()
        assert core.stop() == 0
