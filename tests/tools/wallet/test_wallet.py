"""The wallet of record: each posting once, balances that are their sum, and faults that are what they are called."""

import http.client
import json
import socket

import pytest

from tests.harness import SECONDS_MAX
from tests.tools.wallet.wallets import WalletProcess, wallet
from tools.__main__ import main
from tools.wallet.service import DIED


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with wallet(tmp_path_factory.mktemp("wallet")) as process:
        yield process


@pytest.fixture
def well(shared):
    """The wallet that tests share, behaving well; they keep apart by accounts and keys."""
    yield shared
    shared.fault()


def test_a_posting_changes_one_balance(well):
    assert well.post("a-1", "ann", "BTC", "credit", "1.50000000")[0] == 201
    assert well.post("a-2", "ann", "BTC", "debit", "0.25")[0] == 201
    assert well.balances()["ann", "BTC"] == "1.25"


def test_a_key_counts_once(well):
    first = well.post("b-1", "bob", "BTC", "credit", "2")
    second = well.post("b-1", "bob", "BTC", "credit", "2")
    assert first == (201, {"key": "b-1", "posting_id": first[1]["posting_id"], "is_new": True})
    assert second == (200, {**first[1], "is_new": False})
    assert well.balances()["bob", "BTC"] == "2"


def test_a_key_is_for_one_posting(well):
    well.post("c-1", "carol", "BTC", "credit", "2")
    status, body = well.post("c-1", "carol", "BTC", "credit", "3")
    assert (status, body["code"]) == (409, "key_conflict")
    assert well.balances()["carol", "BTC"] == "2"


def test_nobody_spends_what_he_has_not(well):
    well.post("d-1", "dan", "BTC", "credit", "1")
    status, body = well.post("d-2", "dan", "BTC", "debit", "1.00000001")
    assert (status, body["code"]) == (422, "insufficient_funds")
    assert well.balances()["dan", "BTC"] == "1"


def test_a_refused_key_may_come_again(well):
    assert well.post("e-1", "eve", "BTC", "debit", "1")[0] == 422
    well.post("e-2", "eve", "BTC", "credit", "1")
    assert well.post("e-1", "eve", "BTC", "debit", "1")[0] == 201


def test_a_reversal_undoes_a_posting_once(well):
    well.post("f-1", "fay", "BTC", "credit", "3")
    assert well.reverse("f-1") == (200, {"key": "f-1", "was_posted": True})
    assert well.reverse("f-1") == (200, {"key": "f-1", "was_posted": False})
    assert ("fay", "BTC") not in well.balances()


def test_a_key_that_was_reversed_before_it_came_is_spent(well):
    assert well.reverse("g-1") == (200, {"key": "g-1", "was_posted": False})
    status, body = well.post("g-1", "gus", "BTC", "credit", "3")
    assert (status, body["code"]) == (410, "reversed")
    assert ("gus", "BTC") not in well.balances()


def test_a_credit_that_was_spent_cannot_be_reversed(well):
    well.post("h-1", "hal", "BTC", "credit", "3")
    well.post("h-2", "hal", "BTC", "debit", "2")
    status, body = well.reverse("h-1")
    assert (status, body["code"]) == (422, "insufficient_funds")
    assert well.balances()["hal", "BTC"] == "1"


@pytest.mark.parametrize("amount", ["0", "-1", "1e3", "1,5", "", "x", "9" * 41, "NaN", 1, None])
def test_an_amount_is_a_decimal_above_zero(well, amount):
    status, body = well.post("i-1", "ian", "BTC", "credit", amount)
    assert (status, body["code"]) == (400, "invalid")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', {}, {"account": "x" * 65}])
def test_a_body_is_an_object_of_text(well, body):
    status, answer = well.ask("POST", "/v1/postings", body, "j-1")
    assert (status, answer["code"]) == (400, "invalid")


@pytest.mark.parametrize("key", [None, "", "k" * 129])
def test_what_moves_money_has_a_key(well, key):
    fields = {"account": "kim", "asset": "BTC", "direction": "credit", "amount": "1"}
    status, answer = well.ask("POST", "/v1/postings", fields, key)
    assert (status, answer["code"]) == (400, "invalid")


def test_a_token_is_asked_for_where_there_is_one(tmp_path):
    with wallet(tmp_path, WALLET_TOKEN="right") as process:
        assert process.ask("GET", "/v1/balances")[0] == 401
        assert process.ask("GET", "/v1/balances", token="wrong")[0] == 401
        assert process.ask("GET", "/v1/balances", token="right")[0] == 200


def test_with_overdraft_balances_may_be_below_zero(tmp_path):
    with wallet(tmp_path, "--overdraft") as process:
        assert process.post("a", "ann", "BTC", "debit", "1")[0] == 201
        assert process.balances() == {("ann", "BTC"): "-1"}


# --- faults --------------------------------------------------------------------------------------------------------


def test_error_does_nothing_and_error_booked_does_it(well):
    well.fault(error={"times": 1})
    assert well.post("l-1", "lea", "BTC", "credit", "1")[0] == 500
    assert ("lea", "BTC") not in well.balances()
    well.fault(error_booked={"times": 1})
    assert well.post("l-2", "lea", "BTC", "credit", "1")[0] == 500
    assert well.balances()["lea", "BTC"] == "1"
    assert well.post("l-2", "lea", "BTC", "credit", "1")[0] == 200


def test_a_fault_strikes_every_so_many_of_what_it_is_for(well):
    well.fault(refuse={"every": 2, "times": 2, "account": "mia", "direction": "credit"})
    answers = [well.post("m-%d" % number, "mia", "BTC", "credit", "1")[0] for number in range(6)]
    assert answers == [201, 422, 201, 422, 201, 201]
    assert well.post("m-9", "max", "BTC", "credit", "1")[0] == 201


def test_reversals_have_their_own_faults(well):
    well.fault(error={"on": "reversals"})
    assert well.post("n-1", "nia", "BTC", "credit", "1")[0] == 201
    assert well.reverse("n-1")[0] == 500


def test_twice_sends_the_same_answer_twice(well):
    well.fault(twice={"times": 1})
    body = json.dumps({"account": "ole", "asset": "BTC", "direction": "credit", "amount": "1"})
    head = "POST /v1/postings HTTP/1.1\r\nHost: wallet\r\nIdempotency-Key: o-1\r\nContent-Length: %d\r\n\r\n"
    answers = ""
    with socket.create_connection(("127.0.0.1", well.port), SECONDS_MAX) as connection:
        connection.sendall((head % len(body) + body).encode())
        while answers.count("}") < 2:
            received = connection.recv(4096)
            assert received, answers
            answers += received.decode()
    first, second = [answer.partition("\r\n\r\n")[2] for answer in answers.split("HTTP/1.1 201 Created\r\n")[1:]]
    assert json.loads(first) == json.loads(second)
    assert well.balances()["ole", "BTC"] == "1"


@pytest.mark.parametrize("name, balances", [("die", {}), ("die_booked", {("ann", "BTC"): "1"})])
def test_it_dies_before_or_after_it_has_done_it(tmp_path, name, balances):
    with wallet(tmp_path) as process:
        process.fault(**{name: {"times": 1}})
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            process.post("a", "ann", "BTC", "credit", "1")
        assert process.wait() == DIED
    with WalletProcess(tmp_path, port=process.port).ready() as again:
        assert again.balances() == balances
        again.post("a", "ann", "BTC", "credit", "1")
        assert again.balances() == {("ann", "BTC"): "1"}


def test_a_kill_keeps_what_was_answered(tmp_path):
    with wallet(tmp_path) as process:
        for number in range(20):
            process.post("key-%d" % number, "ann", "BTC", "credit", "1")
        process.kill()
    with wallet(tmp_path) as again:
        assert again.balances() == {("ann", "BTC"): "20"}
        assert len(again.postings()) == 20


@pytest.mark.parametrize(
    "faults", [{"nonsense": {}}, {"error": {"every": 0}}, {"error": {"x": 1}}, {"slow": {"ms": "9"}}, {"error": 1}]
)
def test_a_fault_that_is_none_changes_nothing(well, faults):
    well.fault(refuse={"account": "nobody"})
    status, body = well.ask("PUT", "/v1/faults", faults)
    assert (status, body["code"]) == (400, "invalid")
    assert list(well.ask("GET", "/v1/faults")[1]) == ["refuse"]


def test_a_file_that_is_none_of_its_own(tmp_path, capsys):
    (tmp_path / "text").write_text("What is written here is no database, and it stays as it is." * 20)
    assert main(["wallet", "--port", "0", "--data", str(tmp_path / "text")]) == 1
    assert capsys.readouterr().err == "tools wallet: %s: file is not a database\n" % (tmp_path / "text")
    assert main(["wallet", "--port", "0", "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "tools wallet: %s: unable to open database file\n" % tmp_path


def test_faults_from_the_command_line(tmp_path, capsys):
    with wallet(tmp_path, "--fault", "error:times=1", "--fault", "slow:ms=1,account=7") as process:
        shown = process.ask("GET", "/v1/faults")[1]
        assert shown["error"]["times"] == 1
        assert (shown["slow"]["ms"], shown["slow"]["account"]) == (1, "7")
    assert main(["wallet", "--fault", "nonsense"]) == 2
    assert "there is no fault 'nonsense'" in capsys.readouterr().err
