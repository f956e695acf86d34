"""What one message costs to write to one of many WebSockets, in three ways: aiohttp's send_str, its send_frame with
bytes made once, and the transport with the whole frame made once. Processor time of the server, microseconds a client,
system calls included; the clients read in another process."""

import asyncio
import json
import subprocess
import sys
import time

import uvloop
from aiohttp import WSMsgType, web

from gateway.streams.frames import text_frame
from tools.load.core import ROOT, pinned
from tools.load.report import print_figures

CLIENTS, MESSAGES = 500, 200
PAYLOAD = json.dumps({"type": "depth_update", "bids": [["60000.00", "0.200000"]] * 4, "asks": [], "sequence": 1})

READER = """
import asyncio, sys
async def main():
    request = b"GET / HTTP/1.1\\r\\nHost: x\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n" \\
        b"Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\\r\\n\\r\\n"
    async def one():
        reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
        writer.write(request)
        while await reader.read(1 << 16):
            pass
    await asyncio.gather(*[one() for _ in range(int(sys.argv[2]))])
asyncio.run(main())
"""


async def measure():
    """-> {way: microseconds}."""
    clients = []
    ended = asyncio.Event()

    async def handle(request):
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        clients.append((ws, request.transport))
        await ended.wait()
        return ws

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    command = [*pinned(1), sys.executable, "-c", READER, str(runner.addresses[0][1]), str(CLIENTS)]
    reader = subprocess.Popen(command, cwd=ROOT)
    while len(clients) < CLIENTS:
        await asyncio.sleep(0.01)
    payload, frame = PAYLOAD.encode(), text_frame(PAYLOAD.encode())

    async def send_str():
        for ws, _ in clients:
            await ws.send_str(PAYLOAD)

    async def send_frame():
        for ws, _ in clients:
            await ws.send_frame(payload, WSMsgType.TEXT)

    async def write():
        for _, transport in clients:
            if not transport.is_closing() and transport.get_write_buffer_size() < 32_768:
                transport.write(frame)

    found = {}
    for name, way in (("send_str", send_str), ("send_frame", send_frame), ("prepared frame", write)) * 2:
        began = time.process_time()
        for _ in range(MESSAGES):
            await way()
            await asyncio.sleep(0)  # what was written goes out
        found[name] = round((time.process_time() - began) * 1e6 / MESSAGES / CLIENTS, 2)  # the second round counts
        await asyncio.sleep(0.5)
    reader.terminate()
    reader.wait()
    ended.set()
    await runner.cleanup()
    return found


if __name__ == "__main__":
    print_figures(uvloop.run(measure()))
