"""`python -m tools match`: a file of orders in, every event out."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.__main__ import main
from tools.decimals import Scale
from tools.match_input import OrderFile
from tools.match_run import MatchRun, cell

REPOSITORY = Path(__file__).resolve().parents[2]
HEADER = "line,event,order_id,side,price,quantity,maker_id,taker_id,reason"

GOLDEN = Path(__file__).parent / "match"  # orders.csv, and what it gives: events.csv and book.csv
GOLDEN_OPTIONS = ("--price-scale", "2", "--quantity-scale", "2")


@pytest.fixture
def match(tmp_path, capsys):
    """match(orders text, *options) -> (exit code, standard output, standard error)."""

    def run(text, *options):
        path = tmp_path / "orders.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        code = main(["match", str(path), *options])
        captured = capsys.readouterr()
        return code, captured.out, captured.err.replace(str(path), "orders.csv")

    return run


def test_every_kind_of_row_gives_its_events(tmp_path):
    out, book = tmp_path / "events.csv", tmp_path / "book.csv"
    orders = str(GOLDEN / "orders.csv")
    assert main(["match", orders, *GOLDEN_OPTIONS, "--out", str(out), "--book", str(book)]) == 0
    assert out.read_text() == (GOLDEN / "events.csv").read_text()
    assert book.read_text() == (GOLDEN / "book.csv").read_text()


def test_as_a_process_from_standard_input_to_standard_output():
    output = subprocess.run(
        [sys.executable, "-m", "tools", "match", "-", *GOLDEN_OPTIONS, "--no-ledger"],
        cwd=REPOSITORY,
        input=(GOLDEN / "orders.csv").read_text(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (output.returncode, output.stdout, output.stderr) == (0, (GOLDEN / "events.csv").read_text(), "")


def test_events_to_a_file_leave_standard_output_empty(match, tmp_path):
    out = tmp_path / "events.csv"
    out.write_text("from before")
    code, stdout, stderr = match("action,order_id,side,price,quantity\nnew,a,buy,5,1\n", "--out", str(out))
    assert (code, stdout, stderr) == (0, "", "")
    assert out.read_text() == HEADER + "\n1,accepted,a,buy,5,1,,,\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.csv", "orders.csv"]


def test_a_summary_as_json(match, tmp_path):
    out = tmp_path / "events.csv"
    text = "action,order_id,side,price,quantity\nnew,a,buy,5,3\nnew,b,sell,5,1\ncancel,c,,,\n"
    code, stdout, stderr = match(text, "--json", "--out", str(out))
    summary = json.loads(stdout)
    assert (code, stderr) == (0, "")
    assert summary.pop("elapsed_ns") > 0 and summary.pop("rows_per_second") > 0
    assert len(summary.pop("state_hash")) == 64
    assert summary == {
        "rows": 3,
        "accepted": 2,
        "rejected": 1,
        "traded": 1,
        "cancelled": 0,
        "amended": 0,
        "triggered": 0,
        "open_orders": 1,
    }
    assert len(out.read_text().splitlines()) == 5
    code, stdout, _ = match(text, "--json")
    assert code == 0 and json.loads(stdout)["rows"] == 3


def test_an_id_is_free_again_once_its_order_has_ended(match):
    text = "action,order_id,side,price,quantity,time_in_force\n"
    text += "new,a,buy,5,1,\n"
    text += "new,a,buy,5,1,\n"  # still open
    text += "new,b,sell,5,1,\n"  # both filled
    text += "new,a,buy,5,1,\n"
    text += "cancel,a,,,,\n"
    text += "new,a,buy,5,1,IOC\n"
    text += "new,a,buy,5,1,\n"
    assert match(text)[1].splitlines()[1:] == [
        "1,accepted,a,buy,5,1,,,",
        "2,rejected,a,,,,,,duplicate_order_id",
        "3,accepted,b,sell,5,1,,,",
        "3,traded,b,sell,5,1,a,b,",
        "4,accepted,a,buy,5,1,,,",
        "5,cancelled,a,buy,5,1,,,user",
        "6,accepted,a,buy,5,1,,,",
        "6,cancelled,a,buy,5,1,,,ioc_remainder",
        "7,accepted,a,buy,5,1,,,",
    ]


def test_an_amend_that_fills_the_order_frees_its_id(match):
    text = (
        "action,order_id,side,price,quantity\nnew,a,sell,6,1\nnew,b,buy,5,1\namend,b,,6,\ncancel,b,,,\nnew,b,Buy,6,1\n"
    )
    assert match(text)[1].splitlines()[3:] == [
        "3,amended,b,buy,6,1,,,",
        "3,traded,b,buy,6,1,a,b,",
        "4,rejected,b,,,,,,unknown_order",
        "5,accepted,b,buy,6,1,,,",
    ]


def test_only_action_and_order_id_are_needed(match):
    assert match("order_id,action\na,cancel\n") == (0, HEADER + "\n1,rejected,a,,,,,,unknown_order\n", "")


def test_empty_lines_are_no_rows_and_a_byte_order_mark_is_no_text(match):
    text = b"\xef\xbb\xbfaction,order_id,side,price,quantity\r\n\r\nnew,\xc3\xa4,buy,5,1\r\n\r\n"
    assert match(text) == (0, HEADER + "\n1,accepted,ä,buy,5,1,,,\n", "")


def test_a_file_of_only_a_header_has_no_events(match, tmp_path):
    book = tmp_path / "book.csv"
    assert match("action,order_id\n", "--book", str(book)) == (0, HEADER + "\n", "")
    assert book.read_text() == "side,price,quantity,orders\n"


def test_without_a_column_stp_an_account_trades_with_itself_and_with_one_it_does_not(match):
    rows = "new,a,buy,5,3\nnew,b,sell,5,1\n"
    assert match("action,order_id,side,price,quantity\n" + rows)[1].splitlines()[-1] == "2,traded,b,sell,5,1,a,b,"
    rows = "new,a,buy,5,3,\nnew,b,sell,5,1,\nnew,c,sell,5,1,NONE\n"
    assert match("action,order_id,side,price,quantity,stp\n" + rows)[1].splitlines()[2:] == [
        "2,accepted,b,sell,5,1,,,",
        "2,cancelled,b,sell,5,1,,,self_trade",
        "3,accepted,c,sell,5,1,,,",
        "3,traded,c,sell,5,1,a,c,",
    ]


@pytest.mark.parametrize(
    "mode, lines",
    [
        ("cancel_taker", ["t,buy,9,8"]),
        ("cancel_maker", ["m,sell,9,5"]),
        ("cancel_both", ["m,sell,9,5", "t,buy,9,8"]),
        ("decrement", ["m,sell,9,5"]),
    ],
)
def test_what_self_trade_prevention_cancels_is_told(match, mode, lines):
    text = "action,order_id,side,price,quantity,stp\nnew,m,sell,9,5,\nnew,t,buy,9,8,%s\ncancel,t,,,,\n" % mode
    found = match(text)[1].splitlines()[3:]
    assert [line for line in found if "self_trade" in line and "cancelled" in line] == [
        "2,cancelled,%s,,,self_trade" % line for line in lines
    ]
    left = {"cancel_maker": 8, "decrement": 3}.get(mode)
    assert found[-1] == ("3,cancelled,t,buy,9,%d,,,user" % left if left else "3,rejected,t,,,,,,unknown_order")


def test_what_decrement_takes_adds_up(match):
    text = "action,order_id,side,price,quantity,stp\nnew,m,sell,9,5,\nnew,n,sell,9,5,\nnew,t,buy,9,8,decrement\n"
    assert match(text)[1].splitlines()[3:] == [
        "3,accepted,t,buy,9,8,,,",
        "3,amended,t,buy,9,3,,,self_trade",
        "3,cancelled,m,sell,9,5,,,self_trade",
        "3,amended,n,sell,9,2,,,self_trade",
        "3,cancelled,t,buy,9,3,,,self_trade",
    ]


def test_stop_orders_wait_and_are_triggered_by_a_trade(match, tmp_path):
    book = tmp_path / "book.csv"
    text = "action,order_id,side,type,price,quantity,stop_price\n"
    text += "new,s1,sell,stop,,2,98\n"
    text += "new,s2,sell,stop_limit,97,3,99\n"
    text += "new,s3,buy,stop,,1,105\n"
    text += "amend,s1,,,,,97.5\n"  # below what will be traded first
    text += "new,b1,buy,,98,4,\n"
    text += "new,b2,buy,,97.5,4,\n"
    text += "new,a,sell,,98,2,\n"
    text += "cancel,s3,,,,,\n"
    text += "new,s4,sell,stop,,1,99\n"
    options = ("--price-scale", "1", "--book", str(book))
    assert match(text, *options)[1].splitlines()[1:] == [
        "1,accepted,s1,sell,,2,,,",
        "2,accepted,s2,sell,97.0,3,,,",
        "3,accepted,s3,buy,,1,,,",
        "4,amended,s1,sell,,2,,,",
        "5,accepted,b1,buy,98.0,4,,,",
        "6,accepted,b2,buy,97.5,4,,,",
        "7,accepted,a,sell,98.0,2,,,",
        "7,traded,a,sell,98.0,2,b1,a,",
        "7,triggered,s2,sell,99.0,3,,,",
        "7,traded,s2,sell,98.0,2,b1,s2,",
        "7,traded,s2,sell,97.5,1,b2,s2,",
        "7,triggered,s1,sell,97.5,2,,,",
        "7,traded,s1,sell,97.5,2,b2,s1,",
        "8,cancelled,s3,buy,,1,,,user",
        "9,rejected,s4,,,,,,stop_would_trigger",
    ]
    assert book.read_text() == "side,price,quantity,orders\nbuy,97.5,1,1\n"


def test_the_collar_can_be_set(match):
    text = "action,order_id,side,type,time_in_force,price,quantity\n"
    text += "new,a,sell,,,100,1\nnew,b,sell,,,102,1\nnew,c,buy,market,IOC,,2\n"
    wide = [line.split(",")[-1] for line in match(text)[1].splitlines()[3:]]
    narrow = [line.split(",")[-1] for line in match(text, "--collar-bps", "199")[1].splitlines()[3:]]
    assert wide == ["", "", ""] and narrow == ["", "", "market_collar"]


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("", "orders.csv is empty: it needs a header, action,order_id,"),
        ("action\nnew\n", "orders.csv, line 1: column order_id is missing"),
        ("action,order_id,colour\n", "orders.csv, line 1: 'colour' is no column; there are action,"),
        ("action,order_id,action\n", "orders.csv, line 1: column action is there twice"),
        ("action,order_id\n\nmake,a\n", "orders.csv, line 3 (row 1), column action: 'make' is not one of new,"),
        ("action,order_id\nnew\n", "orders.csv, line 2 (row 1): 1 cells, and 2 in the header"),
        ("action,order_id\nnew,\n", "orders.csv, line 2 (row 1), column order_id: empty"),
        ("action,order_id\n,a\n", "orders.csv, line 2 (row 1), column action: '' is not one of new, cancel, amend"),
        ("action,order_id,side\nnew,a,long\n", "line 2 (row 1), column side: 'long' is not one of buy, sell"),
        ("action,order_id,post_only\nnew,a,maybe\n", "column post_only: 'maybe' is not one of true, false, 1, 0"),
        ("action,order_id,stop_price\nnew,a,1.234\n", "column stop_price: 1.234 has more than 2 decimal places"),
        ("action,order_id,stp\nnew,a,maybe\n", "column stp: 'maybe' is not one of cancel_taker, cancel_maker,"),
        ("action,order_id,time_in_force\nnew,a,gtd\n", "column time_in_force: gtd needs a clock, and a file has none"),
        ("action,order_id,price\nnew,a,1.234\n", "line 2 (row 1), column price: 1.234 has more than 2 decimal places"),
        ("action,order_id,quantity\nnew,a,1.5\n", "column quantity: 1.5 has more than 0 decimal places"),
        ("action,order_id,price\nnew,a,1e5\n", "column price: '1e5' is not a decimal number"),
        ("action,order_id,account\nnew,a,-1\n", "column account: '-1' is no account number"),
        ("action,order_id,account\nnew,a,4294967296\n", "column account: '4294967296' is no account number"),
        ('action,order_id\nnew,"a\n', "orders.csv, line 2: unexpected end of data"),
        (b"action,order_id\nnew,\xff\n", "orders.csv is not UTF-8 text"),
    ],
)
def test_a_file_that_is_wrong_stops_the_run_and_nothing_is_written(match, tmp_path, text, complaint):
    out, book = tmp_path / "events.csv", tmp_path / "book.csv"
    out.write_text("from before")
    code, stdout, stderr = match(text, "--price-scale", "2", "--out", str(out), "--book", str(book))
    assert code == 1 and stdout == ""
    assert stderr.startswith("tools match: ") and complaint in stderr and stderr.count("\n") == 1
    assert out.read_text() == "from before" and not book.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.csv", "orders.csv"]


def test_numbers_the_exchange_refuses_are_rejected_rows(match):
    text = "action,order_id,side,price,quantity\n"
    text += "new,a,buy,-5,1\nnew,a,buy,5,99999999999999999999999999\nnew,a,,5,1\nnew,a,buy,,1\n"
    assert match(text)[1].splitlines()[1:] == [
        "1,rejected,a,,,,,,invalid_price",
        "2,rejected,a,,,,,,invalid_quantity",
        "3,rejected,a,,,,,,invalid_side",
        "4,rejected,a,,,,,,invalid_price",
    ]


@pytest.mark.parametrize(
    "options", [("--price-scale", "19"), ("--price-scale", "-1"), ("--collar-bps", "10001"), ("--quantity-scale", "x")]
)
def test_options_out_of_range_are_usage_errors(match, options):
    with pytest.raises(SystemExit) as left:
        match("action,order_id\n", *options)
    assert left.value.code == 2


def test_a_file_that_is_not_there_is_said(capsys):
    assert main(["match", "/nowhere/orders.csv"]) == 1
    assert capsys.readouterr().err == "tools match: [Errno 2] No such file or directory: '/nowhere/orders.csv'\n"


def test_out_may_be_a_pipe_and_stays_one(match, tmp_path):
    # Not /dev/null: a test run as root must not be able to harm it.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert match("action,order_id\n", "--out", str(pipe)) == (0, "", "")
        assert os.read(reader, 1000).decode() == HEADER + "\n"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["x,y", 'x"y', "x\ny", "x\ry", " x ", "", "\u00e4"])
def test_any_text_is_one_cell(name):
    assert list(csv.reader([cell(name) + ",next"])) == [[name, "next"]]


def test_rows_are_read_and_forgotten_one_by_one():
    """Memory does not grow with the file: nothing is read ahead, and of an order that ended nothing is kept."""
    count = 30_000
    taken = 0

    def lines():
        nonlocal taken
        yield "action,order_id,side,price,quantity\n"
        for number in range(count):
            taken += 1
            # Pairs that trade, one order in a hundred cancelled.
            if number % 100 == 99:
                yield "cancel,open,,,\n"
            elif number % 100 == 98:
                yield "new,open,buy,1,1\n"
            else:
                yield "new,order-%d,%s,100,1\n" % (number, ("buy", "sell")[number % 2])

    written = []
    scale = Scale(0)
    run = MatchRun(scale, scale, 10_000, written.append)
    for row in OrderFile(lines(), "lines", scale, scale):
        assert row[0] == taken
        run.row(*row)
        assert len(run.lines) < 20_000 and len(run.id_of) == len(run.open_orders) <= 2
    run.flush()
    assert run.rows == count and run.traded == 14_700 and run.cancelled == 300
    assert run.exchange.orders.used <= 4
    assert "".join(written).count("\n") == 1 + run.accepted + run.traded + run.cancelled
