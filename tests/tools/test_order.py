"""`tools order` against a core: decimals in and out, what was asked is what happens, and refusals are told."""

import asyncio
import json
import os

import pytest

from protocol.calls import Instrument
from protocol.client import TradingClient
from protocol.messages import DepthChanged, FeedSnapshot, StateChanged, Traded
from tests.harness import CoreProcess, Venue
from tests.tools.journals import in_thread, run_json, run_tool
from tools.order.watch import Market
from tools.up.venue import write_demo


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    """-> options that log in to a core with one instrument, of price scale 2, quantity scale 3, tick 5, lot 10."""
    directory = tmp_path_factory.mktemp("venue")
    venue = Venue(directory)
    with CoreProcess(venue) as core:
        core.ready()
        define(venue, core)
        keys = [
            {"key": key, "secret": secret, "account": account, "role": "trader"}
            for account, (key, secret) in zip((1, 2), venue.traders)
        ]
        path = os.path.join(str(directory), "demo.json")
        write_demo(path, {"host": "127.0.0.1", "port": core.port, "keys": keys})
        yield ("--demo", path)


def define(venue, core):
    async def work():
        key, secret = venue.trusted
        async with TradingClient("127.0.0.1", core.trusted_port, key=key, secret=secret) as client:
            scales = {"price_scale": 2, "quantity_scale": 3, "tick": 5, "lot": 10, "collar_bps": 1000}
            await client.define_instrument(1, "GOLD-USDT", **scales)

    in_thread(asyncio.run, work())


@pytest.fixture(autouse=True)
def no_orders(venue):
    yield
    for account in (1, 2):
        run_tool("order", "cancel", "--all", "--account", account, *venue)


def order(venue, *arguments):
    code, value = run_json("order", *arguments, *venue)
    assert code == 0
    return value


def test_a_limit_order_rests_and_is_listed_and_cancelled(venue):
    placed = order(venue, "place", "buy", "1.5", "gold-usdt", "99.95", "--client-order-id", "mine")
    assert (placed["quantity"], placed["open_quantity"], placed["client_order_id"]) == (1500, 1500, "mine")
    (listed,) = order(venue, "list")
    assert (listed["order_id"], listed["price"], listed["side"]) == (placed["order_id"], 9995, "buy")
    code, out, _ = run_tool("order", "list", *venue)
    assert code == 0 and "GOLD-USDT  buy   99.95     1.500  1.500          -  mine" in out
    (cancelled,) = order(venue, "cancel", placed["order_id"])
    assert (cancelled["reason"], cancelled["quantity"]) == ("user", 1500)
    assert order(venue, "list") == []


def test_a_market_order_takes_what_is_there_and_the_rest_is_cancelled(venue):
    order(venue, "place", "sell", "1", "GOLD-USDT", "100", "--account", 2)
    code, out, _ = run_tool("order", "place", "buy", "3", "GOLD-USDT", *venue)
    assert code == 0
    assert out.splitlines()[1:] == ["  filled 1.000 at 100.00", "  cancelled 2.000: market_no_liquidity"]


def test_a_stop_order_waits_is_amended_and_elected_by_a_trade(venue):
    stop = order(venue, "place", "buy", "1", "GOLD-USDT", "--stop", "110", "--stp", "none")
    limited = order(venue, "place", "sell", "1", "GOLD-USDT", "85", "--stop", "90", "--expire-in", "3600")
    assert (stop["open_quantity"], limited["open_quantity"]) == (1000, 1000)
    first, second = order(venue, "list")
    assert (first["order_type"], first["stop_price"], first["is_waiting"]) == ("stop", 11_000, 1)
    assert (second["order_type"], second["time_in_force"], second["price"]) == ("stop_limit", "gtd", 8500)
    _, out, _ = run_tool("order", "list", *venue)
    assert [line.split()[3:] for line in out.splitlines()[2:]] == [
        ["-", "1.000", "1.000", "110.00"],
        ["85.00", "1.000", "1.000", "90.00"],
    ]
    code, out, _ = run_tool("order", "amend", stop["order_id"], "--stop", "105", "--quantity", "0.5", *venue)
    assert (code, out) == (0, "order %d amended, its place lost\n  open 0.500\n" % stop["order_id"])
    assert order(venue, "amend", limited["order_id"], "--quantity", "0.5")["kept_priority"]
    order(venue, "place", "sell", "2", "GOLD-USDT", "105", "--account", 2)
    code, out, _ = run_tool("order", "place", "buy", "1", "GOLD-USDT", "105", *venue)
    assert out.splitlines()[1:] == ["  filled 1.000 at 105.00"]
    assert [found["order_id"] for found in order(venue, "list")] == [limited["order_id"]]
    code, _, err = run_tool("order", "amend", stop["order_id"], "--quantity", "1", *venue)
    assert code == 1 and "no open order" in err


def test_a_client_order_id_that_was_used_is_told(venue):
    placed = order(venue, "place", "buy", "1", "GOLD-USDT", "50", "--client-order-id", "once")
    code, out, _ = run_tool("order", "place", "buy", "2", "GOLD-USDT", "50", "--client-order-id", "once", *venue)
    head = (
        "order %d was placed before under this client order id, but for quantity; nothing is done" % placed["order_id"]
    )
    assert (code, out) == (0, head + "\n  open 1.000\n")


def test_how_an_order_may_match(venue):
    order(venue, "place", "sell", "1", "GOLD-USDT", "100", "--account", 2)
    assert run_tool("order", "place", "buy", "2", "GOLD-USDT", "100", "--fok", *venue)[0::2] == (
        1,
        "tools order place: fok_unfillable\n",
    )
    assert run_tool("order", "place", "buy", "2", "GOLD-USDT", "100", "--post-only", *venue)[0::2] == (
        1,
        "tools order place: post_only_would_match\n",
    )
    placed = order(venue, "place", "buy", "2", "GOLD-USDT", "100", "--ioc")
    assert (placed["filled_quantity"], placed["cancel_reason"]) == (1000, "ioc_remainder")


def test_the_book_shows_both_sides(venue):
    order(venue, "place", "sell", "1", "GOLD-USDT", "101", "--account", 2)
    order(venue, "place", "sell", "2", "GOLD-USDT", "102", "--account", 2)
    order(venue, "place", "buy", "3", "GOLD-USDT", "99")
    _, out, _ = run_tool("order", "book", "1", *venue)
    assert [line.split() for line in out.splitlines()[3:]] == [
        ["3.000", "99.00", "101.00", "1.000"],
        ["-", "-", "102.00", "2.000"],
    ]
    assert len(order(venue, "book", "GOLD-USDT", "--levels", 1)["asks"]) == 1


def test_watching_begins_with_the_book(venue):
    order(venue, "place", "buy", "3", "GOLD-USDT", "99")
    code, out, _ = run_tool("order", "watch", "GOLD-USDT", "--count", 1, *venue)
    assert (code, out) == (0, "GOLD-USDT bid 3.000 99.00, ask none\n")
    code, out, _ = run_tool("order", "watch", "GOLD-USDT", "--count", 1, "--json", *venue)
    assert (code, json.loads(out)["type"]) == (0, "FeedSnapshot")


def test_a_market_is_what_the_feed_says():
    market = Market(Instrument(1, 2, 3, 5, 10, 1000, 1, "GOLD-USDT", *[0] * 9))
    market.take(FeedSnapshot(1, 5, 1, 0, [[1, 9900, 10, 1], [1, 9905, 20, 1], [2, 9995, 30, 2]]))
    market.take(DepthChanged(1, 6, [[1, 9905, 0, 0], [2, 9990, 40, 1]]))
    market.take(Traded(1, 7, 1, 3, 9905, 20, 2))
    market.take(StateChanged(1, 8, 2, "news"))
    lines = market.lines(5)
    assert lines[0] == "GOLD-USDT (halted)"
    assert [line.split() for line in lines[4:6]] == [["0.010", "99.00", "99.90", "0.040"], ["-", "-", "99.95", "0.030"]]
    assert lines[-1] == "1970-01-01T00:00:00.000000001Z GOLD-USDT sell 0.020 at 99.05"
    market.take(FeedSnapshot(1, 1, 1, 0, []))
    assert market.side(1) == [] and market.state == "open"


@pytest.mark.parametrize(
    "arguments, code, text",
    [
        (("place", "buy", "x", "GOLD-USDT", "1"), 2, "'x' is not a decimal number"),
        (("place", "buy", "1.0001", "GOLD-USDT", "1"), 2, "more than 3 decimal places"),
        (("place", "buy", "1", "DOGE", "1"), 1, "no instrument DOGE; there are: GOLD-USDT"),
        (("place", "buy", "1", "GOLD-USDT", "1.01"), 1, "price_not_on_tick"),
        (("cancel", "77"), 1, "unknown_order"),
        (("cancel",), 2, "usage"),
        (("list", "--account", "9"), 1, "no key of account 9"),
        (("list", "--key", "1"), 2, "TRADE_SECRET"),
        (("list", "--connect", "127.0.0.1:65537"), 2, "is not HOST:PORT"),
    ],
)
def test_what_cannot_be_done_is_told(venue, arguments, code, text):
    found, out, err = run_tool("order", *arguments, *venue)
    assert (found, out) == (code, "") and text in err


def test_any_key_by_the_environment(venue, monkeypatch):
    with open(venue[1], encoding="utf-8") as file:
        demo = json.load(file)
    login = ("--connect", "127.0.0.1:%d" % demo["port"], "--key", demo["keys"][1]["key"])
    monkeypatch.setenv("TRADE_SECRET", demo["keys"][1]["secret"])
    assert run_json("order", "list", *login) == (0, [])
    monkeypatch.setenv("TRADE_SECRET", "wrong")
    code, _, err = run_tool("order", "list", *login)
    assert code == 1 and "does not take this key" in err


def test_no_core_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.order.actions.CONNECT_SECONDS", 0.2)
    path = tmp_path / "demo.json"
    keys = [{"key": 1, "secret": "s", "account": 1, "role": "trader"}]
    write_demo(str(path), {"host": "127.0.0.1", "port": 1, "keys": keys})
    code, _, err = run_tool("order", "list", "--demo", path)
    assert code == 1 and "is the venue up?" in err
    write_demo(str(path), {"keys": keys})
    assert "has not been up yet" in run_tool("order", "list", "--demo", path)[2]
    path.unlink()
    assert run_tool("order", "list", "--demo", path)[0] == 1
