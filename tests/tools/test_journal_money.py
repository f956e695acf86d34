"""`tools journal proof`, and what `replay` shows of a venue with a ledger."""

import pytest

from protocol.messages import (
    DefineAsset,
    DefineInstrument,
    Deposit,
    OpenAccount,
    OrderType,
    PlaceOrder,
    SetFees,
    Side,
    TimeInForce,
)
from tests.tools.journals import JournalMaker, run_json, run_tool
from tools.journal.proof import sums
from tools.journal.state import state_at


def order_of(account, side, price, quantity):
    return PlaceOrder(account, 3, side, OrderType.LIMIT, TimeInForce.GTC, 0, price, quantity)


@pytest.fixture
def funded(tmp_path):
    """A journal of a venue with a ledger: two accounts, a trade, an order and a stop order open. -> directory"""
    maker = JournalMaker(tmp_path)
    maker.batch([DefineAsset(0, 1, 3, 0, "GOLD"), DefineAsset(0, 2, 5, 0, "USD")])
    maker.batch([DefineInstrument(0, 3, 2, 3, 1, 1, 500, 1, 2, 0, "GOLD-USD"), SetFees(0, 3, 0, 1000, 2000, 0)])
    maker.batch([OpenAccount(account, 0, "user-%d" % account) for account in (1, 2)])
    maker.batch(
        [Deposit(account, asset, 10**9, 0, "%d-%d" % (account, asset)) for account in (1, 2) for asset in (1, 2)]
    )
    orders = [order_of(1, Side.SELL, 10_000, 5), order_of(2, Side.BUY, 10_000, 3), order_of(2, Side.BUY, 0, 7)]
    orders[2].order_type, orders[2].stop_price = OrderType.STOP, 10_100
    maker.batch(orders)
    maker.close()
    return str(tmp_path)


def test_the_proof_counts_every_balance_after_any_command(funded):
    code, proof = run_json("journal", "proof", funded)
    assert (code, proof["holds"], proof["accounts"]) == (0, True, 3)
    gold, usd = proof["assets"]
    assert (gold["deposited"], gold["available"] + gold["reserved"], gold["difference"]) == (2 * 10**9, 2 * 10**9, 0)
    assert (usd["of_that_fees"], usd["holds"]) == (90, True)  # 0.1 % and 0.2 % of 30,000
    assert (gold["reserved"], usd["reserved"] > 0) == (2, True)
    assert len(proof["state_hash"]) == 64
    assert run_json("journal", "proof", funded, "--at", 4)[1]["assets"][0]["deposited"] == 0
    code, out, _ = run_tool("journal", "proof", funded, "--at", proof["seq"])
    assert code == 0 and "The sums hold." in out and "0.00090" in out
    assert run_tool("journal", "proof", funded, "--at", 10_000)[0] == 1
    assert run_tool("journal", "proof", funded, "--at", -1)[0] == 1


def test_sums_that_do_not_hold_are_told(funded):
    """No journal gives them."""
    exchange = state_at(funded).exchange
    exchange.ledger.assets[1].available[2] += 1
    gold, usd = sums(exchange.ledger)
    assert (gold["difference"], gold["holds"], usd["holds"]) == (1, False, True)
    exchange.ledger.assets[2].available[1] -= 2 * 10**9
    exchange.ledger.assets[2].available[2] += 2 * 10**9
    _, usd = sums(exchange.ledger)
    assert (usd["difference"], usd["holds"]) == (0, False)  # what one has, another owes


def test_replay_shows_stop_orders_that_wait_and_the_balances_of_an_account(funded):
    code, view = run_json("journal", "replay", funded, "--account", 2)
    (order,) = view["orders"]
    assert (code, order["order_type"], order["is_waiting"], order["stop_price"]) == (0, "stop", 1, 10_100)
    gold, usd = view["balances"]
    assert (gold["symbol"], gold["available"]) == ("GOLD", 10**9 + 3)
    assert usd["reserved"] == order["reserved"] and usd["available"] + usd["reserved"] == 10**9 - 30_000 - 60
    code, out, _ = run_tool("journal", "replay", funded, "--account", 2)
    assert "0 open orders" in out and "1 stop orders waiting" in out and "101.00" in out
    assert "balances" not in run_json("journal", "replay", funded)[1]
