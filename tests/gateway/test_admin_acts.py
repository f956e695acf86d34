"""What administrators do over HTTP: it happens, who and why are in the audit log, and nobody else may."""

from urllib.parse import quote

import pytest
from yarl import URL

from gateway.app import ROUTES
from gateway.identity import ADMIN
from tests.gateway.live import until
from tests.gateway.test_orders import balance, limit, placed

WHY = {"reason": "ticket 4711"}


async def audited(admin, action):
    """-> the newest audit record of such an act of this administrator, once it is there."""
    found = await until(
        lambda: admin.get("/admin/audit", admin=admin.user, action=action, limit="1"),
        lambda answer: answer.data["records"],
    )
    record = found.data["records"][0]
    assert record["admin"] == admin.user
    return {name: record[name] for name in ("user", "symbol", "asset", "reason", "details")}


def of(details, **more):
    return {"user": None, "symbol": None, "asset": None, "reason": None, "details": details, **more}


# --- markets -------------------------------------------------------------------------------------------------------


async def test_halt_and_resume(exchange):
    market, trader, admin = await exchange.market(), await exchange.trader(), await exchange.admin()
    order = limit(market, "buy", "0.1", "100.00")
    answer = await admin.post("/admin/trading/halt/" + market.symbol, WHY)
    assert (answer.status, answer.data["state"], answer.data["reason"]) == (200, "halted", "ticket 4711")
    assert await audited(admin, "set_instrument_state") == of(
        {"state": "halted"}, symbol=market.symbol, reason="ticket 4711"
    )
    refused = await trader.post("/orders", order)
    assert (refused.status, refused.code) == (409, "instrument_halted")
    markets = {row["symbol"]: row["state"] for row in (await trader.get("/markets")).data}
    assert markets[market.symbol] == "halted"
    answer = await admin.post("/admin/trading/resume/" + market.symbol, {"reason": "all is well"})
    assert (answer.status, answer.data["state"]) == (200, "open")
    await placed(trader, order)


@pytest.mark.parametrize("state", ["post_only", "cancel_only"])
async def test_other_states(exchange, state):
    market, admin = await exchange.market(), await exchange.admin()
    answer = await admin.post("/admin/trading/halt/" + market.symbol, {**WHY, "state": state})
    assert (answer.status, answer.data["state"]) == (200, state)


async def test_a_market_from_its_assets_to_its_first_trade(exchange):
    admin = await exchange.admin()
    number = next(exchange.live.numbers)
    asset = "A%d" % number
    answer = await admin.post("/admin/assets", {"symbol": asset, "scale": 6})
    assert (answer.status, answer.data["symbol"], answer.data["scale"]) == (201, asset, 6)
    body = {
        "symbol": asset + "-USDT",
        "base_asset": asset,
        "quote_asset": "USDT",
        "price_scale": 2,
        "quantity_scale": 4,
        "tick_size": "0.05",
        "lot_size": "0.001",
        "reason": "listed",
    }
    answer = await admin.post("/admin/instruments", body)
    assert answer.status == 201, answer.body
    assert (answer.data["symbol"], answer.data["tick_size"], answer.data["lot_size"], answer.data["state"]) == (
        asset + "-USDT",
        "0.05",
        "0.0010",
        "open",
    )
    assert await audited(admin, "set_instrument_state") == of(
        {"state": "open"}, symbol=asset + "-USDT", reason="listed"
    )
    assert (await audited(admin, "define_instrument"))["symbol"] == asset + "-USDT"
    assert (await audited(admin, "define_asset"))["asset"] == asset
    seller, buyer = await exchange.trader(), await exchange.trader()
    moved = await admin.post(
        "/admin/deposits", {"user": seller.user, "asset": asset, "amount": "5", "reference": "in-%d" % number}
    )
    assert (moved.status, moved.data["available"]) == (201, "5.000000")
    order = {"symbol": asset + "-USDT", "quantity": "2", "price": "10.05"}
    await placed(seller, {**order, "side": "sell"})
    assert (await placed(buyer, {**order, "side": "buy"}))["order"]["status"] == "FILLED"
    assert await balance(buyer, asset) == ("2.000000", "0.000000")
    for path, again in (("/admin/instruments", body), ("/admin/assets", {"symbol": asset, "scale": 6})):
        answer = await admin.post(path, again)
        assert (answer.status, answer.field) == (409, "symbol"), path


async def test_a_market_of_what_does_not_fit(exchange):
    admin = await exchange.admin()
    body = {
        "symbol": "X%d-USDT" % next(exchange.live.numbers),
        "base_asset": "BTC",
        "quote_asset": "USDT",
        "price_scale": 2,
        "quantity_scale": 4,
        "tick_size": "0.01",
        "lot_size": "0.0001",
        **WHY,
    }
    for change, status, code, field in (
        ({"base_asset": "NONE"}, 404, "unknown_asset", "base_asset"),
        ({"quote_asset": "BTC"}, 409, "invalid_instrument", "symbol"),
        ({"price_scale": 18}, 409, "invalid_instrument", "symbol"),
        ({"tick_size": "0.001"}, 422, "too_many_decimals", "tick_size"),
        ({"lot_size": "0"}, 409, "invalid_instrument", "symbol"),
        ({"price_scale": 19}, 422, "invalid_field", "price_scale"),
        ({"symbol": "with space"}, 422, "invalid_field", "symbol"),
        ({"symbol": "A" * 33}, 422, "invalid_field", "symbol"),
        ({"instrument": 2**32}, 422, "invalid_field", "instrument"),
        ({"state": "closed"}, 422, "invalid_field", "state"),
    ):
        answer = await admin.post("/admin/instruments", {**body, **change})
        assert (answer.status, answer.code, answer.field) == (status, code, field), change


# --- accounts ------------------------------------------------------------------------------------------------------


async def test_open_an_account(exchange):
    admin, user = await exchange.admin(), "new-%d" % next(exchange.live.numbers)
    first = await admin.post("/admin/accounts", {"user": user})
    assert (first.status, first.data["is_new"], first.data["user"]) == (201, True, user)
    again = await admin.post("/admin/accounts", {"user": user})
    assert (again.status, again.data["is_new"], again.data["account"]) == (200, False, first.data["account"])
    assert await audited(admin, "open_account") == of({"user": user}, user=user)


async def test_cancel_all_of_a_user(exchange):
    market, other = await exchange.market(), await exchange.market()
    trader, bystander, admin = await exchange.trader(), await exchange.trader(), await exchange.admin()
    buy = (await placed(trader, limit(market, "buy", "0.1", "100.00")))["order"]["order_id"]
    sell = (await placed(trader, limit(market, "sell", "0.1", "200.00")))["order"]["order_id"]
    elsewhere = (await placed(trader, limit(other, "buy", "0.1", "100.00")))["order"]["order_id"]
    left = (await placed(bystander, limit(market, "buy", "0.1", "99.00")))["order"]["order_id"]
    path = "/admin/orders/cancel-all/" + trader.user
    answer = await admin.post(path, {**WHY, "symbol": market.symbol, "side": "sell"})
    assert (answer.data["count"], [row["order_id"] for row in answer.data["orders"]]) == (1, [sell])
    details = {"side": "sell", "cancelled_orders": 1}
    assert await audited(admin, "cancel_account") == of(
        details, user=trader.user, symbol=market.symbol, reason="ticket 4711"
    )
    answer = await admin.post(path, WHY)
    assert [(row["order_id"], row["reason"]) for row in answer.data["orders"]] == [
        (buy, "admin"),
        (elsewhere, "admin"),
    ]
    assert (await bystander.get("/orders/" + left)).data["status"] == "OPEN"
    await placed(trader, limit(market, "buy", "0.1", "100.00"))
    assert (await admin.post(path, {**WHY, "symbol": "NO-SUCH"})).code == "unknown_instrument"


async def test_block_and_unblock(exchange):
    market, trader, admin = await exchange.market(), await exchange.trader(), await exchange.admin()
    order_id = (await placed(trader, limit(market, "buy", "0.1", "100.00")))["order"]["order_id"]
    answer = await admin.post("/admin/accounts/%s/block" % trader.user, WHY)
    assert (answer.status, answer.data["is_blocked"], answer.data["cancelled"]["count"]) == (200, True, 1)
    assert answer.data["cancelled"]["orders"][0]["order_id"] == order_id
    assert await audited(admin, "block_account") == of({"cancelled_orders": 1}, user=trader.user, reason="ticket 4711")
    refused = await trader.post("/orders", limit(market, "buy", "0.1", "100.00"))
    assert (refused.status, refused.code) == (403, "account_blocked")
    answer = await admin.post("/admin/accounts/%s/unblock" % trader.user, WHY)
    assert (answer.data["is_blocked"], answer.data["cancelled"]) == (False, {"count": 0, "orders": []})
    await placed(trader, limit(market, "buy", "0.1", "100.00"))


# --- money ---------------------------------------------------------------------------------------------------------


async def test_money_moves_once_for_each_reference(exchange):
    trader, admin = await exchange.trader(usdt=0), await exchange.admin()
    number = next(exchange.live.numbers)
    deposit = {"user": trader.user, "asset": "USDT", "amount": "12.5", "reference": "in-%d" % number}
    first = await admin.post("/admin/deposits", deposit)
    assert (first.status, first.data["amount"], first.data["available"]) == (201, "12.50000000", "12.50000000")
    again = await admin.post("/admin/deposits", deposit)
    assert (again.status, again.data["duplicate"], again.data["available"]) == (200, True, "12.50000000")
    answer = await admin.post("/admin/deposits", {**deposit, "amount": "13"})
    assert (answer.status, answer.code, answer.field) == (409, "reference_conflict", "reference")
    withdrawal = {**deposit, "amount": "2", "reference": "out-%d" % number}
    taken = await admin.post("/admin/withdrawals", withdrawal)
    assert (taken.status, taken.data["available"]) == (201, "10.50000000")
    assert (await admin.post("/admin/withdrawals", withdrawal)).data["duplicate"] is True
    assert await balance(trader, "USDT") == ("10.50000000", "0.00000000")
    answer = await admin.post("/admin/withdrawals", {**withdrawal, "amount": "11", "reference": "more-%d" % number})
    assert (answer.status, answer.code) == (422, "insufficient_funds")
    details = {"amount": "2.00000000", "reference": "out-%d" % number}
    found = await audited(admin, "withdraw")
    assert found == of(details, user=trader.user, asset="USDT")


@pytest.mark.parametrize(
    "change, status, code, field",
    [
        ({"amount": "0"}, 422, "invalid_amount", "amount"),
        ({"amount": "-1"}, 422, "invalid_decimal", "amount"),
        ({"amount": 1}, 422, "invalid_field", "amount"),
        ({"amount": "1e3"}, 422, "invalid_decimal", "amount"),
        ({"amount": "NaN"}, 422, "invalid_decimal", "amount"),
        ({"amount": "0.000000001"}, 422, "too_many_decimals", "amount"),
        ({"amount": "9" * 19}, 422, "number_too_large", "amount"),
        ({"amount": "50000000000"}, 422, "invalid_amount", "amount"),
        ({"asset": "'; DROP TABLE balances; --"}, 404, "unknown_asset", "asset"),
        ({"user": "nobody-at-all"}, 404, "unknown_account", "user"),
        ({"user": "with space"}, 422, "invalid_field", "user"),
        ({"reference": ""}, 422, "invalid_field", "reference"),
        ({"reference": "x" * 65}, 422, "invalid_field", "reference"),
        ({"reference": "with space"}, 422, "invalid_field", "reference"),
        ({"more": "1"}, 422, "invalid_field", "more"),
    ],
)
async def test_movements_that_cannot_be(exchange, change, status, code, field):
    trader, admin = await exchange.trader(), await exchange.admin()
    body = {"user": trader.user, "asset": "BTC", "amount": "1", "reference": "r-%d" % next(exchange.live.numbers)}
    before = await balance(trader, "BTC")
    for path in ("/admin/deposits", "/admin/withdrawals"):
        answer = await admin.post(path, {**body, **change})
        if (path, code) == ("/admin/withdrawals", "invalid_amount") and change["amount"] != "0":
            continue  # that much is not there to be withdrawn either
        assert (answer.status, answer.code, answer.field) == (status, code, field), path
    assert await balance(trader, "BTC") == before


# --- limits --------------------------------------------------------------------------------------------------------

NO_LIMITS = {
    "asset": "USDT",
    "order_notional_max": None,
    "daily_notional_max": None,
    "second_factor_above": None,
    "open_orders_max": None,
    **WHY,
}


async def test_limits_of_a_user(exchange):
    market, trader, admin = await exchange.market(), await exchange.trader(), await exchange.admin()
    path = "/admin/limits/user/" + trader.user
    answer = await admin.post(path, {**NO_LIMITS, "order_notional_max": "50.5", "open_orders_max": 1})
    limits = [
        {"asset": "USDT", "order_notional_max": "50.50000000", "daily_notional_max": None, "second_factor_above": None}
    ]
    assert (answer.status, answer.data["assets"], answer.data["open_orders_max"]) == (200, limits, 1)
    assert (await audited(admin, "set_account_limits"))["user"] == trader.user
    found = await until(lambda: admin.get(path), lambda answer: answer.data["assets"])
    assert found.data == {
        "user": trader.user,
        "account": str(trader.account),
        "tier": 0,
        "is_blocked": False,
        "open_orders": 0,
        "open_orders_max": 1,
        "commands_per_second": None,
        "assets": limits,
    }
    assert (await trader.post("/orders", limit(market, "buy", "1", "51.00"))).code == "order_notional_limit"
    await placed(trader, limit(market, "buy", "1", "50.00"))
    assert (await trader.post("/orders", limit(market, "buy", "1", "50.00"))).code == "open_orders_limit"
    await admin.post(path, NO_LIMITS)
    await placed(trader, limit(market, "buy", "1", "51.00"))


async def test_commands_per_second_of_a_user(exchange):
    trader, admin = await exchange.trader(), await exchange.admin()
    path = "/admin/limits/user/" + trader.user
    for rate, why in ((500, "market maker"), (None, "no longer one")):
        answer = await admin.post(path + "/rate", {"commands_per_second": rate, "reason": why})
        assert (answer.status, answer.data) == (200, {"user": trader.user, "commands_per_second": rate})
        assert (await exchange.client.find_account(user=trader.user)).commands_per_second == (rate or 0)
        assert (await admin.get(path)).data["commands_per_second"] == rate
        expected = of({"commands_per_second": rate}, user=trader.user, reason=why)
        await until(lambda: audited(admin, "set_account_rate"), lambda record, expected=expected: record == expected)


@pytest.mark.parametrize("rate", [0, -1, 2**32, 1.5, "500", True])
async def test_rates_that_cannot_be(exchange, rate):
    trader, admin = await exchange.trader(), await exchange.admin()
    path = "/admin/limits/user/%s/rate" % trader.user
    for body in ({"commands_per_second": rate, **WHY}, WHY):  # what is left out is not taken for none
        answer = await admin.post(path, body)
        assert (answer.status, answer.code, answer.field) == (422, "invalid_field", "commands_per_second")


async def test_a_second_factor_above_an_amount(exchange):
    market, trader, admin = await exchange.market(), await exchange.trader(), await exchange.admin()
    await admin.post("/admin/limits/user/" + trader.user, {**NO_LIMITS, "second_factor_above": "50"})
    answer = await trader.post("/orders", limit(market, "buy", "1", "51.00"))
    assert (answer.status, answer.code) == (403, "second_factor_required")
    trader.token = exchange.live.token(trader.user, second_factor=True)
    await placed(trader, limit(market, "buy", "1", "51.00"))


async def test_limits_of_a_market(exchange):
    market, trader, admin = await exchange.market(), await exchange.trader(), await exchange.admin()
    path = "/admin/limits/symbol/" + market.symbol
    limits = {"min_quantity": "0.010000", "max_quantity": "2.000000", "min_notional": "10.00000000"}
    body = {"min_quantity": "0.01", "max_quantity": "2", "min_notional": "10", "price_band_bps": 500, **WHY}
    answer = await admin.post(path, body)
    assert (answer.status, answer.data) == (200, {"symbol": market.symbol, **limits, "price_band_bps": 500})
    assert (await admin.get(path)).data == answer.data
    for quantity, price, code in (
        ("0.001", "100000.00", "quantity_below_minimum"),
        ("3", "100.00", "quantity_above_maximum"),
        ("0.01", "100.00", "notional_below_minimum"),
    ):
        assert (await trader.post("/orders", limit(market, "buy", quantity, price))).code == code
    await placed(trader, limit(market, "buy", "1", "100.00"))
    nothing = dict.fromkeys(("min_quantity", "max_quantity", "min_notional", "price_band_bps"))
    assert (await admin.post(path, {**nothing, **WHY})).data == {"symbol": market.symbol, **nothing}


@pytest.mark.parametrize(
    "change, code, field",
    [
        ({"min_quantity": "0"}, "invalid_limits", "min_quantity"),
        ({"min_quantity": "3"}, "invalid_limits", None),  # above max_quantity
        ({"price_band_bps": 0}, "invalid_field", "price_band_bps"),
        ({"price_band_bps": 10_001}, "invalid_field", "price_band_bps"),
        ({"max_quantity": "0.0000001"}, "too_many_decimals", "max_quantity"),
        ({"reason": ""}, "invalid_field", "reason"),
        ({"reason": "two\nlines"}, "invalid_field", "reason"),
        ({"reason": "nul\x00"}, "invalid_field", "reason"),
        ({"reason": "x" * 201}, "invalid_field", "reason"),
        ({"reason": "\u20ac" * 100}, "invalid_field", "reason"),  # 300 bytes
        ({"reason": None}, "invalid_field", "reason"),
    ],
)
async def test_limits_that_cannot_be(exchange, change, code, field):
    market, admin = await exchange.market(), await exchange.admin()
    body = {"min_quantity": "1", "max_quantity": "2", "min_notional": None, "price_band_bps": None, **WHY}
    answer = await admin.post("/admin/limits/symbol/" + market.symbol, {**body, **change})
    assert (answer.status, answer.code, answer.field) == (422, code, field)


async def test_what_is_left_out_of_limits_is_not_taken_for_none(exchange):
    market, admin = await exchange.market(), await exchange.admin()
    answer = await admin.post("/admin/limits/symbol/" + market.symbol, {"min_quantity": "1", **WHY})
    assert (answer.status, answer.code, answer.field) == (422, "invalid_field", "max_quantity")


async def test_fees_and_tiers(exchange):
    market, admin = await exchange.market(), await exchange.admin()
    maker, taker = await exchange.trader(), await exchange.trader()
    fees = {"maker_ppm": 1_000, "taker_ppm": 2_000, **WHY}
    assert (await admin.post("/admin/fees/" + market.symbol, fees)).status == 200
    cheaper = {"maker_ppm": 0, "taker_ppm": 500, "tier": 1, **WHY}
    assert (await admin.post("/admin/fees/" + market.symbol, cheaper)).data["tier"] == 1
    assert (await admin.post("/admin/accounts/%s/tier" % taker.user, {"tier": 1, **WHY})).status == 200
    await placed(maker, limit(market, "sell", "1", "100.00"))
    trade = (await placed(taker, limit(market, "buy", "1", "100.00")))["trades"][0]
    assert trade["fee"] == "0.05000000"
    answer = await admin.post("/admin/fees/" + market.symbol, {"maker_ppm": -3_000, "taker_ppm": 0, **WHY})
    assert (answer.status, answer.code) == (422, "invalid_fees")


# --- who may -------------------------------------------------------------------------------------------------------

ADMIN_ROUTES = [route for route in ROUTES if "/admin/" in route.path]


def path_of(route):
    return route.path.format(user="alice", symbol="BTC-USDT")


@pytest.mark.parametrize("route", ADMIN_ROUTES, ids=lambda route: "%s %s" % (route.method, route.path))
async def test_nobody_but_administrators(exchange, route):
    assert route.role == ADMIN
    trader = await exchange.trader("trader", roles=("trader", "Admin", "administrator"))
    answer = await trader.request(route.method, path_of(route), prefix="", json={})
    assert (answer.status, answer.code) == (403, "role_required")
    answer = await exchange.nobody().request(route.method, path_of(route), prefix="", json={})
    assert (answer.status, answer.code) == (401, "authentication_required")


BAD = ["'; DROP TABLE accounts; --", "<script>alert(1)</script>", "\x00", "ü" * 50, "a" * 65, " ", "%s%n", "null"]


@pytest.mark.parametrize("route", [route for route in ADMIN_ROUTES if "{" in route.path], ids=lambda route: route.path)
async def test_users_and_markets_that_are_none(exchange, route):
    admin = await exchange.admin()
    body = {
        "/api/v1/admin/limits/user/{user}": NO_LIMITS,
        "/api/v1/admin/limits/symbol/{symbol}": {
            **dict.fromkeys(("min_quantity", "max_quantity", "min_notional", "price_band_bps")),
            **WHY,
        },
        "/api/v1/admin/fees/{symbol}": {"maker_ppm": 0, "taker_ppm": 0, **WHY},
        "/api/v1/admin/accounts/{user}/tier": {"tier": 1, **WHY},
        "/api/v1/admin/limits/user/{user}/rate": {"commands_per_second": 1, **WHY},
    }.get(route.path, WHY)
    for value in BAD:
        path = route.path.format(user=quote(value, safe=""), symbol=quote(value, safe=""))
        url = URL(admin.url + path, encoded=True)
        json = {"json": body} if route.method == "POST" else {}
        headers = {"Authorization": "Bearer " + admin.token}
        async with exchange.session.request(route.method, url, headers=headers, **json) as response:
            code = (await response.json())["error"]["code"]
            assert (response.status, code) in ((404, "unknown_account"), (404, "unknown_instrument")), value
