"""`tools journal info`, `dump` and `replay`: what they show is what was done."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.snapshot import state_hash
from protocol.journal import segment_paths
from protocol.messages import (
    CancelAccount,
    CancelInstrument,
    OpenAccount,
    OrderType,
    PlaceOrder,
    Side,
    Tick,
    TimeInForce,
)
from tests.tools.journals import JournalMaker, flip_byte, make_journal, run_json, run_tool
from tools.console import utc
from tools.journal.dump import dumped

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_journal(tmp_path_factory.mktemp("journal"), 1200, snapshots=(400, 900))


# --- info ------------------------------------------------------------------------------------------------------------


def test_info_tells_what_is_there(made):
    code, report = run_json("journal", "info", made.directory)
    assert code == 0
    assert (report["first_seq"], report["last_seq"], report["venue_id"]) == (1, 1200, 7)
    assert report["last_event_seq"] == made.sequencer.event_seq
    assert report["last_time"] == utc(made.sequencer.time_ns)
    assert report["end"].startswith("clean") and not report["core_running"]
    assert [snapshot["seq"] for snapshot in report["snapshots"]] == [900, 400]
    segments = report["segments"]
    assert len(segments) == len(segment_paths(made.directory)) > 3
    assert [s["first_seq"] for s in segments[1:]] == [s["last_seq"] + 1 for s in segments[:-1]]
    assert [s["first_event_seq"] for s in segments[1:]] == [s["last_event_seq"] + 1 for s in segments[:-1]]


def test_info_as_text(made):
    code, out, _ = run_tool("journal", "info", made.directory)
    assert code == 0 and "last seq        1200" in out and "00000000000000000900.snapshot" in out


def test_info_of_a_damaged_newest_segment_is_a_failed_check(tmp_path):
    maker = make_journal(tmp_path, 300)
    flip_byte(segment_paths(maker.directory)[-1], 200)
    code, report = run_json("journal", "info", tmp_path)
    assert code == 1 and "at byte" in report["problem"] and report["segments"]


@pytest.mark.parametrize("action", ["info", "verify", "replay", "prune"])
def test_an_empty_directory_is_no_journal(tmp_path, action):
    code, out, err = run_tool("journal", action, tmp_path)
    assert (code, out) == (1, "") and "no journal" in err


@pytest.mark.parametrize("action", ["info", "dump", "verify", "replay", "prune", "truncate --at-seq 1"])
def test_a_missing_directory_is_named(tmp_path, action):
    name, *more = action.split()
    code, _, err = run_tool("journal", name, tmp_path / "none", *more)
    assert code == 1 and str(tmp_path / "none") in err


# --- dump ------------------------------------------------------------------------------------------------------------


def dump(directory, *arguments):
    code, out, err = run_tool("journal", "dump", directory, "--json", *arguments)
    assert (code, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def test_dump_gives_every_command_and_event_once_in_order(made):
    lines = dump(made.directory)
    assert [line["seq"] for line in lines if line["kind"] == "command"] == list(range(1, 1201))
    assert [line["event_seq"] for line in lines if line["kind"] == "event"] == list(
        range(1, made.sequencer.event_seq + 1)
    )


def test_dump_keeps_to_the_range(made):
    lines = dump(made.directory, "--from-seq", 303, "--to-seq", 310)
    assert [line["seq"] for line in lines if line["kind"] == "command"] == list(range(303, 311))
    assert {line["seq"] for line in lines} == set(range(303, 311))


def test_times_are_utc_with_nanoseconds():
    assert utc(1_700_000_000_000_000_001) == "2023-11-14T22:13:20.000000001Z"


def place(account, side, price, quantity):
    return PlaceOrder(account, 1, side, OrderType.LIMIT, TimeInForce.GTC, 0, price, quantity, 5)


def test_events_stand_behind_the_command_that_caused_them(tmp_path):
    maker = JournalMaker(tmp_path)
    maker.batch(
        [
            place(1, Side.SELL, 100, 5),
            place(2, Side.BUY, 100, 7),  # two fills, one of them for account 1, and two open
            Tick(0),
            place(2, Side.BUY, 0, 1),
        ]
    )
    maker.close()
    shown = [(seq, [type(event).__name__ for event in events]) for seq, _, _, _, events in dumped(tmp_path, 3)]
    assert shown == [
        (3, ["OrderAccepted"]),
        (4, ["OrderAccepted", "OrderFilled", "OrderFilled"]),
        (5, []),
        (6, ["CommandRejected"]),
    ]
    lines = dump(tmp_path, "--from-seq", 6)
    assert (lines[0]["side"], lines[0]["type"], lines[0]["key"], lines[0]["account"]) == ("buy", "PlaceOrder", 2, 2)
    assert lines[1]["code"] == "invalid_price"
    _, out, _ = run_tool("journal", "dump", tmp_path, "--from-seq", 4, "--to-seq", 4)
    assert "side=buy order_type=limit time_in_force=gtc" in out.splitlines()[0]
    assert "liquidity=maker" in out.splitlines()[2]


def test_events_that_do_not_name_their_command_are_found_too(tmp_path):
    maker = JournalMaker(tmp_path)
    maker.batch(
        [
            place(1, Side.SELL, 100, 5),
            place(2, Side.SELL, 100, 5),
            OpenAccount(0, 0, "ann"),
            OpenAccount(0, 0, "bob"),
            CancelAccount(1, 0, 0, 0),
            CancelInstrument(0, 2, 0, 0),
            CancelInstrument(0, 1, 0, 0, "closed"),
            CancelInstrument(0, 1, 0, 0),
        ]
    )
    maker.close()
    shown = [(seq, [type(event).__name__ for event in events]) for seq, _, _, _, events in dumped(tmp_path, 5)]
    assert shown == [
        (5, ["AccountOpened"]),
        (6, ["AccountOpened"]),
        (7, ["OrderCancelled", "AllCancelled"]),
        (8, ["AllCancelled"]),
        (9, ["OrderCancelled", "AllCancelled"]),
        (10, ["AllCancelled"]),
    ]
    _, out, _ = run_tool("journal", "dump", tmp_path, "--from-seq", 9, "--to-seq", 9)
    assert "reason=closed" in out and "reason=admin" in out


def test_dump_shows_what_is_whole_before_the_damage(tmp_path):
    maker = make_journal(tmp_path, 600)
    damaged = segment_paths(maker.directory)[1]
    flip_byte(damaged, 1000)
    code, out, err = run_tool("journal", "dump", tmp_path)
    assert code == 1 and out and "%s at byte" % damaged in err and "tools journal verify" in err


def test_dump_needs_no_engine(made):
    code = "import sys; sys.modules['engine'] = None; from tools.__main__ import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["journal", "dump", made.directory, "--to-seq", "3"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and "DefineInstrument" in done.stdout


# --- replay ----------------------------------------------------------------------------------------------------------


def test_replay_to_the_end_gives_the_state_of_the_core(made):
    code, view = run_json("journal", "replay", made.directory)
    exchange = made.sequencer.exchange
    assert code == 0
    assert (view["seq"], view["event_seq"], view["from_snapshot"]) == (1200, made.sequencer.event_seq, 900)
    assert view["state_hash"] == state_hash(exchange)
    assert len(view["orders"]) == exchange.orders.open_count == view["open_orders"]


@pytest.mark.parametrize("seq", [1, 2, 5, 399, 400, 401, 777, 899, 900, 1199, 1200])
def test_replay_stops_after_any_command_as_a_venue_that_ended_there(made, seq):
    """The commands again, one by one from the first; most of these stand inside a record."""
    exchange = type(made.sequencer.exchange)()
    events = 0
    for number, _, time_ns, command, _ in dumped(made.directory, 1, seq):
        events += len(exchange.apply(number, time_ns, command))
    _, view = run_json("journal", "replay", made.directory, "--stop-at", seq)
    assert (view["seq"], view["event_seq"], view["state_hash"]) == (seq, events, state_hash(exchange))
    assert view["from_snapshot"] == (900 if seq >= 900 else 400 if seq >= 400 else 0)


def test_replay_filters_and_cuts(made):
    _, view = run_json("journal", "replay", made.directory, "--instrument", "ETH-USDT", "--account", 2, "--levels", 1)
    assert [book["symbol"] for book in view["books"]] == ["ETH-USDT"]
    assert {(order["instrument"], order["account"]) for order in view["orders"]} == {(2, 2)}
    assert [level["side"] for level in view["books"][0]["levels"]] == ["buy", "sell"]


def test_replay_as_text_shows_decimals(made):
    code, out, _ = run_tool("journal", "replay", made.directory, "--stop-at", 1000, "--instrument", 1)
    assert code == 0 and "BTC-USDT (#1, open)" in out and " 99.9" in out


@pytest.mark.parametrize(
    "arguments, text",
    [
        (("--stop-at", 1201), "ends at command 1200"),
        (("--stop-at", -1), "negative"),
        (("--instrument", "DOGE"), "no instrument DOGE"),
    ],
)
def test_replay_of_what_is_not_there(made, arguments, text):
    code, out, err = run_tool("journal", "replay", made.directory, *arguments)
    assert (code, out) == (1, "") and text in err
