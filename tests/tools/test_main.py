"""The one entry point of all tools."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.__main__ import COMMANDS, build_parser, main

REPOSITORY = Path(__file__).resolve().parents[2]


def test_help_lists_every_command_and_imports_none():
    code = "import sys; from tools.__main__ import build_parser; build_parser().format_help(); print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert [name for name in output.stdout.split() if name.split(".")[0] == "tools"] == ["tools", "tools.__main__"]
    assert "engine" not in output.stdout.split()
    shown = build_parser().format_help()
    assert [name for name in COMMANDS if name not in shown] == []


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["match"], ["match", "x.csv", "--nonsense"]])
def test_what_it_does_not_understand_is_a_usage_error(argv, capsys):
    with pytest.raises(SystemExit) as left:
        main(argv)
    assert left.value.code == 2
    assert "usage: python -m tools" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    ["load --closed --port", "market x --port", "market x --trusted-port", "up --gateway-port", "up --persistence-port"]
    + (["wallet --port"] if sys.implementation.name != "pypy" else []),
)
def test_a_port_that_is_none_is_a_usage_error(command, capsys):
    for port in ("65536", "177200", "-2", "1e3"):
        with pytest.raises(SystemExit) as left:
            main([*command.split(), port])
        assert left.value.code == 2
        assert "argument %s: " % command.split()[-1] in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_error_worth_a_traceback(tmp_path):
    orders = tmp_path / "orders.csv"
    orders.write_text("action,order_id\n" + "cancel,nobody\n" * 100_000)
    command = "%s -m tools match %s | head -1" % (sys.executable, orders)
    output = subprocess.run(command, shell=True, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert output.stdout == "line,event,order_id,side,price,quantity,maker_id,taker_id,reason\n"
    assert output.stderr == ""
