"""`tools market` over a real core: small days with known answers, kills, a core that runs already, and real days."""

import asyncio
import json
import os
import signal

import pytest

from tests.real_data import DATA, needs_data
from tests.tools.journals import in_thread
from tests.tools.market.files import SmallExchange, small_day, write_best, write_full
from tools.__main__ import main
from tools.market.core import HOST, OwnCore
from tools.market.run import Killer

OWN = ("--spawn", "--durability", "write", "--json")


def market(capsys, *words):
    """-> (exit code, what it wrote as JSON or None, stderr)."""
    code = in_thread(main, ["market", *map(str, words)])
    captured = capsys.readouterr()
    return code, json.loads(captured.out) if captured.out else None, captured.err


def figures_of(output, place=0):
    return output["data_sets"][place]["figures"]


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """A directory with a day of best prices and one of five levels."""
    path = tmp_path_factory.mktemp("days")
    write_best(path / "best", small_day(1200, levels=50, only_in_sight=False))
    write_full(path / "full", small_day(1200, levels=5, only_in_sight=True))
    return path


def test_a_day_of_which_all_is_known_is_the_venues_day(days, capsys):
    code, output, error = market(capsys, days / "best", *OWN, "--check")
    figures = figures_of(output)
    assert (code, error) == (0, "")
    assert figures["messages"] == figures["rows"] == figures["best_right"] == 1200
    assert figures["aggressors"] == figures["aggressors_right"] == figures["aggressors_same_orders"] > 100
    wrong = ("rejected", "crossing_adds", "stale_liquidity", "missing_liquidity", "queue_restored")
    assert [figures[name] for name in wrong] == [0] * len(wrong)
    assert output["data_sets"][0]["disagreements"] == []


def test_a_day_of_five_levels_is_explained_row_by_row(days, capsys):
    code, output, error = market(capsys, days / "full", *OWN, "--check")
    figures = figures_of(output)
    assert (code, error) == (0, "")
    assert figures["rows"] == figures["rows_explained"] == figures["best_right"] == 1200
    assert figures["rows_right"] < 1200
    assert figures["rows_revealed"] > 50
    assert figures["aggressors"] == figures["aggressors_right"] > 100
    assert (figures["levels_unexplained"], figures["crossing_adds"], figures["depth_right"]) == (0, 0, 1)


def test_kills_on_the_way_leave_the_same_state_and_the_same_figures(days, capsys):
    code, output, error = market(capsys, days, *OWN, "--kill", 1, "--limit", 600, "--compare-undisturbed", "--check")
    assert (code, error) == (0, "")
    assert len(output["kills"]) == 2
    assert output["state_hash"] == output["undisturbed_state_hash"] != ""
    assert [data_set["instrument"] for data_set in output["data_sets"]] == [1, 2]


def test_an_exchange_that_took_a_later_order_is_followed(tmp_path, capsys):
    exchange = SmallExchange(levels=5, only_in_sight=False)
    for number in range(3):  # orders 101, 102 and 103
        exchange.time_ns += 1_000
        exchange.add("sell", 1_000_000, 10 + number)
    exchange.remove("sell", 1_000_000, 1)
    exchange.write(4, 102, 11, 1_000_000, "sell")  # no price-time priority: a plain matcher takes 101
    exchange.time_ns += 1_000
    exchange.reduce("sell", 1_000_000, 0, 4)
    exchange.time_ns += 1_000
    exchange.execute("sell", 18)
    write_full(tmp_path / "full", exchange)
    code, output, error = market(capsys, tmp_path / "full", *OWN, "--check")
    figures = figures_of(output)
    assert (code, error) == (0, "")
    assert (figures["aggressors"], figures["aggressors_right"], figures["aggressors_same_orders"]) == (2, 2, 1)
    assert (figures["queue_restored"], figures["rejected"], figures["rows_right"]) == (1, 0, 7)


def test_a_limit_ends_it_early(days, capsys):
    code, output, _ = market(capsys, days / "full", *OWN, "--limit", 100, "--check")
    assert (code, figures_of(output)["rows_explained"]) == (0, 100)


def test_a_record_that_says_otherwise_fails_the_check(tmp_path, capsys):
    exchange = small_day(300, levels=5, only_in_sight=True)
    ask, size, *rest = exchange.rows[200].split(",")
    exchange.rows[200] = ",".join([ask, str(int(size) + 1), *rest])
    write_full(tmp_path / "full", exchange)
    code, output, error = market(capsys, tmp_path / "full", *OWN, "--check")
    figures = figures_of(output)
    assert (code, figures["rows_explained"], figures["best_right"]) == (1, 298, 298)  # it, and the way back from it
    assert "full: rows_explained is 298, expected at least 300" in error
    assert "full: message 201: the book differs from the exchange's 5 levels" in error


def test_an_expected_figure_that_is_missed_fails(days, capsys):
    words = (days / "best", *OWN, "--limit", 50, "--expect", "best_right=50", "--expect")
    assert market(capsys, *words, "rows=50")[0] == 0
    code, _, error = market(capsys, *words, "rows=51")
    assert (code, error) == (1, "tools market: best: rows is 50, expected exactly 51\n")


def test_the_table_says_what_was_seen(days, capsys):
    assert in_thread(main, ["market", str(days / "full"), "--spawn", "--limit", "50", "--kill", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "full, instrument 1"
    assert lines[1].split() == ["messages", "in", "the", "file", "50"]
    assert lines[-1].startswith("state hash  ")
    assert not any("deep rows" in line for line in lines)


@pytest.fixture
async def core(tmp_path):
    directory = tmp_path / "core"
    directory.mkdir()
    core = OwnCore(str(directory), durability="write")
    try:
        await core.start()
        yield core
    finally:
        core.kill()


def key_file(path, key):
    path.write_text(json.dumps({"key": key[0], "secret": key[1]}))
    return path


async def test_a_core_that_runs_already_is_fed(days, core, tmp_path, capsys):
    words = [days / "full", "--host", HOST, "--port", core.port, "--trusted-port", core.trusted_port, "--json"]
    words += ["--limit", 200, "--key-file", key_file(tmp_path / "key.json", core.key)]
    trusted = key_file(tmp_path / "trusted.json", core.trusted_key)
    loop = asyncio.get_running_loop()

    def run(*more):
        return loop.run_in_executor(None, lambda: market(capsys, *words, *more))

    code, output, error = await run("--trusted-key-file", trusted, "--check")
    assert (code, error, output["data_sets"][0]["instrument"]) == (0, "", 1)
    code, again, _ = await run("--trusted-key-file", trusted, "--check")
    assert (code, again["data_sets"][0]["instrument"]) == (0, 2)
    assert figures_of(again) == figures_of(output)
    code, output, error = await run("--instrument", 2)  # whose book is not empty any more
    assert (code, output) == (1, None)
    assert "was here before" in error or "rejected" in error


@pytest.mark.parametrize(
    "words, text",
    [
        ((), "either --spawn, or --key-file"),
        (("--key-file", "k.json"), "--instrument, or --trusted-key-file"),
        (("--key-file", "k.json", "--instrument", "1", "--kill", "1"), "are for a core of its own"),
        (("--spawn", "--compare-undisturbed"), "is for a run with --kill"),
        (("--spawn", "--key-file", "k.json"), "makes its own keys"),
        (("--spawn", "--limit", "0"), "--limit at least 1"),
        (("--spawn", "--expect", "rows"), "FIGURE=VALUE"),
        (("--spawn", "--expect", "no_such=1"), "FIGURE=VALUE"),
    ],
)
def test_usage(days, capsys, words, text):
    code, output, error = market(capsys, days, *words)
    assert (code, output) == (2, None)
    assert text in error


def test_bad_data_is_said_and_not_run(tmp_path, capsys):
    code, _, error = market(capsys, tmp_path, "--spawn")
    assert code == 1
    assert "no LOBSTER messages" in error


def test_a_key_file_is_not_quoted(days, tmp_path, capsys):
    bad = tmp_path / "key.json"
    bad.write_text('{"key": 1, "secret": "hush"')
    code, _, error = market(capsys, days, "--key-file", bad, "--instrument", 1)
    assert (code, "hush" in error, str(bad) in error) == (1, False, True)


def test_a_core_that_dies_by_itself_is_said(days, capsys, monkeypatch):
    async def kill_only(killer, messages, in_flight):
        os.kill(killer._core._process.pid, signal.SIGKILL)

    monkeypatch.setattr(Killer, "__call__", kill_only)
    code, _, error = market(capsys, days / "full", *OWN, "--kill", 1)
    assert code == 1
    assert "the core ended by itself" in error


# --- real order flow -----------------------------------------------------------------------------------------------


@needs_data
@pytest.mark.slow
def test_the_aapl_hour_with_kills(capsys):
    words = (DATA / "lobster_aapl_1h", *OWN, "--check", "--kill", 3, "--compare-undisturbed")
    code, output, error = market(capsys, *words)
    figures = figures_of(output)
    assert (code, error) == (0, "")
    assert (figures["messages"], figures["rejected"], figures["crossing_adds"]) == (91_997, 0, 0)
    assert (figures["aggressors"], figures["aggressors_right"], figures["aggressors_same_orders"]) == (3290, 3290, 3277)
    assert (figures["rows"], figures["best_right"]) == (91_997, 91_907)
    assert (figures["deep_rows"], figures["deep_rows_right"]) == (672, 664)
    assert (len(output["kills"]), output["state_hash"]) == (3, output["undisturbed_state_hash"])


@needs_data
@pytest.mark.slow
def test_the_goog_day_row_by_row(capsys):
    code, output, error = market(capsys, DATA / "lobster_goog_day", *OWN, "--check")
    figures = figures_of(output)
    assert (code, error) == (0, "")
    assert (figures["rows"], figures["rows_explained"], figures["best_right"]) == (147_916, 147_916, 147_916)
    assert figures["rows_revealed"] == 44_451
    assert (figures["levels_unexplained"], figures["crossing_adds"], figures["rejected"]) == (0, 0, 0)
    assert (figures["aggressors"], figures["aggressors_right"]) == (5931, 5931)
