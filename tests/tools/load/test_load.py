"""The load generator against real processes: every command is answered once, and counted once."""

import json
from collections import Counter

import pytest

from engine.exchange import Exchange
from tools.__main__ import main
from tools.load.core import own_core
from tools.load.echo import echo_server
from tools.load.flow import definition, generate
from tools.load.run import lines_of, prepare, run_closed, run_one_at_a_time, run_open
from tools.load.session import prepare_venue, statistics

COUNT = 3000
QUICK = ("--warm-up", "0", "--segment-bytes", "2097152", "--order-slots", "4096")


@pytest.fixture
def core(tmp_path):
    with own_core(str(tmp_path), durability="write", arguments=QUICK) as core:
        yield core


def expected_counts(lag, accounts=(1,)):
    """-> {message name: number} of all events of the flow."""
    exchange = Exchange()
    exchange.apply(1, 0, definition())
    commands = generate(COUNT, "mixed", accounts, lag=lag).commands
    return Counter(
        type(event).__name__
        for index, command in enumerate(commands)
        for event in exchange.apply(index + 2, 0, command)
    )


def test_closed_loop_counts_are_exact(core):
    trusted = core.trusted()
    prepare_venue(trusted)
    figures = run_closed(lines_of([core.trader()], prepare(COUNT, lag=200)), window=200, warm_up=1000)
    assert figures["received"] == expected_counts(lag=200)
    assert 0 < figures["orders"] <= COUNT - 1000
    assert statistics(trusted)["events"] == sum(figures["received"].values()) + 1  # and the instrument's
    assert core.memory_bytes() > 1 << 20 and sum(core.processor_seconds()) > 0


def test_a_funded_venue_gives_the_same_events_and_may_be_prepared_again(core):
    trusted = core.trusted()
    prepare_venue(trusted, (1,))
    prepare_venue(trusted, (1,))
    figures = run_closed(lines_of([core.trader()], prepare(COUNT, lag=200)), window=200, warm_up=1000)
    assert figures["received"] == expected_counts(lag=200)


def test_two_accounts_over_one_trusted_connection(core):
    trusted = core.trusted()
    prepare_venue(trusted)
    outgoings = prepare(COUNT, lag=200, accounts=2, is_trusted=True)
    figures = run_closed(lines_of([trusted], outgoings), window=200, warm_up=0)
    assert figures["received"] == expected_counts(lag=200, accounts=(1, 2))


def test_two_connections_are_answered_completely(core):
    prepare_venue(core.trusted())
    lines = lines_of([core.trader(0), core.trader(1)], prepare(COUNT, lag=200, accounts=2))
    figures = run_closed(lines, window=200, warm_up=0)
    assert [line.answered for line in lines] == [line.count for line in lines]
    assert sum(line.count for line in lines) == COUNT
    assert figures["received"]["OrderAccepted"] == expected_counts(lag=200, accounts=(1, 2))["OrderAccepted"]


def test_open_loop_measures_every_request(core):
    prepare_venue(core.trusted())
    (line,) = lines_of([core.trader()], prepare(COUNT, lag=COUNT // 2))
    figures, made = run_open([line], 5000, warm_up_seconds=0)
    assert line.answered == COUNT
    assert figures["latency_us"]["count"] == made.get_total_count() == COUNT
    assert made.get_min_value() > 1000  # ns: every one has been measured


def test_one_at_a_time(core):
    prepare_venue(core.trusted())
    (line,) = lines_of([core.trader()], prepare(300, lag=1))
    figures, _ = run_one_at_a_time(line, warm_up=100)
    assert figures["latency_us"]["count"] == 200
    assert figures["received"]["OrderAccepted"] == 300


def test_an_instrument_that_is_there_is_used(core):
    prepare_venue(core.trusted())
    prepare_venue(core.trusted())


@pytest.mark.parametrize("connections", [1, 2])
def test_the_echo_server_takes_the_same_load(connections):
    outgoings = prepare(COUNT, lag=100, accounts=connections)
    with echo_server("python") as connect:
        lines = lines_of([connect() for _ in outgoings], outgoings)
        figures = run_closed(lines, window=100, warm_up=0)
    assert sum(figures["received"].values()) == COUNT


def test_the_command_starts_a_core_of_its_own(tmp_path, capsys):
    words = ["load", "--closed", "--orders", "1000", "--warm-up", "500", "--json", "--directory", str(tmp_path)]
    assert main([*words, "--core-options", " ".join(QUICK)]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["received"]["OrderAccepted"] > 0 and figures["orders_per_second"] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_core_that_is_not_there_is_said(capsys):
    assert main(["load", "--closed", "--orders", "10", "--port", "1", "--login", "1:secret"]) == 1
    assert "tools load: 127.0.0.1:1" in capsys.readouterr().err
