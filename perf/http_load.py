"""Load on an HTTP server, closed or open loop, over raw sockets: `python -m perf.http_load --help`. A request is bytes
made beforehand, and of an answer only status and length are read, so that little of the processor is the generator's.
"""

import argparse
import asyncio
import gc
import json
import re
import time
from collections import deque

import uvloop

from tools.load.latency import histogram, summary_us

_length = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: *(\d+)").search


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, on_answer):
        self._on_answer = on_answer
        self._buffer = b""
        self.due_ns = 0

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, error):
        self._on_answer(self, 0)

    def send(self, request, due_ns):
        self.due_ns = due_ns
        self.transport.write(request)

    def data_received(self, data):
        buffer = self._buffer = self._buffer + data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        if len(buffer) < end + 4 + int(_length(buffer, 0, end + 2).group(1)):
            return
        self._buffer = b""
        self._on_answer(self, int(buffer[9:12]))


class Load:
    def __init__(self, requests, warm_up_seconds, seconds):
        self._requests = requests
        self._sent = 0
        self._warm_up_ns = int(warm_up_seconds * 1e9)
        self._ns = int(seconds * 1e9)
        self.statuses = {}
        self.latencies_ns = []
        self.free = deque()
        self.waiting = deque()  # due times of requests that no connection was free for
        self._connections = 0
        self._done = asyncio.get_running_loop().create_future()

    async def connect(self, host, port, count):
        loop = asyncio.get_running_loop()
        self._connections = count
        for _ in range(count):
            _, connection = await loop.create_connection(lambda: Connection(self._answered), host, port)
            self.free.append(connection)

    def _next(self, connection, due_ns):
        connection.send(self._requests[self._sent % len(self._requests)], due_ns)
        self._sent += 1

    def _answered(self, connection, status):
        now_ns = time.perf_counter_ns()
        if now_ns >= self._from_ns:
            self.statuses[status] = self.statuses.get(status, 0) + 1
            self.latencies_ns.append(now_ns - connection.due_ns)
        if status == 0:
            return
        if self.waiting:
            self._next(connection, self.waiting.popleft())
        elif self._interval_ns == 0 and now_ns <= self._until_ns:
            self._next(connection, now_ns)
        else:
            self.free.append(connection)
            if now_ns > self._until_ns:
                self._end_if_idle()

    def _end_if_idle(self):
        """All that were due have their answer."""
        if len(self.free) == self._connections and not self._done.done():
            self._done.set_result(None)

    async def run(self, rate):
        """`rate` 0: closed loop. -> figures."""
        self._interval_ns = int(1e9 / rate) if rate else 0
        started_ns = time.perf_counter_ns()
        self._from_ns = started_ns + self._warm_up_ns
        self._until_ns = self._from_ns + self._ns
        used_s = time.process_time()
        if rate:
            await self._schedule(started_ns)
            self._end_if_idle()
        else:
            while self.free:
                self._next(self.free.popleft(), time.perf_counter_ns())
        await asyncio.wait_for(self._done, 30)
        figures = {"requests_per_second": round(len(self.latencies_ns) / (self._ns / 1e9))}
        figures["statuses"] = {str(status): count for status, count in sorted(self.statuses.items())}
        figures["latency_us"] = summary_us(histogram(self.latencies_ns))
        figures["generator_busy"] = round((time.process_time() - used_s) / ((self._warm_up_ns + self._ns) / 1e9), 2)
        return figures

    async def _schedule(self, started_ns):
        due_ns = started_ns
        while due_ns < self._until_ns:
            now_ns = time.perf_counter_ns()
            while due_ns <= now_ns:
                if self.free:
                    self._next(self.free.popleft(), due_ns)
                else:
                    self.waiting.append(due_ns)
                due_ns += self._interval_ns
            await asyncio.sleep(max(0.0002, (due_ns - time.perf_counter_ns()) / 1e9))


def request_of(method, path, host, token=None, body=None):
    """-> bytes."""
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: %s" % host]
    if token:
        lines.append("Authorization: Bearer %s" % token)
    data = b""
    if body is not None:
        data = json.dumps(body).encode()
        lines += ["Content-Type: application/json", "Content-Length: %d" % len(data)]
    return "\r\n".join([*lines, "", ""]).encode() + data


async def _run(given):
    with open(given.requests, encoding="utf-8") as file:
        requests = [request_of(*request) for request in json.load(file)]
    load = Load(requests, given.warm_up, given.seconds)
    await load.connect(given.host, given.port, given.connections)
    gc.freeze()
    gc.disable()
    print(json.dumps(await load.run(given.rate)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("requests", help="JSON: [[method, path, host, token, body], ...], sent in turn")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=int, default=0, help="open loop; 0: closed")
    parser.add_argument("--warm-up", type=float, default=2)
    parser.add_argument("--seconds", type=float, default=10)
    uvloop.run(_run(parser.parse_args()))
