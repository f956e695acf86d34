"""A line of JSON for each request, written by many at a time. No query string and no header but the request id is in
it: there are secrets in others."""

import asyncio

import msgspec

FLUSH_SECONDS = 0.1
LINES_MAX = 1_000  # waiting; beyond, they are written at once

_encode = msgspec.json.encode


class AccessLog:
    """`stream` None: nothing is logged."""

    def __init__(self, stream):
        self._stream = stream
        self._lines = []

    def write(self, request, status, seconds):
        if self._stream is None:
            return
        identity = request.get("identity")
        line = {
            "request_id": request["request_id"],
            "method": request.method,
            "path": request.rel_url.raw_path,
            "status": status,
            "milliseconds": round(1_000 * seconds, 3),
            "address": request.get("address"),
            "user": identity.user if identity is not None else None,
        }
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        self._lines.append(_encode(line))
        if len(self._lines) >= LINES_MAX:
            self.flush()

    def flush(self):
        if self._lines:
            lines, self._lines = self._lines, []
            self._stream.write(b"\n".join(lines).decode() + "\n")
            self._stream.flush()
