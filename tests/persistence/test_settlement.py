"""Settlement, between a real Postgres and a wallet as a process: every trade once, whatever the wallet does."""

import asyncio
import contextlib
import random
from decimal import Decimal

import attrs
import pytest

from persistence.settlement import Policy
from protocol.messages import FEES_ACCOUNT
from tests.harness import SECONDS_MAX, eventually
from tests.persistence.settling import ACCOUNTS, Books, balances, fund, settling, shows
from tests.postgres import query
from tests.tools.wallet.wallets import WalletProcess
from tests.tools.wallet.wallets import wallet as wallet_process
from tools.__main__ import main

PATIENT = Policy(backoff_seconds=0.01, breaker_failures=1_000)  # a breaker that does not open

SHY = Policy(backoff_seconds=0.01, breaker_failures=1, breaker_seconds=0.05)  # one that opens at once


@pytest.fixture
def books(database):
    return Books(database)


@pytest.fixture
def wallet(tmp_path):
    with wallet_process(tmp_path) as process:
        yield process


async def settled(books):
    """Wait until nothing is left to settle."""
    async with asyncio.timeout(SECONDS_MAX):
        while await asyncio.to_thread(books.left):
            await asyncio.sleep(0.02)


async def test_a_trade_is_settled(books, wallet):
    start = fund(wallet, BTC="10", USDT="1000")
    books.trade(buyer=1, seller=2, quantity="1.5", price="100", buyer_fee="0.3", seller_fee="-0.1")
    async with settling(books.url, wallet.url) as settlement:
        await settled(books)
        await shows(settlement, "settled_total", 1)
    assert books.statuses() == {1: "SETTLED"}
    assert balances(wallet) == books.expected(start)
    assert balances(wallet)["1", "USDT"] == Decimal("849.7")
    assert balances(wallet)["2", "USDT"] == Decimal("1150.1")
    assert balances(wallet)[str(FEES_ACCOUNT), "USDT"] == Decimal("0.2")


async def test_buyer_and_seller_are_told_apart_from_maker_and_taker(books, wallet):
    start = fund(wallet, BTC="10", USDT="1000")
    books.trade(buyer=1, seller=2, buyer_fee="0.3", seller_fee="0.1", taker_side="sell")
    async with settling(books.url, wallet.url):
        await settled(books)
    assert balances(wallet) == books.expected(start)


async def test_many_trades_of_few_accounts(books, wallet):
    start = fund(wallet, BTC="100", USDT="100000")
    books.random_trades(random.Random(1), 150)
    async with settling(books.url, wallet.url):
        await settled(books)
    assert set(books.statuses().values()) == {"SETTLED"}
    assert balances(wallet) == books.expected(start)


async def test_a_trade_may_spend_what_the_one_before_it_brought(books, wallet):
    """Nobody has anything but the first seller and the buyers' money: out of order, most would be refused."""
    wallet.post("fund-btc", "1", "BTC", "credit", "1")
    for account in ACCOUNTS:
        wallet.post("fund-%d" % account, str(account), "USDT", "credit", "1000")
    wallet.fault(slow={"ms": 5, "every": 3})
    for seller, buyer in zip(ACCOUNTS * 5, (*ACCOUNTS[1:], 1) * 5):
        books.trade(buyer, seller, quantity="1", price="100", buyer_fee="0", seller_fee="0")
    async with settling(books.url, wallet.url):
        await settled(books)
    assert set(books.statuses().values()) == {"SETTLED"}
    assert balances(wallet)["1", "BTC"] == 1


@pytest.mark.parametrize("name", ["error", "error_booked", "twice"])
async def test_a_wallet_that_fails_now_and_then_costs_nobody_anything(books, wallet, name):
    start = fund(wallet, BTC="100", USDT="100000")
    books.random_trades(random.Random(2), 40)
    wallet.fault(**{name: {"every": 7}})
    async with settling(books.url, wallet.url, PATIENT):
        await settled(books)
    assert set(books.statuses().values()) == {"SETTLED"}
    assert balances(wallet) == books.expected(start)


async def test_a_slow_answer_is_asked_for_again(books, wallet):
    start = fund(wallet, BTC="100", USDT="100000")
    books.random_trades(random.Random(3), 10)
    wallet.fault(slow={"ms": 1000, "every": 9})
    async with settling(books.url, wallet.url, Policy(backoff_seconds=0.01, timeout_seconds=0.25)):
        await settled(books)
    assert set(books.statuses().values()) == {"SETTLED"}
    assert balances(wallet) == books.expected(start)


@pytest.mark.parametrize("name", ["die", "die_booked"])
async def test_a_wallet_that_dies_in_the_middle(books, tmp_path, name):
    with wallet_process(tmp_path) as process:
        start = fund(process, BTC="100", USDT="100000")
        books.random_trades(random.Random(4), 20)
        process.fault(**{name: {"every": 23, "times": 1}})
        async with settling(books.url, process.url) as settlement:
            await asyncio.to_thread(process.wait)
            await shows(settlement, "breaker_state", 2)  # open: the rest of the queue waits and loses no attempt
            with WalletProcess(tmp_path, port=process.port).ready() as again:
                await settled(books)
                await shows(settlement, "breaker_state", 0)
                assert set(books.statuses().values()) == {"SETTLED"}
                assert balances(again) == books.expected(start)


async def test_an_outage_makes_no_dead_letters(books, wallet):
    start = fund(wallet, BTC="100", USDT="100000")
    books.random_trades(random.Random(5), 20)
    wallet.fault(error={"on": "all"})
    async with settling(books.url, wallet.url) as settlement:
        await eventually(lambda: wallet.ask("GET", "/v1/faults")[1]["error"]["struck"] > 20)
        assert books.dead() == []
        await shows(settlement, "breaker_state", 2)
        wallet.fault()
        await settled(books)
    assert set(books.statuses().values()) == {"SETTLED"}
    assert balances(wallet) == books.expected(start)


async def test_an_outage_costs_no_attempts_and_each_trade_has_its_turn(books, wallet):
    for buyer, seller in ((1, 2), (3, 4), (5, 6)):
        books.trade(buyer, seller)
    wallet.fault(error={})
    async with settling(books.url, wallet.url, attrs.evolve(SHY, workers=1)):
        await eventually(lambda: wallet.ask("GET", "/v1/faults")[1]["error"]["struck"] > 20)
        assert (
            query(books.url, "SELECT attempts, last_error FROM settlement_queue")
            == [(0, "HTTP 500 the fault switch `error`")] * 3
        )
        assert books.dead() == []


# --- what cannot be settled ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("refused", [("2", "debit"), ("1", "credit"), ("2", "credit"), (str(FEES_ACCOUNT), "credit")])
async def test_where_a_leg_is_refused_the_others_are_undone(books, wallet, refused, capsys):
    account, direction = refused
    start = fund(wallet, BTC="10", USDT="1000")
    books.trade(buyer=1, seller=2)
    wallet.fault(refuse={"account": account, "direction": direction})
    async with settling(books.url, wallet.url) as settlement:
        await settled(books)
        await shows(settlement, "failed_total", 1, stage="reversed")
        assert books.statuses() == {1: "FAILED"}
        assert books.dead() == [(1, "reversed", 0, "refused: the fault switch `refuse`")]
        assert balances(wallet) == books.expected(start, [])

        wallet.fault()
        assert main(["settlement", "requeue", "1", "--database", books.url]) == 0
        assert capsys.readouterr().out == "requeued 1\n"
        await settled(books)
    assert books.statuses() == {1: "SETTLED"}
    assert books.dead() == []
    assert balances(wallet) == books.expected(start)


async def test_a_leg_still_on_its_way_when_the_trade_is_undone_is_not_booked(books, wallet):
    """The buyer's debit is too slow to be waited for and the seller's refused: it is reversed before it is booked."""
    start = fund(wallet, BTC="10", USDT="1000")
    books.trade(buyer=1, seller=2)
    wallet.fault(slow={"ms": 1500, "account": "1", "times": 1}, refuse={"account": "2", "direction": "debit"})
    async with settling(books.url, wallet.url, Policy(backoff_seconds=0.01, timeout_seconds=0.25)):
        await settled(books)
        assert [row[:2] for row in books.dead()] == [(1, "reversed")]
        assert wallet.ask("GET", "/v1/faults")[1]["slow"]["struck"] == 1
    # the wallet answers in the order of arrival: an equally slow request comes after what it still had in hand
    wallet.fault(slow={"ms": 1500, "times": 1})
    wallet.post("last", "9", "BTC", "credit", "1")
    assert balances(wallet) == {**books.expected(start, []), ("9", "BTC"): 1}


async def test_without_an_answer_after_all_retries_it_is_a_dead_letter(books, wallet, capsys):
    start = fund(wallet, BTC="10", USDT="1000")
    books.trade(buyer=1, seller=2)
    books.trade(buyer=3, seller=4)
    wallet.fault(error={"account": "2", "direction": "credit"})  # the last but one leg of the first trade
    async with settling(books.url, wallet.url, PATIENT) as settlement:
        await settled(books)
        await shows(settlement, "retries_total", 3)
        assert books.statuses() == {1: "FAILED", 2: "SETTLED"}
        assert books.dead() == [(1, "posting", 4, "HTTP 500 the fault switch `error`")]
        assert wallet.ask("GET", "/v1/faults")[1]["error"]["struck"] == 4
        wallet.fault()
        assert main(["settlement", "requeue", "--all", "--database", books.url]) == 0
        await settled(books)
    assert books.statuses() == {1: "SETTLED", 2: "SETTLED"}
    assert balances(wallet) == books.expected(start)


async def test_what_cannot_be_undone_is_said_and_can_be_tried_again(books, wallet, capsys):
    """The seller's credit is refused, and the wallet will not take back what the buyer was given."""
    start = fund(wallet, BTC="10", USDT="1000")
    books.trade(buyer=1, seller=2)
    wallet.fault(refuse={"account": "2", "direction": "credit"}, error={"on": "reversals"})
    async with settling(books.url, wallet.url, PATIENT):
        await settled(books)
        assert [row[:2] for row in books.dead()] == [(1, "reversing")]
        wallet.fault()
        main(["settlement", "requeue", "1", "--database", books.url])
        await eventually(lambda: [row[:2] for row in books.dead()] == [(1, "reversed")])
    assert balances(wallet) == books.expected(start, [])


async def test_a_trade_that_is_never_answered_does_not_stop_the_others(books, wallet, capsys):
    """It opens the circuit breaker before its attempts are used up, at a time when there is no other to try."""
    start = fund(wallet, BTC="10", USDT="1000")
    books.trade(buyer=1, seller=2)
    wallet.fault(error={"account": "1"}, error_booked={"account": "2"})
    async with settling(books.url, wallet.url) as settlement:
        await shows(settlement, "breaker_state", 2)
        for _ in range(5):
            books.trade(buyer=3, seller=4)
            books.trade(buyer=5, seller=6)
        await settled(books)
        assert [row[:3] for row in books.dead()] == [(1, "posting", 4)]
        assert [trade_id for trade_id, status in books.statuses().items() if status != "SETTLED"] == [1]
        wallet.fault()
        assert main(["settlement", "requeue", "1", "--database", books.url]) == 0
        await settled(books)
    assert balances(wallet) == books.expected(start)


async def test_a_trade_that_holds_up_all_others_may_be_given_up_by_hand(books, wallet):
    """One account is in every trade: nothing tells that trade from an outage."""
    start = fund(wallet, BTC="10", USDT="1000")
    books.trade(buyer=1, seller=2)
    wallet.fault(error={"account": "1"})
    async with settling(books.url, wallet.url, SHY) as settlement:
        await shows(settlement, "breaker_state", 2)
        for buyer in (3, 4, 5):
            books.trade(buyer=buyer, seller=2)
        assert await asyncio.to_thread(main, ["settlement", "give-up", "1", "--database", books.url]) == 0
        await settled(books)
        assert books.statuses() == {1: "FAILED", 2: "SETTLED", 3: "SETTLED", 4: "SETTLED"}
        assert [row[:2] for row in books.dead()] == [(1, "posting")]
        wallet.fault()
        assert await asyncio.to_thread(main, ["settlement", "requeue", "1", "--database", books.url]) == 0
        await settled(books)
    assert balances(wallet) == books.expected(start)


async def test_trades_that_are_never_answered_are_given_up_as_others_get_through(books, wallet):
    """Any failure opens this breaker: those of the first two trades all come while it is open."""
    fund(wallet, BTC="1000", USDT="100000")
    books.trade(buyer=1, seller=2)
    books.trade(buyer=3, seller=4)
    books.trade(buyer=1, seller=3)  # waits for both
    wallet.fault(error={"account": "2"}, error_booked={"account": "4"})
    async with settling(books.url, wallet.url, SHY):
        async with asyncio.timeout(SECONDS_MAX):
            while len(books.dead()) < 2:
                other = books.trade(buyer=5, seller=6).trade_id
                while (statuses := books.statuses())[other] == "PENDING":
                    await asyncio.sleep(0.01)
                assert len(books.dead()) == 2 or statuses[3] == "PENDING"
        await settled(books)
    assert [row[:3] for row in books.dead()] == [(1, "posting", 4), (2, "posting", 4)]
    assert books.statuses()[3] == "SETTLED"


async def test_a_trade_that_waits_for_its_next_try_holds_up_its_accounts_alone(books, wallet):
    fund(wallet, BTC="10", USDT="1000")
    books.trade(buyer=1, seller=2)
    books.trade(buyer=1, seller=3)
    books.trade(buyer=4, seller=5)
    wallet.fault(error={"account": "2"})
    async with settling(books.url, wallet.url, Policy(backoff_seconds=1_000, breaker_failures=1_000)):
        await eventually(lambda: books.statuses() == {1: "PENDING", 2: "PENDING", 3: "SETTLED"})
        assert query(books.url, "SELECT attempts, last_error FROM settlement_queue ORDER BY trade_id") == [
            (1, "HTTP 500 the fault switch `error`"),
            (0, None),
        ]


# --- who works -----------------------------------------------------------------------------------------------------


async def test_of_two_one_works_and_the_other_takes_over(books, wallet):
    start = fund(wallet, BTC="100", USDT="100000")
    async with contextlib.AsyncExitStack() as rest:
        async with settling(books.url, wallet.url) as first:
            await eventually(lambda: query(books.url, "SELECT objid FROM pg_locks WHERE locktype = 'advisory'"))
            second = await rest.enter_async_context(settling(books.url, wallet.url))
            books.random_trades(random.Random(6), 20)
            await shows(first, "settled_total", 20)
        books.random_trades(random.Random(7), 20)
        await shows(second, "settled_total", 20)
    assert set(books.statuses().values()) == {"SETTLED"}
    assert balances(wallet) == books.expected(start)


async def test_connections_that_are_cut_are_made_again(books, wallet):
    start = fund(wallet, BTC="100", USDT="100000")
    books.random_trades(random.Random(8), 40)
    async with settling(books.url, wallet.url):
        for left in (30, 20, 10):
            await eventually(lambda left=left: books.left() <= left)
            query(
                books.url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
        await settled(books)
    assert set(books.statuses().values()) == {"SETTLED"}
    assert balances(wallet) == books.expected(start)
