"""Settlement killed at any moment, and the wallet too: no money is lost or made, and all is settled in the end."""

import random
import time

from tests.harness import SECONDS_MAX
from tests.persistence.settling import Books, SettlingProcess, balances, fund
from tests.postgres import query
from tests.tools.wallet.wallets import WalletProcess, wallet

TRADES = 80
KILLS = 6


def until(condition):
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, "never came true"
        time.sleep(0.001)


def test_settlement_is_killed_over_and_over(database, tmp_path):
    books = Books(database)
    chance = random.Random(11)
    with wallet(tmp_path) as process:
        start = fund(process, BTC="100", USDT="100000")
        books.random_trades(chance, TRADES)
        process.fault(error_booked={"every": 17}, twice={"every": 13})
        for _ in range(KILLS):
            with SettlingProcess(database, process.url) as settling:
                target = max(books.left() - chance.randint(0, 2 * TRADES // KILLS), 0)
                until(lambda target=target: books.left() <= target)
                settling.kill()
        with SettlingProcess(database, process.url):
            until(lambda: books.left() == 0)
        assert set(books.statuses().values()) == {"SETTLED"}
        assert balances(process) == books.expected(start)
        postings = [row["key"] for row in process.postings() if not row["key"].startswith("fund")]
        assert len(postings) == len(set(postings)) == 5 * TRADES


def test_settlement_is_killed_while_it_undoes_trades(database, tmp_path):
    """Every third credit is refused, for good: what is settled is settled whole, what failed has left nothing."""
    books = Books(database)
    chance = random.Random(12)
    with wallet(tmp_path) as process:
        start = fund(process, BTC="100", USDT="100000")
        books.random_trades(chance, 60)
        process.fault(refuse={"every": 7, "direction": "credit"}, error_booked={"every": 19, "on": "all"})
        for _ in range(KILLS):
            with SettlingProcess(database, process.url) as settling:
                target = max(books.left() - chance.randint(0, 10), 0)
                until(lambda target=target: books.left() <= target)
                settling.kill()
        with SettlingProcess(database, process.url):
            until(lambda: books.left() == 0)
        statuses = books.statuses()
        whole = [trade_id for trade_id, status in statuses.items() if status == "SETTLED"]
        assert set(statuses.values()) == {"SETTLED", "FAILED"}
        assert [row[0] for row in books.dead()] == [key for key, status in statuses.items() if status == "FAILED"]
        assert balances(process) == books.expected(start, whole)


def test_both_are_killed(database, tmp_path):
    books = Books(database)
    chance = random.Random(13)
    with wallet(tmp_path) as process:
        start = fund(process, BTC="100", USDT="100000")
        port = process.port
    books.random_trades(chance, 60)
    with SettlingProcess(database, "http://127.0.0.1:%d" % port):
        for _ in range(6):
            with WalletProcess(tmp_path, port=port).ready() as process:
                target = max(books.left() - 8, 0)
                until(lambda target=target: books.left() <= target)
                process.kill()
        with WalletProcess(tmp_path, port=port).ready() as process:
            until(lambda: books.left() == 0)
            failed = [row[0] for row in query(database, "SELECT trade_id FROM dead_letters WHERE stage <> 'reversed'")]
            assert failed == []
            assert set(books.statuses().values()) == {"SETTLED"}
            assert balances(process) == books.expected(start)
