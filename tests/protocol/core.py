"""A core as a process of its own, as a trader meets it; and a proxy that cuts connections to it."""

import asyncio
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

from engine.credentials import create_key, new_keys, save_keys
from protocol.login import TRADER, TRUSTED

ROOT = Path(__file__).parents[2]


class CoreProcess:
    """One trusted key and two traders', `keys` being [(key, secret), ...] in this order; accounts 0, 101 and 102."""

    def __init__(self, directory):
        self.directory = directory
        self.host, self.port, self.trusted_port = "127.0.0.1", 0, 0
        keys = new_keys(os.urandom)
        roles = ((0, TRUSTED), (101, TRADER), (102, TRADER))
        self.keys = [create_key(keys, account, role, os.urandom) for account, role in roles]
        save_keys(directory / "keys.json", keys)

    def start(self):
        """Start it, on the ports it had before, and wait until it listens."""
        options = {
            "--port": self.port,
            "--trusted-port": self.trusted_port,
            "--metrics-port": -1,
            "--journal": self.directory / "journal",
            "--keys": self.directory / "keys.json",
            "--durability": "write",
            "--warm-up": 0,
            "--segment-bytes": 1 << 20,
            "--order-slots": 1024,
        }
        arguments = [str(part) for pair in options.items() for part in pair]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "engine", *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        log = []
        for line in self.process.stderr:
            log.append(line)
            ready = re.search(r"ready: traders .*:(\d+), trusted .*:(\d+),", line)
            if ready:
                self.port, self.trusted_port = int(ready.group(1)), int(ready.group(2))
                break
        else:
            raise AssertionError("".join(log))
        self._drain = threading.Thread(target=self.process.stderr.read)
        self._drain.start()

    def kill(self):
        """End it as a crash would."""
        self.process.kill()
        self._wait()

    def stop(self):
        self.process.terminate()
        self._wait()

    def _wait(self):
        self.process.wait(30)
        self._drain.join()
        self.process.stderr.close()


class CuttingProxy:
    """Passes bytes to a port, and cuts each connection after so many, by chance, in either direction."""

    def __init__(self, port, chance, to_core_bytes, to_client_bytes):
        """The two sizes are means."""
        self._port = port
        self._chance = chance
        self._means = (to_core_bytes, to_client_bytes)
        self._serving = []
        self.cuts = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._serving.append(asyncio.current_task())
        core_reader, core_writer = await asyncio.open_connection("127.0.0.1", self._port)
        budgets = [int(self._chance.expovariate(1 / mean)) for mean in self._means]
        await asyncio.gather(
            self._pass(reader, core_writer, budgets[0], (writer, core_writer)),
            self._pass(core_reader, writer, budgets[1], (writer, core_writer)),
        )

    async def _pass(self, reader, writer, budget, both):
        try:
            while True:
                data = await reader.read(1500)
                writer.write(data[:budget])
                await writer.drain()
                budget -= len(data)
                if budget <= 0:
                    self.cuts += 1
                if budget <= 0 or not data:
                    break
        except OSError:
            pass  # the other direction was cut
        for end in both:
            end.transport.abort() if self._chance.random() < 0.5 else end.close()
