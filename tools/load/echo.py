"""A server that sends back what it receives and does nothing else: what the machine, the kernel and the generator cost
by themselves. In Python (asyncio), and in C (perf/echo.c, compiled when asked for)."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile

from tools.load.core import HOST, ROOT, pinned
from tools.load.session import LoadError, connect

C_SOURCE = os.path.join(ROOT, "perf", "echo.c")


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def serve():
    """Print the port, then serve until killed."""
    listener = await asyncio.get_running_loop().create_server(Echo, HOST, 0)
    print(listener.sockets[0].getsockname()[1], flush=True)
    await listener.serve_forever()


@contextlib.contextmanager
def echo_server(language, python=sys.executable, cpu=None):
    """A running echo server, "c" or "python". -> connect() -> a blocking socket, closed with it. Raises LoadError."""
    connections = []

    def connect_to(port):
        connections.append(connect(HOST, port))
        return connections[-1]

    with tempfile.TemporaryDirectory(prefix="echo-") as directory:
        command = [python, "-m", "tools.load.echo"] if language == "python" else [_compiled(directory)]
        process = subprocess.Popen(
            pinned(cpu) + command, stdout=subprocess.PIPE, cwd=ROOT, env=dict(os.environ, PYTHONPATH=ROOT)
        )
        try:
            port = int(process.stdout.readline() or 0)
            if not port:
                raise LoadError("the echo server did not start")
            yield lambda: connect_to(port)
        finally:
            for connection in connections:
                connection.close()
            process.kill()
            process.wait()
            process.stdout.close()


def _compiled(directory):
    """-> path of the C server's program."""
    compiler = shutil.which("cc")
    if compiler is None or not os.path.exists(C_SOURCE):
        raise LoadError("the echo server in C needs a C compiler and %s" % C_SOURCE)
    program = os.path.join(directory, "echo")
    subprocess.run([compiler, "-O2", "-Wall", "-o", program, C_SOURCE], check=True)
    return program


if __name__ == "__main__":
    asyncio.run(serve())
