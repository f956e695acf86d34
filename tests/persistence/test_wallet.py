"""The wallet's client against the wallet as a process: what is done, refused or not known; and the circuit breaker."""

import asyncio
import contextlib
from decimal import Decimal

import pybreaker
import pytest
from aiohttp import web

from persistence.legs import CREDIT, DEBIT, Leg
from persistence.wallet import BreakerOpen, Refused, Unavailable, Wallet, make_breaker
from tests.harness import HOST, SECONDS_MAX
from tests.tools.wallet.wallets import WalletProcess, wallet

ONE = Leg("buyer_base", 1, "ann", "BTC", CREDIT, Decimal("1.00000000"))
TWO_BACK = Leg("seller_base", 2, "bob", "BTC", DEBIT, Decimal("2"))


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with wallet(tmp_path_factory.mktemp("wallet")) as process:
        yield process


@pytest.fixture
def well(service):
    yield service
    service.fault()


@contextlib.asynccontextmanager
async def client(url, **more):
    made = Wallet(url, **more)
    try:
        yield made
    finally:
        await made.close()


@contextlib.asynccontextmanager
async def answering(status, text, headers=None):
    """The URL of a server that answers everything with this."""

    async def answer(request):
        return web.Response(status=status, text=text, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        yield "http://%s:%d" % runner.addresses[0][:2]
    finally:
        await runner.cleanup()


def balance(service, key):
    return service.balances().get((key, "BTC"), "0")


async def test_posting_and_reversing(well):
    async with client(well.url + "/") as made:
        before = balance(well, "1")
        await made.post("a-1", ONE, 7)
        await made.post("a-1", ONE, 7)
        assert Decimal(balance(well, "1")) - Decimal(before) == 1
        await made.reverse("a-1")
        await made.reverse("a-1")
        assert balance(well, "1") == before


async def test_what_is_refused_says_why(well):
    async with client(well.url) as made:
        with pytest.raises(Refused, match="insufficient_funds: account 2 has 0"):
            await made.post("b-1", TWO_BACK, 7)
        await made.reverse("b-2")
        with pytest.raises(Refused) as refusal:
            await made.post("b-2", ONE, 7)
        assert refusal.value.code == "reversed"


@pytest.mark.parametrize("name", ["error", "error_booked"])
async def test_an_error_leaves_it_open_whether_it_was_done(well, name):
    well.fault(**{name: {"times": 1}})
    async with client(well.url) as made:
        before = Decimal(balance(well, "1"))
        with pytest.raises(Unavailable, match="HTTP 500 the fault switch `%s`" % name):
            await made.post("c-" + name, ONE, 7)
        await made.post("c-" + name, ONE, 7)
        assert Decimal(balance(well, "1")) - before == 1


async def test_too_slow_is_no_answer(well):
    well.fault(slow={"ms": 60_000, "times": 1})
    async with client(well.url, timeout_seconds=0.05) as made:
        with pytest.raises(Unavailable, match="Timeout"):
            await made.post("d-1", ONE, 7)


async def test_an_answer_given_twice_is_not_taken_for_the_next_one(well):
    """Of all requests that share the connection none may be taken as done that is not."""
    well.fault(twice={})
    async with client(well.url) as made:
        before = Decimal(balance(well, "1"))
        done = 0
        for number in range(50):
            try:
                await made.post("e-%d" % number, ONE, 7)
                done += 1
            except Unavailable as error:
                assert "an answer to another request" in str(error)
        assert done > 0
        booked = {row["key"] for row in well.postings() if row["key"].startswith("e-")}
        assert Decimal(balance(well, "1")) - before == len(booked) >= done


@pytest.mark.parametrize("status", [301, 401, 403, 404, 429, 500, 503])
async def test_what_is_not_about_the_posting_is_no_refusal(status):
    async with answering(status, '{"code": "no"}', {"Location": "/"}) as url, client(url) as made:
        with pytest.raises(Unavailable, match="HTTP %d" % status):
            await made.post("f-1", ONE, 7)


@pytest.mark.parametrize(
    "status, text",
    [
        (200, '{"key": "other"}'),
        (200, "{"),
        (200, "[]"),
        (200, ""),
        (201, "x" * 100_000),
        (422, "x"),
        (422, "{}"),
        (422, "[" * 9_000),
    ],
)
async def test_an_answer_of_no_wallet_is_no_answer(status, text):
    async with answering(status, text) as url, client(url) as made:
        with pytest.raises(Unavailable):
            await made.post("g-1", ONE, 7)


@pytest.mark.parametrize(
    "said, shown",
    [
        ("a\\u0000b", "a\ufffdb"),
        ("half a pair: \\ud800", "half a pair: \ufffd"),
        ("two\\r\\nlines", "two\ufffd\ufffdlines"),
        ("z\u016fstatek \\ud83d\\ude00", "z\u016fstatek \U0001f600"),
        ("x" * 1_000, "x" * 200),
    ],
)
async def test_what_a_wallet_says_can_be_shown_and_stored(said, shown):
    body = '{"code": "%s", "text": "%s"}' % (said, said)
    async with answering(422, body) as url, client(url) as made:
        with pytest.raises(Refused) as refusal:
            await made.post("n-1", ONE, 7)
    assert (refusal.value.code, str(refusal.value)) == (shown, "%s: %s" % (shown, shown))
    async with answering(500, body) as url, client(url) as made:
        with pytest.raises(Unavailable) as error:
            await made.post("n-1", ONE, 7)
    assert str(error.value) == ("HTTP 500 " + shown)[:200]


async def test_nobody_there():
    async with client("http://127.0.0.1:1") as made:
        with pytest.raises(Unavailable, match="ClientConnectorError"):
            await made.post("h-1", ONE, 7)


@pytest.mark.parametrize("name", ["die", "die_booked"])
async def test_a_wallet_that_dies_and_comes_back(tmp_path, name):
    with wallet(tmp_path) as process:
        process.fault(**{name: {"times": 1}})
        async with client(process.url) as made:
            with pytest.raises(Unavailable):
                await made.post("i-1", ONE, 7)
            process.wait()
            with WalletProcess(tmp_path, port=process.port).ready() as again:
                await made.post("i-1", ONE, 7)
                assert balance(again, "1") == "1"


# --- the circuit breaker -------------------------------------------------------------------------------------------


async def test_the_breaker_opens_and_closes_again(well):
    outcomes = []
    breaker = make_breaker(failures_max=3, open_seconds=SECONDS_MAX)
    async with client(well.url, breaker=breaker, observe=lambda outcome, _: outcomes.append(outcome)) as made:
        well.fault(error={"times": 4})
        for _ in range(3):
            with pytest.raises(Unavailable):
                await made.post("j-1", ONE, 7)
        with pytest.raises(BreakerOpen):  # without a request
            await made.post("j-1", ONE, 7)
        assert outcomes == ["unavailable"] * 3
        breaker.reset_timeout = 0.05  # seconds: long enough, from here on

        async def tried():
            """Wait until the breaker lets a request through. -> what came of it."""
            while True:
                try:
                    await made.post("j-1", ONE, 7)
                    return "done"
                except BreakerOpen:
                    await asyncio.sleep(0.005)
                except Unavailable:
                    return "unavailable"

        assert await tried() == "unavailable"  # the fourth error: open again, at once
        assert breaker.current_state == pybreaker.STATE_OPEN
        assert await tried() == "done"
        assert breaker.current_state == pybreaker.STATE_CLOSED


async def test_refusals_do_not_open_the_breaker(well):
    breaker = make_breaker(failures_max=2)
    async with client(well.url, breaker=breaker) as made:
        for number in range(5):
            with pytest.raises(Refused):
                await made.post("k-%d" % number, TWO_BACK, 7)
        assert breaker.current_state == pybreaker.STATE_CLOSED


async def test_an_answer_between_failures_starts_their_count_again(well):
    breaker = make_breaker(failures_max=2)
    async with client(well.url, breaker=breaker) as made:
        for number in range(4):
            well.fault(error={"times": 1})
            with pytest.raises(Unavailable):
                await made.post("l-%d" % number, ONE, 7)
            await made.post("l-%d" % number, ONE, 7)
        assert breaker.current_state == pybreaker.STATE_CLOSED


async def test_a_token_is_shown_and_never_said(tmp_path, caplog):
    with wallet(tmp_path, WALLET_TOKEN="very-secret") as process:
        async with client(process.url, token="very-secret") as made:
            await made.post("m-1", ONE, 7)
        async with client(process.url, token="wrong-secret") as made:
            with pytest.raises(Unavailable, match="HTTP 401") as error:
                await made.post("m-2", ONE, 7)
        assert "secret" not in str(error.value) + caplog.text
