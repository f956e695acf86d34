"""The wallet over HTTP: JSON in and out, a key with everything that moves money. The interface: docs/settlement.md."""

import asyncio
import hmac
import json
import os
import signal
import sqlite3
from http import HTTPStatus

from aiohttp import web

from tools.console import Failed, note
from tools.wallet.accounts import KEY_CHARACTERS_MAX, Accounts, Posting, Refused
from tools.wallet.faults import POSTINGS, REVERSALS

POSTING_FIELDS = ("account", "asset", "direction", "amount")
TEXT_CHARACTERS_MAX = 64
BODY_BYTES_MAX = 4096
PAGE_MAX = 1000
STATUS_OF = {"key_conflict": 409, "reversed": 410}  # all other refusals: 422
DIED = 70


async def serve(arguments, faults, token):
    """Until SIGTERM or SIGINT. Raises OSError, Failed."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    os.makedirs(os.path.dirname(arguments.data) or ".", exist_ok=True)
    try:
        accounts = Accounts(arguments.data, arguments.overdraft)
    except sqlite3.Error as error:
        raise Failed("%s: %s" % (arguments.data, error)) from None
    runner = web.AppRunner(Wallet(accounts, faults, token).app(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, arguments.host, arguments.port).start()
        note("ready: http://%s:%d" % runner.addresses[0][:2])
        await stopping.wait()
    finally:
        await runner.cleanup()
        accounts.close()


class Wallet:
    """`token`: what callers must show as a bearer; empty: nobody need."""

    def __init__(self, accounts, faults, token=""):
        self._accounts = accounts
        self._faults = faults
        self._token = token
        self._waiting = []  # (what is to be booked, Future of what it gives): of requests since the last group

    def app(self):
        app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[self._guard])
        app.router.add_post("/v1/postings", self._post)
        app.router.add_post("/v1/reversals", self._reverse)
        app.router.add_get("/v1/postings", self._postings)
        app.router.add_get("/v1/balances", self._balances)
        app.router.add_get("/v1/faults", self._show_faults)
        app.router.add_put("/v1/faults", self._set_faults)
        return app

    @web.middleware
    async def _guard(self, request, handler):
        given = request.headers.get("Authorization", "").encode("utf-8", "replace")
        if self._token and not hmac.compare_digest(given, b"Bearer " + self._token.encode("utf-8")):
            return _error(401, "unauthorized", "a bearer token is needed, and the right one")
        try:
            return await handler(request)
        except ValueError as error:
            return _error(400, "invalid", str(error))
        except Refused as error:
            return _error(STATUS_OF.get(error.code, 422), error.code, str(error))

    async def _post(self, request):
        key = _key(request)
        body = await _object(request)
        posting = {name: _text(body, name) for name in POSTING_FIELDS}

        def book():
            booked = self._accounts.post(key, Posting(**posting))
            answer = {"key": key, "posting_id": str(booked.posting_id), "is_new": booked.is_new}
            return (201 if booked.is_new else 200), answer

        return await self._with_faults(request, POSTINGS, posting, book)

    async def _reverse(self, request):
        key = _key(request)

        def book():
            return 200, {"key": key, "was_posted": self._accounts.reverse(key)}

        return await self._with_faults(request, REVERSALS, {}, book)

    async def _with_faults(self, request, on, posting, book):
        faults = self._faults.of(on, posting)
        if "slow" in faults:
            await asyncio.sleep(faults["slow"].ms / 1000)
        if "error" in faults:
            return _error(500, "internal", "the fault switch `error`")
        if "refuse" in faults:
            return _error(422, "refused", "the fault switch `refuse`")
        if "die" in faults:
            os._exit(DIED)
        status, answer = await self._booked(book)
        if "die_booked" in faults:
            os._exit(DIED)
        if "error_booked" in faults:
            return _error(500, "internal", "the fault switch `error_booked`")
        if "twice" in faults:
            request.transport.write(_raw(status, answer))
        return web.json_response(answer, status=status)

    async def _booked(self, book):
        """-> what `book()` gives, once it is committed: with all else that came in the same turn of the loop."""
        done = asyncio.get_running_loop().create_future()
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._book_group)
        self._waiting.append((book, done))
        return await done

    def _book_group(self):
        group, self._waiting = self._waiting, []
        answers = []
        try:
            with self._accounts.group():
                for book, _ in group:
                    answers.append(_outcome(book))
        except sqlite3.Error as error:  # nothing of the group is booked
            answers = [(None, error)] * len(group)
        for (_, done), (answer, refusal) in zip(group, answers):
            if done.done():
                continue  # whoever asked has gone away; it is booked all the same
            if refusal is None:
                done.set_result(answer)
            else:
                done.set_exception(refusal)

    async def _balances(self, request):
        rows = self._accounts.balances()
        return web.json_response({"balances": [dict(zip(("account", "asset", "balance"), row)) for row in rows]})

    async def _postings(self, request):
        after, limit = int(request.query.get("after", 0)), int(request.query.get("limit", PAGE_MAX))
        rows = self._accounts.postings(after, min(max(limit, 1), PAGE_MAX))
        columns = ("posting_id", "key", *POSTING_FIELDS, "reversed")
        return web.json_response({"postings": [dict(zip(columns, row)) for row in rows]})

    async def _show_faults(self, request):
        return web.json_response(self._faults.shown())

    async def _set_faults(self, request):
        """All at once: {} is good behaviour."""
        self._faults.replace(await _object(request))
        return web.json_response(self._faults.shown())


def _outcome(book):
    """-> (what it gives, None), or (None, why it is refused). Raises sqlite3.Error."""
    try:
        return book(), None
    except (Refused, ValueError) as error:
        return None, error


def _key(request):
    key = request.headers.get("Idempotency-Key", "")
    if not 0 < len(key) <= KEY_CHARACTERS_MAX or not key.isprintable():
        raise ValueError("a header Idempotency-Key of 1 to %d characters is needed" % KEY_CHARACTERS_MAX)
    return key


async def _object(request):
    try:
        body = json.loads(await request.text())
    except ValueError:
        raise ValueError("the body must be JSON") from None
    if type(body) is not dict:
        raise ValueError("the body must be an object")
    return body


def _text(body, name):
    value = body.get(name)
    if type(value) is not str or not 0 < len(value) <= TEXT_CHARACTERS_MAX:
        raise ValueError("%s must be text of 1 to %d characters" % (name, TEXT_CHARACTERS_MAX))
    return value


def _error(status, code, text):
    return web.json_response({"code": code, "text": text}, status=status)


def _raw(status, answer):
    """-> an answer as bytes on the wire."""
    body = json.dumps(answer).encode("utf-8")
    head = "HTTP/1.1 %d %s\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n\r\n"
    return (head % (status, HTTPStatus(status).phrase, len(body))).encode("ascii") + body
