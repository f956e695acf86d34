"""The client of a wallet of record: posts legs and reverses them, each under a key, so that twice is as good as once.
docs/settlement.md has the interface.

What the wallet answers is one of three things: done, refused (nothing was done, and asking again will not help), or not
known. Not known counts against the circuit breaker; a refusal is an answer like any other.
"""

import asyncio
import json
import time

import aiohttp
import pybreaker

CONNECTIONS_MAX = 32
ANSWER_BYTES_MAX = 65_536
TEXT_CHARACTERS_MAX = 200  # of what a wallet says, in errors and tables
REFUSALS = (400, 409, 410, 422)  # about the posting, with a code; 401 or 404, say, is about us, and the queue waits


class Refused(Exception):
    """The wallet will not do it, and has done nothing. `code` is the wallet's, legible()."""

    def __init__(self, code, text):
        self.code = legible(code)
        super().__init__("%s: %s" % (self.code, legible(text)))


class Unavailable(Exception):
    """Whether it was done is not known."""

    def __init__(self, text):
        super().__init__(legible(text))


class BreakerOpen(Exception):
    """Nothing was sent: the wallet has failed too often in a row, and is left alone for a while."""


class Wallet:
    """`observe(outcome, seconds)` is told of each request: "done", "refused" or "unavailable". close() it."""

    def __init__(self, url, token="", timeout_seconds=5, breaker=None, observe=None):
        self.breaker = breaker or make_breaker()
        self._url = url.rstrip("/")
        self._observe = observe or (lambda outcome, seconds: None)
        headers = {"Authorization": "Bearer " + token} if token else {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
            timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            headers=headers,
            skip_auto_headers=("User-Agent",),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def post(self, key, leg, trade_id):
        """-> once the leg is booked, now or before. Raises Refused, Unavailable, BreakerOpen."""
        fields = {
            "trade_id": str(trade_id),
            "leg": leg.name,
            "account": str(leg.account),
            "user": leg.user,
            "asset": leg.asset,
            "direction": leg.direction,
            "amount": "{:f}".format(leg.amount),
        }
        await self._guarded("/v1/postings", key, fields)

    async def reverse(self, key):
        """-> once nothing is booked under the key, nor ever will be. Raises Refused, Unavailable, BreakerOpen."""
        await self._guarded("/v1/reversals", key, {})

    async def close(self):
        await self._session.close()

    async def _guarded(self, path, key, fields):
        try:
            with self.breaker.calling():
                started = time.monotonic()
                outcome = "unavailable"
                try:
                    await self._send(path, key, fields)
                    outcome = "done"
                except Refused:
                    outcome = "refused"
                    raise
                finally:
                    self._observe(outcome, time.monotonic() - started)
        except pybreaker.CircuitBreakerError:
            raise BreakerOpen("the circuit breaker is open") from None

    async def _send(self, path, key, fields):
        try:
            body = json.dumps(fields).encode("ascii")
            headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
            async with self._session.post(
                self._url + path, data=body, headers=headers, allow_redirects=False
            ) as response:
                status = response.status
                body = await _limited(response.content)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise Unavailable("%s %s" % (type(error).__name__, error)) from None
        answer = _object(body)
        if status in (200, 201):
            if answer.get("key") != key:  # left on the connection by a wallet that answered twice, say
                raise Unavailable("an answer to another request, or none of a wallet")
        elif status in REFUSALS and type(answer.get("code")) is str:
            raise Refused(answer["code"], answer.get("text", ""))
        else:
            raise Unavailable("HTTP %d %s" % (status, answer.get("text", "")))


def legible(text, characters_max=TEXT_CHARACTERS_MAX):
    """-> so much of what somebody else says as can be shown in a line and stored: whatever is not printable, a NUL, the
    end of a line or half a surrogate pair, say, is U+FFFD."""
    return "".join(each if each.isprintable() else "\ufffd" for each in str(text)[:characters_max])


def make_breaker(failures_max=5, open_seconds=10):
    """A closed circuit breaker; it opens after so many requests in a row without an answer."""
    return pybreaker.CircuitBreaker(
        fail_max=failures_max,
        reset_timeout=open_seconds,
        exclude=[Refused, asyncio.CancelledError],  # the wallet is well, or was not asked
        throw_new_error_on_trip=False,
    )


async def _limited(content):
    """-> the body of an answer. Raises Unavailable where it has no end."""
    body = b""
    async for chunk in content.iter_chunked(4096):
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            raise Unavailable("an answer of more than %d bytes" % ANSWER_BYTES_MAX)
    return body


def _object(body):
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if type(answer) is dict else {}
