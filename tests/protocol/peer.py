"""The core's end of a connection by hand, for tests that join two ends without a socket."""

from protocol.codec import decode, encode
from protocol.framing import FrameReader
from protocol.login import TRADER, Credentials, ServerLogin
from protocol.messages import Durability, Resumed

KEY, ACCOUNT, SECRET, PEPPER = 7, 70, "correct horse", b"pepper"
SALT = bytes(range(16))
CREDENTIALS = Credentials.from_secret(KEY, ACCOUNT, TRADER, SECRET, SALT)
HEARTBEAT_NS = 1_000_000_000


def find_key(key):
    return CREDENTIALS if key == KEY else None


def nonce(of, number):
    return "nonce-of-%s-%08d" % (of, number)


def server_login(number=1, role=TRADER, find=find_key):
    return ServerLogin(find, nonce("core", number), PEPPER, role)


class Frames:
    """Bytes in any pieces -> messages."""

    def __init__(self):
        self._reader = FrameReader()

    def __call__(self, data):
        buffer, ends = self._reader.feed(data)
        starts = [0] + ends
        return [decode(buffer, start + 4, end) for start, end in zip(starts, ends)]


def log_in(connection, number=1, event_seq=0, find=find_key):
    """Take a ClientConnection through a login, up to and with LoginAccepted. -> the ServerLogin."""
    login = server_login(number, find=find)
    frames = Frames()
    data = connection.start(nonce("client", number))
    while login.credentials is None:
        for message in frames(data):
            for answer in login.receive(message):
                assert connection.receive(encode(answer)) == []
        data = connection.data_to_send()
    assert connection.receive(encode(login.accepted(Durability.SYNC, HEARTBEAT_NS, event_seq))) == []
    return login


def go_live(connection, number=1, event_seq=0):
    """log_in(), and nothing was missed. -> the messages that the connection sends at once."""
    log_in(connection, number, event_seq)
    first = connection.data_to_send()
    assert connection.receive(encode(Resumed(event_seq))) == []
    return Frames()(first + connection.data_to_send())
