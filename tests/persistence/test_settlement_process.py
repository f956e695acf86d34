"""The whole way: a journal, `python -m persistence` with a wallet, kills on the way, and every account's money."""

import sys
import time
import urllib.request
from decimal import Decimal

import pytest

from protocol.messages import Deposited, Withdrawn
from tests.harness import SECONDS_MAX, LoggedProcess
from tests.persistence.journals import CrowdJournal
from tests.postgres import query
from tests.tools.wallet.wallets import wallet
from tools.__main__ import main


class PersistenceProcess(LoggedProcess):
    def __init__(self, journal, database, wallet_url, **environment):
        command = [sys.executable, "-m", "persistence", "--journal", journal, "--metrics-port", "0"]
        super().__init__(command, DATABASE_URL=database, WALLET_URL=wallet_url, **environment)

    def metrics(self):
        with urllib.request.urlopen(self.line("metrics: http").split()[-1], timeout=SECONDS_MAX) as response:
            return response.read().decode()


def until(condition):
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, "never came true"
        time.sleep(0.01)


def count(database, condition):
    return query(database, "SELECT count(*) FROM trades WHERE %s" % condition)[0][0]


def traded(crowd):
    """-> {(account, asset): Decimal} of what trades alone have brought each account, by the exchange's own ledger."""
    ledger = crowd.exchange.ledger
    found = {}
    for asset in ledger.assets.values():
        for account in ledger.accounts.values():
            units = asset.available[account.index] + asset.reserved[account.index]
            for event in crowd.events:
                if type(event) not in (Deposited, Withdrawn) or event.is_duplicate:
                    continue
                if (event.account, event.asset) == (account.number, asset.number):
                    units -= event.amount if type(event) is Deposited else -event.amount
            if units:
                found[str(account.number), asset.symbol] = Decimal(units).scaleb(-asset.scale)
    return found


@pytest.fixture
def crowd(tmp_path):
    directory = tmp_path / "journal"
    directory.mkdir()
    made = CrowdJournal(directory, seed=9).add(900)
    yield made
    made.close()


def test_the_wallet_comes_to_what_the_exchange_has(tmp_path, database, crowd, capsys):
    trades = crowd.exchange.trade_count
    with wallet(tmp_path, "--overdraft", WALLET_TOKEN="our-secret") as service:
        for part in (0.1, 0.4, 0.7, 1):
            with PersistenceProcess(crowd.directory, database, service.url, WALLET_TOKEN="our-secret") as process:
                process.line("metrics: ")

                def is_far_enough(part=part):
                    is_drained = query(database, "SELECT to_regclass('trades')") != [(None,)]
                    if not is_drained or count(database, "true") < trades:
                        return False
                    open_trades = count(database, "settlement_status = 'PENDING'")
                    return open_trades <= count(database, "settlement_status <> 'NONE'") * (1 - part)

                until(is_far_enough)
                if part < 1:
                    process.kill()
                else:
                    until(lambda: "\nsettlement_queue 0.0" in process.metrics())
                    assert "settlement_breaker_state 0.0" in process.metrics()
                    assert process.stop() == 0
        assert "our-secret" not in "\n".join(process.log)
        status, answer = service.ask("GET", "/v1/balances", token="our-secret")
        rows = answer["balances"]
        found = {(row["account"], row["asset"]): Decimal(row["balance"]) for row in rows if row["balance"] != "0"}
        assert status == 200
        assert found == traded(crowd)
    unfunded = [number for number, book in crowd.exchange.books.items() if not book.instrument.base]
    statuses = query(database, "SELECT DISTINCT instrument = ANY(%s), settlement_status FROM trades", (unfunded,))
    assert sorted(statuses) == [(False, "SETTLED"), (True, "NONE")]
    assert main(["reconcile", crowd.directory, "--database", database]) == 0, capsys.readouterr().out


def test_without_a_wallet_nothing_waits_to_be_settled(database, crowd):
    with PersistenceProcess(crowd.directory, database, "") as process:
        process.line("metrics: ")
        until(lambda: query(database, "SELECT to_regclass('trades')") != [(None,)])
        until(lambda: count(database, "true") == crowd.exchange.trade_count)
        assert count(database, "settlement_status <> 'NONE'") == 0
        assert query(database, "SELECT count(*) FROM settlement_queue") == [(0,)]
        assert "settlement_" not in process.metrics()
        assert process.stop() == 0


@pytest.mark.parametrize("url", ["wallet:7010", "ftp://wallet", "http://", "http://me:secret@wallet/"])
def test_an_address_that_is_none_is_refused(database, tmp_path, url):
    with PersistenceProcess(str(tmp_path), database, url) as process:
        assert process.wait() == 2
        assert "wallet_url must be" in process.line("wallet_url")
        assert "secret@" not in "\n".join(process.log)
