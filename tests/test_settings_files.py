"""Settings of every program, in files and arguments: what is wrong with them is said in a line, with status 2."""

import subprocess
import sys

import pytest

from tests.harness import ROOT

TABLES = {"engine": "core"}
PORTS = ["engine --port", "engine --trusted-port", "engine --metrics-port"]
if sys.implementation.name != "pypy":  # the others are CPython's
    TABLES.update(gateway="gateway", persistence="persistence")
    PORTS += ["gateway --port", "gateway --core-port", "persistence --metrics-port"]


def refused(program, *arguments):
    """-> what it says."""
    command = [sys.executable, "-m", program, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={"DATABASE_URL": "postgresql:///x"})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    return done.stderr


@pytest.mark.parametrize("program", TABLES)
def test_a_file_that_is_no_settings_file(program, tmp_path):
    path = tmp_path / "settings.toml"
    table = TABLES[program]
    for content, text in (
        (b"%s = 3\n", "settings.toml: %s must be a table, [%s]" % (table, table)),
        (b"[[%s]]\n", "settings.toml: %s must be a table, [%s]" % (table, table)),
        (b"[%s]\nhost = '\xff'\n", "settings.toml: is not UTF-8"),
        (b"[%s\n", "settings.toml: "),
        (b"[%s]\nhost = 3\n", "settings.toml: %s.host must be str" % table),
        (b"[%s]\nhots = ''\n", "settings.toml: [%s] has no setting 'hots'" % table),
    ):
        path.write_bytes(content % table.encode())
        assert text in refused(program, "--config", str(path))


@pytest.mark.parametrize("option", PORTS)
def test_a_port_that_is_none(option):
    program, flag = option.split()
    name = flag[2:].replace("-", "_")
    least = -1 if name == "metrics_port" else 1 if name == "core_port" else 0
    for port in (65_536, 177_200, least - 1):
        assert "%s must be %d to 65535" % (name, least) in refused(program, "%s=%d" % (flag, port))
