"""Answers that many ask for, kept for a moment: each is made once, however many ask, and one who has it already is told
so (ETag, 304)."""

import asyncio
import hashlib

import attrs
import msgspec
from aiohttp import web

from gateway.replies import Reply

ENTRIES_MAX = 2_000  # beyond, the oldest is dropped
BYTES_MAX = 64 << 20  # of all answers together

_encoder = msgspec.json.Encoder()


@attrs.frozen
class Kept:
    data: msgspec.Raw
    etag: str
    seconds: float  # that it may be kept for, here and by the client


class Cache:
    def __init__(self):
        self._kept = {}  # key -> (Kept, loop time at which it is old), or a task that makes it; the oldest first
        self._bytes = 0

    async def get(self, key, make):
        """`await make()` -> (a struct, seconds that it may be kept). -> Kept. Raises what make() does, and keeps none
        of it."""
        loop = asyncio.get_running_loop()
        found = self._kept.get(key)
        if type(found) is tuple:
            if loop.time() < found[1]:
                return found[0]
            self._drop(key)
            found = None
        if found is None:
            found = self._kept[key] = loop.create_task(self._make(key, make))
            self._bound()
        return await asyncio.shield(found)

    async def _make(self, key, make):
        try:
            content, seconds = await make()
            data = _encoder.encode(content)
        except BaseException:
            if self._is_made_by(key, asyncio.current_task()):
                del self._kept[key]
            raise
        etag = 'W/"%s"' % hashlib.blake2b(data, digest_size=12).hexdigest()
        kept = Kept(msgspec.Raw(data), etag, seconds)
        if self._is_made_by(key, asyncio.current_task()):  # else it was dropped meanwhile
            self._kept[key] = (kept, asyncio.get_running_loop().time() + seconds)
            self._bytes += len(data)
            self._bound()
        return kept

    def _is_made_by(self, key, task):
        return self._kept.get(key) is task

    def _bound(self):
        while len(self._kept) > ENTRIES_MAX or self._bytes > BYTES_MAX:
            self._drop(next(iter(self._kept)))

    def _drop(self, key):
        dropped = self._kept.pop(key)
        if type(dropped) is tuple:
            self._bytes -= len(memoryview(dropped[0].data))


CACHE = web.AppKey("cache", Cache)


def make_cache(app):
    app[CACHE] = Cache()


async def cached(call, key, make):
    """As Cache.get, for a request. -> Reply: 200 with ETag, or 304 where If-None-Match names it."""
    kept = await call[CACHE].get(key, make)
    headers = {"ETag": kept.etag, "Cache-Control": "public, max-age=%d" % kept.seconds}
    if _names(call.request.headers.get("If-None-Match", ""), kept.etag):
        return Reply(None, 304, headers)
    return Reply(kept.data, 200, headers)


def _names(header, etag):
    """Compared weakly, as RFC 9110 section 13.1.2 has it."""
    given = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in given or etag.removeprefix("W/") in given
