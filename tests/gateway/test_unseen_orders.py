"""Orders that are older than what a gateway remembers, when they are changed through it."""

from tests.gateway.live import until, until_ready
from tests.gateway.test_orders import limit, placed


async def filled_in_part(exchange):
    """-> (its owner, another trader, the market, Order)"""
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    order = (await placed(alice, limit(market, "sell", "0.3", "50000", client_order_id="one")))["order"]
    await placed(bob, limit(market, "buy", "0.1", "50000"))
    return alice, bob, market, order


async def test_amended_it_is_told_as_whole_as_others(exchange, another_gateway):
    alice, bob, market, order = await filled_in_part(exchange)
    late = alice.at(another_gateway(history_events=0))
    await until_ready(late)
    path = "/orders/" + order["order_id"]
    answer = await until(
        lambda: late.patch(path, {"quantity": "0.25"}), lambda answer: answer.data["order"]["average_price"] is not None
    )
    assert answer.data == {"order": (await alice.get(path)).data, "trades": [], "duplicate": False}
    assert answer.data["order"]["average_price"] == "50000.00000000"
    assert answer.data["order"]["created_at"] == order["created_at"]
    await placed(bob, limit(market, "buy", "0.05", "49000"))
    last = (await late.patch(path, {"price": "49000", "quantity": "0.15"})).data  # which fills what is left of it
    assert (last["order"]["status"], last["order"]["remaining_quantity"], len(last["trades"])) == (
        "FILLED",
        "0.000000",
        1,
    )


async def test_amended_without_postgres(exchange, another_gateway):
    alice, _, _, order = await filled_in_part(exchange)
    late = alice.at(another_gateway(history_events=0, database_url="postgresql://nobody@127.0.0.1:1/nothing"))
    await until_ready(late)
    answer = await late.patch("/orders/" + order["order_id"], {"quantity": "0.25"})
    assert (answer.status, answer.data["order"]["quantity"]) == (200, "0.250000")
    assert (answer.data["order"]["filled_quantity"], answer.data["order"]["average_price"]) == ("0.100000", None)
