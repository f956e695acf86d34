"""What the core is attacked with: keys, a core as a process or in this one, a disk that fails, a peer on a socket.

Waiting is always for a condition, with a deadline that only a failing test reaches.
"""

import asyncio
import base64
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

from engine.collector import PYPY_ENVIRONMENT
from engine.credentials import create_key, new_keys, save_keys
from engine.disk import Disk
from engine.exchange import RULES_VERSION
from engine.journal import Journal
from engine.recovery import recover
from engine.server import Server
from protocol import codec
from protocol.framing import LENGTH_BYTES, FrameReader
from protocol.login import TRADER, TRUSTED, ClientLogin
from protocol.messages import (
    RESUME_NOTHING,
    DefineInstrument,
    Durability,
    Heartbeat,
    LoginAccepted,
    OrderType,
    PlaceOrder,
    Resumed,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

ROOT = Path(__file__).parent.parent
SECONDS_MAX = 60
HOST = "127.0.0.1"
SEGMENT_BYTES = 64 << 10  # the smallest that the core takes


def nonce():
    return base64.b64encode(os.urandom(18)).decode("ascii")


class Venue:
    """A journal directory, and keys of traders (one for each account given) and of one trusted session."""

    def __init__(self, directory, accounts=(1, 2)):
        self.journal = os.path.join(str(directory), "journal")
        self.keys_path = os.path.join(str(directory), "keys.json")
        os.makedirs(self.journal, exist_ok=True)
        self.keys = new_keys(os.urandom)
        self.traders = [create_key(self.keys, account, TRADER, os.urandom) for account in accounts]
        self.trusted = create_key(self.keys, 0, TRUSTED, os.urandom)
        save_keys(self.keys_path, self.keys)


class LoggedProcess:
    """A process whose stderr is its log. To be used in a `with` block, which kills it."""

    def __init__(self, command, **environment):
        self.process = subprocess.Popen(
            command,
            cwd=str(ROOT),
            env=dict(os.environ, **environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log = []
        self._said = threading.Condition()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        for line in self.process.stderr:
            with self._said:
                self.log.append(line.rstrip())
                self._said.notify_all()
        with self._said:
            self.log.append("(end of log)")
            self._said.notify_all()

    def line(self, text):
        """Wait for a line of the log that contains `text`. -> the line."""
        deadline = time.monotonic() + SECONDS_MAX
        seen = 0
        with self._said:
            while True:
                for line in self.log[seen:]:
                    if text in line:
                        return line
                seen = len(self.log)
                ended = seen > 0 and self.log[-1] == "(end of log)"
                assert not ended and time.monotonic() < deadline, "no %r in\n%s" % (text, "\n".join(self.log))
                self._said.wait(1)

    def kill(self):
        """SIGKILL: nothing is flushed, nothing is said."""
        self.process.kill()
        return self.wait()

    def stop(self):
        """SIGTERM: an orderly end. -> exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        status = self.process.wait(SECONDS_MAX)
        self._thread.join(SECONDS_MAX)
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        self.process.stderr.close()


class CoreProcess(LoggedProcess):
    """`python -m engine` of the interpreter that runs the tests."""

    def __init__(self, venue, *arguments, files=None, files_max=None, program=("-m", "engine")):
        """`files`, `files_max`: how many it may have open at first, and at most (soft and hard limit). `program`: what
        the interpreter is to run, for a core with something changed."""
        limits = "".join("ulimit %s %d; " % limit for limit in (("-Sn", files), ("-Hn", files_max)) if limit[1])
        command = ["sh", "-c", limits + 'exec "$@"', "sh"] if limits else []
        command += [sys.executable, *program, "--journal", venue.journal, "--keys", venue.keys_path]
        command += ["--port", "0", "--trusted-port", "0", "--metrics-port", "-1", "--warm-up", "0"]
        command += ["--segment-bytes", str(SEGMENT_BYTES)]
        super().__init__(command + list(arguments), **PYPY_ENVIRONMENT)  # of two equal options the last counts

    def ready(self):
        """Wait until it serves. -> itself, with `port` and `trusted_port`."""
        words = self.line("ready: traders").replace(",", "").split()
        self.port = int(words[words.index("traders") + 1].rpartition(":")[2])
        self.trusted_port = int(words[words.index("trusted") + 1].rpartition(":")[2])
        return self


class FaultyDisk(Disk):
    """The real disk, but for the operations named in `faults` (name -> errno), which raise. All are written to `log`
    as (name, fd, data or None)."""

    _real = Disk()

    def __init__(self, log=None):
        self.log = [] if log is None else log
        self.faults = {}

    def _meet(self, name, fd, data=None):
        self.log.append((name, fd, data))
        if name in self.faults:
            raise OSError(self.faults[name], os.strerror(self.faults[name]))

    def write(self, fd, data, offset):
        self._meet("write", fd, bytes(data))
        self._real.write(fd, data, offset)

    def sync(self, fd):
        self._meet("sync", fd)
        self._real.sync(fd)

    def zero(self, fd, start, end, pause=None):
        self._meet("zero", fd)
        self._real.zero(fd, start, end)


class LocalCore:
    """A core in this process: `server`, `journal`, and the ports it listens on."""

    def __init__(self, server, journal, port, trusted_port):
        self.server = server
        self.journal = journal
        self.port = port
        self.trusted_port = trusted_port


@contextlib.asynccontextmanager
async def serving(
    venue, disk=None, durability=Durability.SYNC, now_ns=time.time_ns, segment_bytes=SEGMENT_BYTES, **attributes
):
    """A LocalCore recovered from the venue's journal; `attributes` are set on its Server before it listens."""
    loop = asyncio.get_running_loop()
    disk = disk or Disk()
    recovered = recover(venue.journal, now_ns, 1024)
    journal = Journal(venue.journal, disk, recovered.end, recovered.venue_id or 7, RULES_VERSION, segment_bytes)
    server = Server(loop, recovered.sequencer, journal, venue.keys, durability, nonce, time.perf_counter)
    for name, value in attributes.items():
        assert hasattr(server, name), name
        setattr(server, name, value)
    port = await server.listen(HOST, 0, TRADER)
    trusted_port = await server.listen(HOST, 0, TRUSTED)
    server.start()
    try:
        yield LocalCore(server, journal, port, trusted_port)
    finally:
        await asyncio.wait_for(server.stop(), SECONDS_MAX)
        if isinstance(disk, FaultyDisk):
            disk.faults.clear()
        journal.close()


class Peer:
    """A client with no manners: sends what it is told to, bytes or messages, and keeps what it is sent in order."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self._frames = FrameReader()
        self._messages = deque()
        self.heartbeats = 0  # received
        self._last_request_id = 0

    @classmethod
    async def connect(cls, port, receive_bytes=0):
        """`receive_bytes`: of the kernel's buffer, for a peer that is to be slow; 0: the kernel's choice."""
        connection = socket.socket()
        if receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.connect((HOST, port))  # the kernel does it at once, before the core accepts
        connection.setblocking(False)
        return cls(*await asyncio.open_connection(sock=connection, limit=receive_bytes or 1 << 16))

    @classmethod
    async def logged_in(cls, port, key, receive_bytes=0, **login):
        """`key` is a (key, secret). -> a Peer whose LoginAccepted and Resumed have come."""
        peer = await cls.connect(port, receive_bytes)
        answer = await peer.login(key, **login)
        assert type(answer) is LoginAccepted, answer
        await peer.until(Resumed)
        return peer

    async def login(self, key, resume_after=RESUME_NOTHING, cancel_on_disconnect=False):
        """-> what the core says to a correct login: LoginAccepted, unless it does not want us."""
        number, secret = key
        login = ClientLogin(number, secret)
        self.send(login.start(nonce(), resume_after, cancel_on_disconnect))
        self.send(login.prove(await self.receive()))
        answer = await self.receive()
        if type(answer) is LoginAccepted:
            login.verify(answer)
        return answer

    def write(self, data):
        self.writer.write(data)

    def send(self, *messages):
        """Requests without a request_id get the next one."""
        for message in messages:
            if message.request_id == 0:
                self._last_request_id += 1
                message.request_id = self._last_request_id
        self.write(b"".join([codec.encode(message) for message in messages]))

    async def receive(self):
        """-> the next message that is no Heartbeat, or None when the core has closed the connection."""
        while not self._messages:
            try:
                data = await asyncio.wait_for(self.reader.read(1 << 18), SECONDS_MAX)
            except ConnectionError:
                return None
            if not data:
                return None
            buffer, ends = self._frames.feed(data)
            start = 0
            for end in ends:
                message = codec.decode(buffer, start + LENGTH_BYTES, end)
                start = end
                if type(message) is Heartbeat:
                    self.heartbeats += 1
                else:
                    self._messages.append(message)
        return self._messages.popleft()

    async def until(self, kind, count=1):
        """-> all messages up to and with the count-th of this class."""
        messages = []
        while count:
            message = await self.receive()
            assert message is not None, "closed before %s came, after %s" % (kind.__name__, str(messages[-3:])[:500])
            messages.append(message)
            count -= type(message) is kind
        return messages

    async def rest(self):
        """-> all messages until the core closes the connection."""
        messages = []
        message = await self.receive()
        while message is not None:
            messages.append(message)
            message = await self.receive()
        return messages

    async def ask(self, request, kind):
        """Send a request and -> the first message of this class that answers it; what comes before it is dropped."""
        self.send(request)
        while True:
            message = (await self.until(kind))[-1]
            if message.request_id == request.request_id:
                return message

    def vanish(self):
        """Cut the connection without a word."""
        self.writer.transport.abort()

    async def close(self):
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def peer(port, key=None, **login):
    """A connected Peer, logged in where a (key, secret) is given, and cut at the end of the block."""
    made = await (Peer.logged_in(port, key, **login) if key else Peer.connect(port))
    try:
        yield made
    finally:
        made.vanish()
        with contextlib.suppress(ConnectionError):
            await made.writer.wait_closed()


def instrument(number=1):
    return DefineInstrument(0, number, 2, 2, 1, 1, 100, 0, 0, 0, "SYMBOL-%d" % number)


def limit(side, price, quantity, account=0, instrument=1, time_in_force=TimeInForce.GTC, client_order_id=""):
    """One account may trade with itself."""
    command = PlaceOrder(account, instrument, side, OrderType.LIMIT, time_in_force, 0, price, quantity)
    command.self_trade_prevention = SelfTradePrevention.NONE
    command.client_order_id = client_order_id
    return command


def buy(price, quantity, **fields):
    return limit(Side.BUY, price, quantity, **fields)


def sell(price, quantity, **fields):
    return limit(Side.SELL, price, quantity, **fields)


@contextlib.asynccontextmanager
async def turns():
    """-> a list; how many turns the loop has made in the block is its length."""
    made = []

    async def count():
        while True:
            await asyncio.sleep(0)
            made.append(None)

    counting = asyncio.ensure_future(count())
    try:
        yield made
    finally:
        counting.cancel()


async def eventually(condition):
    """Wait until condition() is true."""
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, "never came true"
        await asyncio.sleep(0.002)
