"""`tools up` as a newcomer meets it: from an empty directory to a venue that trades, and to its end by Ctrl-C."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import attrs
import pytest

from engine.config import Config, read_config
from engine.recovery import recover
from tests.tools.journals import run_json, run_tool
from tools.up.venue import settings_text

ROOT = Path(__file__).parents[2]
SECONDS_MAX = 60


@contextlib.contextmanager
def up(directory, *arguments, database=False):
    """A `tools up --json` on free ports -> (process, what it printed once it was up, or None where it ended)."""
    command = [sys.executable, "-m", "tools", "up", "--directory", str(directory), "--json", "--python", sys.executable]
    command += ["--warm-up", "0", "--segment-bytes", "65536", "--persistence-port", "0"]
    if not database:
        command.append("--no-database")
    for name in ("--port", "--trusted-port", "--metrics-port", "--gateway-port"):
        command += [name, "0"]
    process = subprocess.Popen(
        command + [str(argument) for argument in arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        yield process, json.loads(line) if line else None
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS_MAX)


def end(process, number=signal.SIGINT):
    """-> (exit code, stderr)."""
    process.send_signal(number)
    _, err = process.communicate(timeout=SECONDS_MAX)
    return process.returncode, err


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_from_nothing_to_a_trade_and_again_to_the_end(tmp_path):
    directory = tmp_path / "run"
    demo = ("--demo", directory / "demo.json")
    with up(directory) as (process, facts):
        assert facts["instruments_made"] == ["BTC-USDT", "ETH-USDT"]
        assert [entry["role"] for entry in facts["demo_keys"]] == ["trader", "trader", "trusted"]
        assert stat.S_IMODE(os.stat(directory / "demo.json").st_mode) == 0o600
        _, book = run_json("order", "book", "BTC-USDT", *demo)
        assert (len(book["bids"]), len(book["asks"])) == (5, 5)
        code, placed = run_json("order", "place", "buy", "0.01", "BTC-USDT", "60030.00", *demo)
        assert (code, placed["filled_quantity"], placed["open_quantity"]) == (0, 10_000, 0)
        _, (btc, _, usdt) = run_json("order", "balances", *demo)
        assert (btc["available"], btc["reserved"]) == (1_001_000_000, 0)
        assert usdt["reserved"] > 0 and usdt["available"] + usdt["reserved"] < 100_000_000_000_000
        code, bought = run_json("order", "place", "buy", "60.04", "BTC-USDT", "--by-amount", *demo)
        assert (code, bought["filled_quantity"]) == (0, 1_000)  # whole lots of 0.0001 at 60030 and fees
        code, out, _ = run_tool("journal", "proof", facts["journal"])
        assert code == 0 and "The sums hold." in out
        with socket.create_connection((facts["host"], facts["metrics_port"])) as metrics:
            metrics.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert b"200 OK" in metrics.recv(100)
        code, err = end(process)
        assert (code, is_running(facts["pid"])) == (0, False) and "stopped" in err
    with up(directory) as (process, again):
        assert again["instruments_made"] == []
        assert again["demo_keys"] == facts["demo_keys"]
        _, book = run_json("order", "book", "BTC-USDT", *demo)
        assert book["asks"][0]["quantity"] == 14_000  # what the trades left
        assert end(process, signal.SIGTERM)[0] == 0
    assert recover(str(directory / "journal"), None, 16).sequencer.exchange.trade_count == 2


def test_text_shows_addresses_keys_and_commands_that_work(tmp_path):
    directory = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "tools",
        "up",
        "--directory",
        directory,
        "--warm-up",
        "0",
        "--python",
        sys.executable,
    ]
    command += ["--port", "0", "--trusted-port", "0", "--metrics-port", "-1", "--no-gateway"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        lines = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], lines
        commands = [line.strip() for line in lines if " -m tools " in line]
        try:
            assert len(commands) == 2
            for line in commands:
                done = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True)
                assert (done.returncode, done.stderr) == (0, "")
            assert "filled 0.010000 at 60030.00" in done.stdout
        finally:
            process.send_signal(signal.SIGINT)
    secrets = [entry["secret"] for entry in json.loads((directory / "demo.json").read_text())["keys"]]
    assert [secret for secret in secrets if secret not in "".join(lines)] == []
    assert process.returncode == 0


def test_a_core_that_dies_is_told(tmp_path):
    with up(tmp_path / "run") as (process, facts):
        os.kill(facts["pid"], signal.SIGKILL)
        _, err = process.communicate(timeout=SECONDS_MAX)
        assert process.returncode == 1 and "the core ended by itself" in err


def test_a_core_that_refuses_to_start_is_told(tmp_path):
    with up(tmp_path / "run", "--order-slots", 0) as (process, facts):
        _, err = process.communicate(timeout=SECONDS_MAX)
        assert (process.returncode, facts) == (2, None) and "order_slots" in err
    (tmp_path / "run" / "journal").mkdir()
    (tmp_path / "run" / "journal" / ("%020d.journal" % 1)).write_bytes(b"nonsense" * 100)
    with up(tmp_path / "run") as (process, facts):
        _, err = process.communicate(timeout=SECONDS_MAX)
        assert (process.returncode, facts) == (1, None)
        assert "not a journal segment" in err and "tools journal verify" in err and "ended by itself" in err


def test_a_second_signal_kills(tmp_path):
    """A core that is stopped by SIGSTOP does not answer SIGTERM."""
    with up(tmp_path / "run") as (process, facts):
        os.kill(facts["pid"], signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        for line in process.stderr:
            if "once more kills" in line:
                break
        code, err = end(process)
        assert code == 1 and "killing the core" in err
        deadline = time.monotonic() + SECONDS_MAX
        while is_running(facts["pid"]):
            assert time.monotonic() < deadline
    assert recover(str(tmp_path / "run" / "journal"), None, 16).sequencer.exchange.seq > 0


def test_a_port_in_use_is_named(tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        up(tmp_path / "run", "--port", taken.getsockname()[1]) as (
            process,
            facts,
        ),
    ):
        _, err = process.communicate(timeout=SECONDS_MAX)
        assert (process.returncode, facts) == (1, None)
        assert "port %d on 127.0.0.1: address already in use" % taken.getsockname()[1] in err and "--port" in err


def test_without_a_demo_there_are_no_keys_and_no_instruments(tmp_path):
    with up(tmp_path / "run", "--no-demo", "--no-gateway") as (process, facts):
        assert (facts["demo_keys"], facts["instruments_made"]) == ([], [])
        assert run_json("keys", "list", "--keys", facts["keys"]) == (0, [])
        assert not (tmp_path / "run" / "demo.json").exists()
        assert end(process)[0] == 0


def test_a_revoked_demo_key_is_told_with_what_to_do(tmp_path):
    with up(tmp_path / "run") as (process, facts):
        end(process)
    assert run_tool("keys", "revoke", 2, "--keys", facts["keys"])[0] == 0
    with up(tmp_path / "run") as (process, again):
        _, err = process.communicate(timeout=SECONDS_MAX)
        assert (process.returncode, again) == (1, None) and "no key 2" in err and "demo.json" in err


def test_the_settings_file_holds_every_setting(tmp_path):
    path = tmp_path / "venue.toml"
    path.write_text(settings_text("run"))
    assert read_config(path) == attrs.asdict(Config())
    for field in attrs.fields(Config):
        assert "# %s\n%s = " % (field.metadata["help"], field.name) in path.read_text()


@pytest.mark.parametrize(
    "content, text", [("[core]\nporf = 1\n", "no setting 'porf'"), ("[core]\nport = 'x'\n", "int")]
)
def test_a_wrong_settings_file_is_a_usage_error(tmp_path, content, text):
    (tmp_path / "venue.toml").write_text(content)
    code, _, err = run_tool("up", "--directory", tmp_path)
    assert code == 2 and text in err


@pytest.mark.skipif(sys.implementation.name == "pypy", reason="the database is of CPython's part of the venue")
def test_what_it_trades_is_in_postgres_and_stays_there():
    from tests.postgres import query

    with tempfile.TemporaryDirectory(prefix="up-", ignore_cleanup_errors=True) as directory:
        os.chmod(directory, 0o755)  # whoever runs Postgres for root has to get in
        demo = ("--demo", os.path.join(directory, "demo.json"))
        with up(directory, database=True) as (process, facts):
            code, placed = run_json("order", "place", "buy", "0.01", "BTC-USDT", "60030.00", *demo)
            assert code == 0
            bought = "SELECT status, filled_quantity::text, account FROM orders WHERE order_id = %s"
            deadline = time.monotonic() + SECONDS_MAX
            while not (rows := _rows(query, facts["database"], bought, placed["order_id"])):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert rows == [("FILLED", "0.010000", 1)]
            health = healthy(directory, facts["gateway"])
            assert health["wallet"]["message"] == "there is no wallet of record"  # persistence was asked, and says so
            code, err = end(process)
            assert code == 0, err
        with up(directory, database=True) as (process, facts):
            assert _rows(query, facts["database"], bought, placed["order_id"]) == rows
            assert end(process)[0] == 0


def healthy(directory, url):
    """Wait until the gateway calls every part of the venue healthy. -> {part: what it tells of it}."""
    token = run_tool("token", "root", "--role", "admin", "--keys", os.path.join(directory, "jwt.json"))[1].strip()
    request = urllib.request.Request(url + "/api/v1/admin/health/detailed")
    request.add_header("Authorization", "Bearer " + token)
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        with urllib.request.urlopen(request) as answer:
            health = json.load(answer)["data"]
        if health["status"] == "healthy":
            return {part["name"]: part for part in health["components"]}
        assert time.monotonic() < deadline, health
        time.sleep(0.02)


def _rows(query, url, statement, *parameters):
    """None as long as persistence has not made the tables."""
    import psycopg2

    try:
        return query(url, statement, parameters)
    except psycopg2.errors.UndefinedTable:
        return None


@pytest.mark.skipif(sys.implementation.name == "pypy", reason="the gateway is CPython's")
def test_the_gateway_answers_with_a_demo_token(tmp_path):
    directory = tmp_path / "run"
    with up(directory) as (process, facts):
        token, _ = run_tool("token", "demo-1", "--keys", directory / "jwt.json")[1:3]
        request = urllib.request.Request(facts["gateway"] + "/api/v1/balances")
        request.add_header("Authorization", "Bearer " + token.strip())
        deadline_s = time.monotonic() + SECONDS_MAX
        while True:
            try:
                with urllib.request.urlopen(request) as answer:
                    balances = json.load(answer)["data"]
                break
            except urllib.error.HTTPError as error:  # it is not logged in to the core yet
                assert error.code == 503 and time.monotonic() < deadline_s
                error.close()
        assert {row["asset"] for row in balances} == {"BTC", "ETH", "USDT"}
        for name in ("gateway.secret", "jwt.json"):
            assert stat.S_IMODE(os.stat(directory / name).st_mode) == 0o600
        code, err = end(process)
    assert code == 0, err
