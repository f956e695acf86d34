"""`/ws/markets/{symbol}`, `/ws/trades`, `/ws`: what everybody is told of a market."""

import datetime
from functools import partial

import aiohttp
import pytest

from tests.gateway.live import until, until_ready, well_before_the_end
from tests.gateway.streams.sockets import connected


def limit(market, side, quantity, price, **more):
    return {"symbol": market.symbol, "side": side, "type": "limit", "quantity": quantity, "price": price, **more}


async def placed(api, body):
    answer = await api.post("/orders", body)
    assert answer.status == 201, answer.body
    return answer.data


def without(message, *names):
    return {name: value for name, value in message.items() if name not in names}


async def subscribed(socket, channel, symbol, **more):
    answer = await socket.ask("subscribe", channel=channel, symbol=symbol, **more)
    assert answer["type"] == "subscribed", answer


async def test_a_trade(exchange):
    market = await exchange.market(maker_ppm=1_000, taker_ppm=2_000)
    alice, bob = await exchange.trader("alice"), await exchange.trader("bob")
    async with connected(exchange.nobody(), "/ws/trades", symbol=market.symbol) as socket:
        await socket.until("subscribed")
        await placed(alice, limit(market, "sell", "0.3", "50000"))
        done = await placed(bob, limit(market, "buy", "0.1", "50000"))
        trade = await socket.next()
        assert without(trade, "sequence", "timestamp") == {
            "type": "trade_executed",
            "trade_id": done["trades"][0]["trade_id"],
            "symbol": market.symbol,
            "price": "50000.00",
            "quantity": "0.100000",
            "taker_side": "buy",
            "buyer_fee": "10.00000000",
            "seller_fee": "5.00000000",
        }
        assert trade["timestamp"] == done["trades"][0]["timestamp"]


async def test_a_trade_comes_before_its_change_of_the_book_and_those_of_other_markets_in_their_order(exchange):
    quiet, market = await exchange.market(), await exchange.market()  # nobody follows the book of the first
    alice, bob = await exchange.trader("alice"), await exchange.trader("bob")
    for one in (quiet, market):
        await placed(alice, limit(one, "sell", "0.3", "50000"))
    async with connected(exchange.nobody(), "/ws/trades") as socket:
        await socket.until("subscribed")
        await subscribed(socket, "depth", market.symbol)
        await socket.until("depth")
        for one in (market, quiet):
            await placed(bob, limit(one, "buy", "0.1", "50000"))
        found = await socket.all_until("depth_update", asks=[["50000.00", "0.200000"]])
        await placed(bob, limit(market, "buy", "0.1", "50000"))
        found += await socket.all_until("depth_update", asks=[["50000.00", "0.100000"]])
    kinds = [message["type"] for message in found if message.get("symbol") == market.symbol]
    assert kinds == ["trade_executed", "depth_update"] * 2
    symbols = (quiet.symbol, market.symbol)  # the venue is others' too
    trades = [message for message in found if message["type"] == "trade_executed" and message["symbol"] in symbols]
    assert [trade["symbol"] for trade in trades] == [market.symbol, quiet.symbol, market.symbol]


async def test_the_trades_of_all_markets(exchange):
    first, second = await exchange.market(), await exchange.market()
    alice, bob = await exchange.trader("alice"), await exchange.trader("bob")
    async with connected(exchange.nobody(), "/ws/trades") as socket:
        await socket.until("subscribed")
        await subscribed(socket, "trades", first.symbol)
        for market in (first, second):
            await placed(alice, limit(market, "sell", "0.1", "50000"))
            await placed(bob, limit(market, "buy", "0.1", "50000"))
        symbols = (first.symbol, second.symbol)  # the venue is others' too
        trades = [await socket.until("trade_executed", symbol=symbol) for symbol in symbols]
        assert trades[0]["sequence"] < trades[1]["sequence"]


async def test_trades_that_were_missed(exchange):
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    await placed(alice, limit(market, "sell", "1", "50000"))
    async with connected(exchange.nobody(), "/ws/trades", symbol=market.symbol) as socket:
        await socket.until("subscribed")
        await placed(bob, limit(market, "buy", "0.1", "50000"))
        seen = (await socket.next())["sequence"]
        for quantity in ("0.2", "0.3"):
            await placed(bob, limit(market, "buy", quantity, "50000"))
        await socket.until("trade_executed", quantity="0.300000")  # so the gateway has them
    async with connected(exchange.nobody(), "/ws/trades", symbol=market.symbol, sequence=seen) as socket:
        missed = await socket.all_until("resumed")
        assert [trade["quantity"] for trade in missed[:-1]] == ["0.200000", "0.300000"]


async def test_trades_after_a_sequence_that_was_never_told(exchange):
    market = await exchange.market()
    async with connected(exchange.nobody(), "/ws/trades", symbol=market.symbol, sequence=10**17) as socket:
        assert (await socket.next())["type"] == "resume_unavailable"


async def test_a_market_begins_with_its_best_prices_and_ticker(exchange):
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    await placed(alice, limit(market, "sell", "0.3", "50000"))
    async with connected(exchange.nobody(), "/ws/markets/" + market.symbol.replace("-", "%2F")) as socket:
        best = await socket.until("orderbook_update")
        assert without(best, "sequence", "timestamp") == {
            "type": "orderbook_update",
            "symbol": market.symbol,
            "best_bid": None,
            "best_ask": "50000.00",
            "bid_quantity": None,
            "ask_quantity": "0.300000",
            "spread": None,
        }
        await placed(bob, limit(market, "buy", "0.2", "49999.5"))
        best = await socket.until("orderbook_update", best_bid="49999.50")
        assert (best["bid_quantity"], best["spread"]) == ("0.200000", "0.50")
        await placed(bob, limit(market, "buy", "0.1", "40000"))  # not the best: nothing to tell
        await placed(bob, limit(market, "buy", "0.1", "50000"))
        assert (await socket.until("trade_executed"))["price"] == "50000.00"
        best = await socket.until("orderbook_update")
        assert (best["best_bid"], best["ask_quantity"]) == ("49999.50", "0.200000")
        ticker = await socket.until("ticker", volume="0.100000")
        assert without(ticker, "sequence", "timestamp") == {
            "type": "ticker",
            "symbol": market.symbol,
            "last": "50000.00",
            "open": "50000.00",
            "high": "50000.00",
            "low": "50000.00",
            "volume": "0.100000",
            "quote_volume": "5000.00000000",
            "change": "0.00",
        }


async def test_the_ticker_comes_again_and_again(exchange):
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    async with connected(exchange.nobody(), "/ws") as socket:
        await subscribed(socket, "ticker", market.symbol)
        ticker = await socket.next()
        assert (ticker["last"], ticker["high"], ticker["volume"]) == (None, None, "0.000000")
        for price in ("50000", "49000", "49500"):
            await placed(alice, limit(market, "sell", "0.1", price))
            await placed(bob, limit(market, "buy", "0.1", price))
        ticker = await socket.until("ticker", volume="0.300000")
        names = ("last", "open", "high", "low", "change")
        assert [ticker[name] for name in names] == ["49500.00", "50000.00", "50000.00", "49000.00", "-500.00"]
        assert (await socket.next())["timestamp"] > ticker["timestamp"]


async def test_depth_is_a_snapshot_and_changes_without_a_gap(exchange):
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    await placed(alice, limit(market, "sell", "0.3", "50000"))
    await placed(alice, limit(market, "sell", "0.1", "50001"))
    async with connected(exchange.nobody(), "/ws/markets/" + market.symbol) as socket:
        answer = await socket.ask("subscribe", channel="depth")  # the address says of which market
        assert (answer["type"], answer["symbol"]) == ("subscribed", market.symbol)
        depth = await socket.until("depth")
        assert (depth["bids"], depth["asks"]) == ([], [["50000.00", "0.300000"], ["50001.00", "0.100000"]])
        book = Book(depth)
        await placed(bob, limit(market, "buy", "0.3", "50000"))
        await placed(bob, limit(market, "buy", "0.2", "49000"))
        await placed(bob, limit(market, "buy", "0.2", "49000"))
        expected = {"bids": [["49000.00", "0.400000"]], "asks": [["50001.00", "0.100000"]]}
        while book.rows() != expected:
            book.change(await socket.until("depth_update"))

        def is_same(answer):
            found = {side: [[row["price"], row["quantity"]] for row in answer.data[side]] for side in expected}
            return found == expected

        await until(partial(exchange.nobody().get, "/orderbook/" + market.symbol), is_same)


class Book:
    """What a client makes of depth and depth_update."""

    def __init__(self, depth):
        self.sequence = depth["sequence"]
        self.sides = {side: {price: quantity for price, quantity in depth[side]} for side in ("bids", "asks")}

    def change(self, update):
        assert update["previous_sequence"] == self.sequence < update["sequence"]
        self.sequence = update["sequence"]
        for side, levels in self.sides.items():
            for price, quantity in update[side]:
                levels[price] = quantity
                if float(quantity) == 0:
                    del levels[price]

    def rows(self):
        return {
            "bids": [list(row) for row in sorted(self.sides["bids"].items(), reverse=True)],
            "asks": [list(row) for row in sorted(self.sides["asks"].items())],
        }


async def test_candles(exchange):
    await well_before_the_end(4 * 3600)
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    async with connected(exchange.nobody(), "/ws") as socket:
        await subscribed(socket, "candles", market.symbol, timeframe="1d")
        await placed(alice, limit(market, "sell", "0.1", "50000"))
        await placed(bob, limit(market, "buy", "0.1", "50000"))
        await placed(alice, limit(market, "sell", "0.1", "49000"))
        await placed(bob, limit(market, "buy", "0.1", "49000"))
        candle = await socket.until("candle", trades=2)
        assert candle["start"].endswith("T00:00:00.000Z")
        assert without(candle, "sequence", "timestamp", "start") == {
            "type": "candle",
            "symbol": market.symbol,
            "timeframe": "1d",
            "open": "50000.00",
            "high": "50000.00",
            "low": "49000.00",
            "close": "49000.00",
            "volume": "0.200000",
            "quote_volume": "9900.00000000",
            "trades": 2,
            "is_closed": False,
        }
        await subscribed(socket, "candles", market.symbol, timeframe="4h")  # one that has begun already
        candle = await socket.until("candle", timeframe="4h")
        assert (candle["open"], candle["close"], candle["trades"]) == ("50000.00", "49000.00", 2)


async def test_a_candle_is_closed_when_its_time_is_over(exchange, another_gateway):
    """By a clock for which the minute of the trade is over already, and the day is not."""
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    late = exchange.nobody().at(another_gateway(seconds_ahead=90, database_url=""))
    await until_ready(late)
    await well_before_the_end(24 * 3600, left=90 + 30)
    async with connected(late, "/ws") as socket:
        await subscribed(socket, "candles", market.symbol, timeframe="1m")
        await subscribed(socket, "candles", market.symbol, timeframe="1d")
        await placed(alice, limit(market, "sell", "0.1", "50000"))
        await placed(bob, limit(market, "buy", "0.1", "50000"))
        told = await socket.all_until("candle", timeframe="1m", is_closed=True)
        opened = next(message for message in told if message["type"] == "candle" and message["timeframe"] == "1m")
        assert (opened["is_closed"], opened["trades"]) == (False, 1)
        assert without(told[-1], "timestamp") == {**without(opened, "timestamp"), "is_closed": True}
        flat = await socket.next()
        assert _ms(flat["start"]) - _ms(opened["start"]) >= 60_000
        assert without(flat, "start", "sequence", "timestamp") == {
            **without(opened, "start", "sequence", "timestamp"),
            "volume": "0.000000",
            "quote_volume": "0.00000000",
            "trades": 0,
        }
        await socket.send("ping")
        more = await socket.all_until("pong")
        assert not [message for message in more if message.get("is_closed") and message["trades"]]


async def test_a_trade_of_the_next_minute_closes_the_candle(exchange, another_gateway):
    """The core's clock is what counts; the gateway's is always in an earlier minute."""
    market, alice, bob = await exchange.market(), await exchange.trader("alice"), await exchange.trader("bob")
    await placed(alice, limit(market, "sell", "0.3", "50000"))
    await placed(bob, limit(market, "buy", "0.1", "50000"))
    behind = exchange.nobody().at(another_gateway(seconds_ahead=-90, history_events=0, database_url=""))
    await until_ready(behind)
    async with connected(behind, "/ws") as socket:
        await subscribed(socket, "candles", market.symbol, timeframe="1m")
        told = [await socket.next()]
        await placed(bob, limit(market, "buy", "0.1", "50000"))
        told += await socket.all_until("candle", trades=1)
        flat, closed, opened = told[-3:]  # before them another, where a minute of the gateway's has ended meanwhile
        assert (flat["close"], flat["trades"], flat["is_closed"]) == ("50000.00", 0, False)
        assert (closed["start"], closed["trades"], closed["is_closed"]) == (flat["start"], 0, True)
        assert (opened["trades"], opened["is_closed"]) == (1, False)
        assert _ms(opened["start"]) > _ms(flat["start"])


def _ms(time):
    return int(datetime.datetime.fromisoformat(time).timestamp() * 1_000)


async def test_a_halt_is_announced(exchange):
    market, alice = await exchange.market(), await exchange.trader()
    async with (
        connected(exchange.nobody(), "/ws/trades", symbol=market.symbol) as public,
        connected(alice, "/ws/orders") as private,
    ):
        await public.until("subscribed")
        await private.until("orders_snapshot")
        await exchange.client.set_instrument_state(market.instrument, "halted", reason="news")
        for socket in (public, private):
            state = await socket.until("market_state", symbol=market.symbol)
            assert (state["state"], state["reason"]) == ("halted", "news")
        await exchange.client.set_instrument_state(market.instrument, "open")
        assert (await public.until("market_state", symbol=market.symbol))["state"] == "open"


async def test_unsubscribed_is_silent(exchange):
    market, other = await exchange.market(), await exchange.market()
    alice, bob = await exchange.trader("alice"), await exchange.trader("bob")
    async with connected(exchange.nobody(), "/ws") as socket:
        await subscribed(socket, "trades", market.symbol)
        await subscribed(socket, "orderbook", market.symbol)
        await subscribed(socket, "trades", other.symbol)
        for channel in ("trades", "orderbook"):
            answer = await socket.ask("unsubscribe", channel=channel, symbol=market.symbol)
            assert (answer["type"], answer["channel"]) == ("unsubscribed", channel)
        for traded in (market, other):
            await placed(alice, limit(traded, "sell", "0.1", "50000"))
            await placed(bob, limit(traded, "buy", "0.1", "50000"))
        assert (await socket.next())["symbol"] == other.symbol
        answer = await socket.ask("unsubscribe", channel="trades", symbol=market.symbol)
        assert (answer["type"], answer["code"]) == ("error", "not_subscribed")
        await subscribed(socket, "orderbook", market.symbol)  # and again
        assert (await socket.next())["type"] == "orderbook_update"


@pytest.mark.parametrize("path", ["/ws/markets/NO-SUCH", "/ws/trades?symbol=NO-SUCH"])
async def test_a_market_that_is_not(exchange, path):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with connected(exchange.nobody(), path):
            pass
    assert refused.value.status == 404


async def test_without_an_upgrade_it_is_refused(exchange):
    answer = await exchange.nobody().request("GET", "/ws", prefix="")
    assert (answer.status, answer.code, answer.headers["Upgrade"]) == (426, "upgrade_required", "websocket")


async def test_ping(exchange):
    async with connected(exchange.nobody(), "/ws") as socket:
        pong = await socket.ask("ping")
        assert (pong["type"], pong["id"]) == ("pong", "asked")
