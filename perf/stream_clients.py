"""Many WebSocket clients in one process that takes as little as it can. Started by perf/streams.py with its settings as
a line on stdin; prints a line when all clients have what they asked for, and the figures when a line on stdin tells
what has happened meanwhile.

What comes is stored with two times: when the kernel had it, by the kernel's own stamp (SO_TIMESTAMPNS), and when this
process had read it. The difference is what the clients themselves add. Frames are decoded while nothing comes, a few at
a time. A frame is the same bytes for every client: it is understood once, and of each further one only the times count.
"""

import base64
import gc
import json
import os
import select
import socket
import struct
import sys
import time
from array import array
from collections import deque

HOST = "127.0.0.1"
SYMBOL = "BTC-USDT"
CONNECTING_MAX = 200  # at a time
READ_BYTES = 16 << 10
DECODED_AT_ONCE = 20  # reads, between looks at whether more has come
SO_TIMESTAMPNS = 35  # Linux: how it is switched on, and the type of what recvmsg() then gives
TIMESPEC = struct.Struct("@qq")
STAMP_BYTES = socket.CMSG_SPACE(TIMESPEC.size)
TEXT, PING, PONG = 0x81, 0x89, 0x8A
HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n"
)


class Receipts:
    """When each frame came, at every client."""

    def __init__(self):
        self.read = {}  # frame -> array of ns
        self.arrived = {}  # frame -> array of ns, by the kernel
        self.frames = 0
        self.closed = 0

    def took(self, frame, read_ns, arrived_ns):
        if frame not in self.read:
            self.read[frame], self.arrived[frame] = array("q"), array("q")
        self.read[frame].append(read_ns)
        self.arrived[frame].append(arrived_ns)


class Client:
    """Handshakes, subscribes, and gives the frames that are measured to `receipts`."""

    __slots__ = ("answers_missing", "data", "is_open", "receipts", "requests", "socket")

    def __init__(self, port, requests, receipts):
        self.requests = requests
        self.receipts = receipts
        self.answers_missing = len(requests)
        self.is_open = False
        self.data = b""
        self.socket = socket.create_connection((HOST, port))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.socket.sendall((HANDSHAKE % (HOST, base64.b64encode(os.urandom(16)).decode())).encode())

    @property
    def is_ready(self):
        return self.is_open and not self.answers_missing

    def take(self, data, read_ns, arrived_ns):
        data = self.data + data
        if not self.is_open:
            head, separator, data = data.partition(b"\r\n\r\n")
            if not separator:
                self.data = head
                return
            assert b" 101 " in head.split(b"\r\n")[0], head
            self.is_open = True
            for request in self.requests:
                self.write(TEXT, json.dumps(request).encode())
        position, end = 0, len(data)
        while end - position >= 2:
            size, start = data[position + 1], position + 2
            if size == 126:
                size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            elif size == 127:
                size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            if end < start + size:
                break
            payload = data[start : start + size]
            if data[position] == TEXT:
                self.took(payload, read_ns, arrived_ns)
            elif data[position] == PING:
                self.write(PONG, payload)
            position = start + size
        self.data = data[position:]

    def took(self, payload, read_ns, arrived_ns):
        self.receipts.frames += 1
        if self.answers_missing:
            self.answers_missing -= b'"subscribed"' in payload
        elif b'"trade_executed"' in payload or b'"depth_update"' in payload:
            self.receipts.took(payload, read_ns, arrived_ns)

    def write(self, first, payload):
        assert len(payload) < 126
        self.socket.sendall(bytes([first, 0x80 | len(payload), 0, 0, 0, 0]) + payload)


class Clients:
    """All of them, and what they have read but not decoded yet."""

    def __init__(self, receipts):
        self._receipts = receipts
        self._by_number = {}  # file number -> Client
        self._poll = select.epoll()
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)
        self._stored = deque()  # (Client, bytes, ns, what the kernel says of them)
        self._is_busy = False  # whether something had come when last looked

    def connect(self, count, port, requests):
        connecting = []
        while len(self._by_number) < count or connecting:
            while len(self._by_number) < count and len(connecting) < CONNECTING_MAX:
                client = Client(port, requests, self._receipts)
                self._by_number[client.socket.fileno()] = client
                self._poll.register(client.socket.fileno(), select.EPOLLIN)
                connecting.append(client)
            self.read(0.1)
            self.decode(len(self._stored))
            connecting = [client for client in connecting if not client.is_ready]

    def until_told(self):
        """Read, and decode while nothing comes, until there is a line on stdin."""
        while not self.read(0 if self._stored else 1.0):
            if not self._is_busy:
                self.decode(DECODED_AT_ONCE)
        self.decode(len(self._stored))

    def read(self, seconds):
        """All that has come, or what comes within so many seconds. -> whether stdin was among it."""
        store, clients, time_ns = self._stored.append, self._by_number, time.time_ns
        is_told = False
        ready = self._poll.poll(seconds)
        self._is_busy = bool(ready)
        for number, _ in ready:
            client = clients.get(number)
            if client is None:
                is_told = True
                continue
            data, stamp, _, _ = client.socket.recvmsg(READ_BYTES, STAMP_BYTES)
            if data:
                store((client, data, time_ns(), stamp))
            else:
                self._poll.unregister(number)
                self._receipts.closed += 1
        return is_told

    def decode(self, count):
        """As many of the reads that are stored, from the oldest on."""
        for _ in range(min(count, len(self._stored))):
            client, data, read_ns, stamp = self._stored.popleft()
            arrived_ns = read_ns
            if stamp:  # the kernel needs a moment after the first socket has asked for it: a handshake may have none
                seconds, ns = TIMESPEC.unpack(stamp[0][2])
                arrived_ns = seconds * 1_000_000_000 + ns
            client.take(data, read_ns, arrived_ns)


def figures_of(receipts, events):
    """`events`: {what a frame tells: ns}. -> milliseconds from event to client, by kind, and how many never came."""
    rounds = {}
    kinds = ("trade", "depth")
    latencies, arrivals, firsts = ({kind: [] for kind in kinds} for _ in range(3))
    seen = {}
    for frame, times in receipts.read.items():
        message = json.loads(frame)
        if message["type"] == "trade_executed":
            keys = ["trade %s" % message["trade_id"]]
        else:
            keys = []
            for price, quantity in message["bids"] + message["asks"]:
                is_there = float(quantity) > 0
                count = rounds[(price, is_there)] = rounds.get((price, is_there), -1) + 1
                keys.append("depth %s %d %d" % (price, is_there, count))
        for key in keys:
            if key in events:
                kind = key.partition(" ")[0]
                seen[key] = len(times)
                latencies[kind] += [(time_ns - events[key]) / 1e6 for time_ns in times]
                arrivals[kind] += [(time_ns - events[key]) / 1e6 for time_ns in receipts.arrived[frame]]
                firsts[kind].append((min(receipts.arrived[frame]) - events[key]) / 1e6)
    figures = {"events": len(events), "fewest_clients_of_an_event": min([seen.get(key, 0) for key in events] or [0])}
    for kind in kinds:
        if latencies[kind]:
            figures[kind + "_ms"] = percentiles(latencies[kind])
            figures[kind + "_ms_until_in_the_kernel"] = percentiles(arrivals[kind])
            figures[kind + "_ms_of_the_first_client"] = percentiles(firsts[kind])
            figures[kind + "_samples"] = len(latencies[kind])
    added = [
        (read_ns - arrived_ns) / 1e6
        for frame, times in receipts.read.items()
        for read_ns, arrived_ns in zip(times, receipts.arrived[frame], strict=True)
    ]
    if added:
        figures["clients_add_ms"] = percentiles(added)
    return figures


def percentiles(values):
    values.sort()
    shares = (("min", 0), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999))
    return {name: round(values[int(len(values) * share)], 2) for name, share in shares} | {"max": round(values[-1], 2)}


def main():
    settings = json.loads(sys.stdin.buffer.raw.readline())  # no more than this line: poll() has to see the next
    receipts = Receipts()
    clients = Clients(receipts)
    requests = [{"type": "subscribe", "channel": channel, "symbol": SYMBOL} for channel in settings["channels"]]
    began = time.monotonic()
    clients.connect(settings["clients"], settings["port"], requests)
    print(json.dumps({"connected": settings["clients"], "seconds": round(time.monotonic() - began, 2)}), flush=True)
    gc.freeze()
    gc.disable()  # what is stored has no cycles, and looking for some would take time
    began, cpu = time.monotonic(), time.process_time()
    clients.until_told()
    share = (time.process_time() - cpu) / (time.monotonic() - began)
    figures = figures_of(receipts, json.loads(sys.stdin.readline()))
    figures["frames"] = receipts.frames
    figures["closed"] = receipts.closed
    figures["client_processor_share"] = round(share, 3)
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
