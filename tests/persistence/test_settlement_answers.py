"""Settlement with a wallet whose answers a test gives: texts that no table takes, and answers at the wrong time."""

import asyncio
import contextlib
import json
import random
import time

import psycopg2
import pytest
from aiohttp import web

from persistence.migrate import migrate
from persistence.settlement import Policy
from tests.harness import HOST, eventually
from tests.persistence.settling import Books, settling, shows
from tests.postgres import execute, query, url_of

LEGS = ["buyer_base", "buyer_quote", "exchange_fee", "seller_base", "seller_quote"]

#: Every read of the queue waits for a lock, with what it is about to read already fixed.
_SLOW_READS = """
    ALTER TABLE assets RENAME TO all_assets;
    CREATE VIEW assets AS SELECT * FROM all_assets WHERE pg_advisory_xact_lock_shared(77) IS NOT NULL;
"""
_LOCKED_OUT = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted"


class Answers:
    """A wallet. `answer(what, trade_id, leg)`, where `what` is "post" or "reverse", gives (HTTP status, JSON text) for
    each request, or None: done."""

    def __init__(self, answer):
        self._answer = answer
        self._requests = []

    @contextlib.asynccontextmanager
    async def serving(self):
        """-> its URL"""
        app = web.Application()
        app.router.add_post("/v1/postings", self._post)
        app.router.add_post("/v1/reversals", self._reverse)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, 0).start()
            yield "http://%s:%d" % runner.addresses[0][:2]
        finally:
            await runner.cleanup()

    def legs(self, what, trade_id=1):
        """-> the names of a trade's legs as often as they were to be posted or reversed, in alphabetical order."""
        return sorted(leg for *asked, leg in self._requests if asked == [what, trade_id])

    async def _post(self, request):
        fields = await request.json()
        return await self._answered("post", int(fields["trade_id"]), fields["leg"], request)

    async def _reverse(self, request):
        _, trade_id, _, leg = request.headers["Idempotency-Key"].split("-")
        return await self._answered("reverse", int(trade_id), leg, request)

    async def _answered(self, what, trade_id, leg, request):
        self._requests.append((what, trade_id, leg))
        key = json.dumps({"key": request.headers["Idempotency-Key"]})
        status, text = await self._answer(what, trade_id, leg) or (200, key)
        return web.Response(status=status, text=text, content_type="application/json")


@pytest.fixture
def books(database):
    return Books(database)


@pytest.mark.parametrize("escaped", ["\\u0000", "\\ud800"])
async def test_a_refusal_in_words_that_cannot_be_stored_is_one(books, escaped):
    async def answer(what, trade_id, leg):
        return (422, '{"code": "no", "text": "a%sb"}' % escaped) if (what, leg) == ("post", "seller_base") else None

    books.trade()
    wallet = Answers(answer)
    async with wallet.serving() as url, settling(books.url, url):
        await eventually(books.dead)
    assert books.dead() == [(1, "reversed", 0, "no: a\ufffdb")]
    assert wallet.legs("reverse") == LEGS


@pytest.mark.parametrize("escaped", ["\\u0000", "\\ud800"])
async def test_an_error_in_words_that_cannot_be_stored_is_one(books, escaped):
    async def answer(what, trade_id, leg):
        if what == "reverse":
            return 500, '{"text": "a%sb"}' % escaped
        return (422, '{"code": "no"}') if leg == "seller_base" else None

    books.trade()
    policy = Policy(backoff_seconds=0.01, breaker_failures=1_000)
    async with Answers(answer).serving() as url, settling(books.url, url, policy):
        await eventually(books.dead)
    assert books.dead() == [(1, "reversing", 4, "HTTP 500 a\ufffdb")]


@pytest.mark.parametrize("noticed_by, setting", [("psycopg2", ""), ("postgres", "?client_encoding=UTF8")])
async def test_what_cannot_be_written_down_costs_its_own_trade_alone(postgres, noticed_by, setting):
    """This database has no letters for what the wallet says."""
    name = "latin_" + noticed_by
    execute(postgres, "CREATE DATABASE %s TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'" % name)
    migrate(url_of(postgres, name))
    books = Books(url_of(postgres, name) + setting)

    async def answer(what, trade_id, leg):
        return (
            (422, '{"code": "no", "text": "\\u043d\\u0435\\u0442"}') if (trade_id, leg) == (1, "seller_base") else None
        )

    books.trade(buyer=1, seller=2)
    books.trade(buyer=1, seller=3)
    async with Answers(answer).serving() as url, settling(books.url, url):
        await eventually(lambda: books.statuses() == {1: "FAILED", 2: "SETTLED"})
    assert query(books.url, "SELECT stage, attempts, posted FROM dead_letters") == [("posting", 4, ["buyer_quote"])]


async def test_a_trade_is_written_down_that_is_posted_as_the_writer_has_done(books):
    """That is one turn of the event loop, which some of so many pairs of trades meet where other work makes turns long.
    Nothing comes after a pair that would help it."""
    chance = random.Random(13)

    async def answer(what, trade_id, leg):
        await asyncio.sleep(chance.uniform(0, 0.01))

    async def work():
        while True:
            time.sleep(0.0005)
            await asyncio.sleep(0)

    with contextlib.closing(psycopg2.connect(books.url)) as connection, connection.cursor() as cursor:
        async with Answers(answer).serving() as url, settling(books.url, url) as settlement:
            working = asyncio.create_task(work())
            for pairs in range(1, 101):
                books.trade(buyer=1, seller=2, cursor=cursor)
                books.trade(buyer=3, seller=4, cursor=cursor)
                connection.commit()
                settlement.wake()
                await shows(settlement, "settled_total", 2 * pairs)
            working.cancel()


@pytest.fixture
def reads(books):
    """A connection that lets the queue be read only where it has not locked 77."""
    query(books.url, _SLOW_READS)
    with contextlib.closing(psycopg2.connect(books.url)) as connection:
        connection.autocommit = True
        yield connection.cursor()


@contextlib.asynccontextmanager
async def answered_during_a_read(books, reads, status, text, written):
    """Settle trades 1 and 2 of one buyer, and a third. Trade 1 is answered so while the queue is being read, and that
    is written down before the read is through. -> the wallet, when the third is settled."""
    is_asked, may_answer = asyncio.Event(), asyncio.Event()

    async def answer(what, trade_id, leg):
        if (what, trade_id, leg) == ("post", 1, "seller_base"):
            is_asked.set()
            await may_answer.wait()
            return status, text
        return None

    books.trade(buyer=1, seller=2)
    wallet = Answers(answer)
    async with wallet.serving() as url, settling(books.url, url, Policy(backoff_seconds=1_000)):
        await is_asked.wait()
        books.trade(buyer=1, seller=3)
        books.trade(buyer=4, seller=5)
        reads.execute("SELECT pg_advisory_lock(77)")
        await eventually(lambda: query(books.url, _LOCKED_OUT))
        may_answer.set()
        await eventually(lambda: query(books.url, "SELECT 1 FROM settlement_queue WHERE trade_id = 1 AND " + written))
        reads.execute("SELECT pg_advisory_unlock(77)")
        await eventually(lambda: books.statuses()[3] == "SETTLED")
        yield wallet


async def test_a_trade_that_failed_while_the_queue_was_read_waits_for_its_next_try(books, reads):
    async with answered_during_a_read(books, reads, 500, "{}", "attempts = 1") as wallet:
        assert wallet.legs("post") == ["buyer_quote", "seller_base"]
        assert wallet.legs("post", 2) == []
        assert query(books.url, "SELECT attempts FROM settlement_queue WHERE trade_id = 1") == [(1,)]


async def test_a_trade_that_was_refused_while_the_queue_was_read_is_not_posted_again(books, reads):
    async with answered_during_a_read(books, reads, 422, '{"code": "no"}', "stage = 'reversing'") as wallet:
        await eventually(lambda: books.statuses() == {1: "FAILED", 2: "SETTLED", 3: "SETTLED"})
        assert wallet.legs("post") == ["buyer_quote", "seller_base"]
        assert wallet.legs("reverse") == LEGS
        assert books.dead() == [(1, "reversed", 0, "no: ")]
