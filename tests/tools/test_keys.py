"""`tools keys`: its secrets are ones the core takes, numbers are never given twice, lists tell no secrets."""

import json
import os
import stat

import pytest

from engine.credentials import load_keys
from engine.disk import Disk
from protocol import scram
from tests.tools.journals import run_json, run_tool


@pytest.fixture
def file(tmp_path):
    return tmp_path / "made" / "keys.json"


def create(file, *arguments):
    code, made = run_json("keys", "create", "--keys", file, *arguments)
    assert code == 0
    return made


def test_the_printed_secret_opens_the_stored_key(file):
    made = create(file, "--account", 5)
    found = load_keys(file).find(made["key"])
    assert (found.account, found.role) == (5, "trader")
    assert scram.derive_keys(made["secret"], found.salt, found.iterations).stored_key == found.stored_key
    assert made["secret"] not in file.read_text()
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600


def test_text_shows_number_and_secret(file):
    code, out, err = run_tool("keys", "create", "--account", 5, "--keys", file)
    assert code == 0 and out.startswith("key 1\nsecret ") and "cannot be shown again" in err


def test_a_number_is_never_given_twice(file):
    assert create(file, "--account", 1)["key"] == 1
    assert create(file, "--role", "trusted")["key"] == 2
    assert run_tool("keys", "revoke", 2, "--keys", file)[0] == 0
    assert create(file, "--account", 1)["key"] == 3


def test_a_revoked_key_logs_in_no_more_and_stays_in_the_list(file):
    create(file, "--account", 1)
    assert run_json("keys", "revoke", 1, "--keys", file) == (0, {"key": 1, "was_revoked": False})
    assert run_json("keys", "revoke", 1, "--keys", file) == (0, {"key": 1, "was_revoked": True})
    assert load_keys(file).find(1) is None
    _, listed = run_json("keys", "list", "--keys", file)
    assert listed == [{"key": 1, "account": 1, "role": "trader", "state": "revoked"}]


def test_the_list_tells_no_secrets(file):
    made = create(file, "--account", 1)
    stored = json.loads(file.read_text())
    for arguments in ((), ("--json",)):
        _, out, _ = run_tool("keys", "list", "--keys", file, *arguments)
        (key,) = stored["keys"]
        for secret in (made["secret"], stored["pepper"], key["stored_key"], key["server_key"]):
            assert secret not in out


@pytest.mark.parametrize(
    "arguments", [(), ("--account", 2**32), ("--role", "trusted", "--account", 1), ("--role", "x")]
)
def test_what_makes_no_sense_is_a_usage_error(file, arguments):
    code, out, err = run_tool("keys", "create", "--keys", file, *arguments)
    assert (code, out, file.exists()) == (2, "", False) and err


def test_a_key_that_does_not_exist_cannot_be_revoked(file):
    create(file, "--account", 1)
    code, _, err = run_tool("keys", "revoke", 7, "--keys", file)
    assert code == 1 and "has no key 7" in err


@pytest.mark.parametrize("action", [("list",), ("revoke", 1)])
def test_a_missing_file_is_named(file, action):
    code, _, err = run_tool("keys", *action, "--keys", file)
    assert code == 1 and str(file) in err


def test_a_file_that_is_no_keys_file_is_left_alone(file):
    file.parent.mkdir()
    file.write_text("[]")
    code, _, err = run_tool("keys", "create", "--account", 1, "--keys", file)
    assert code == 1 and "not a keys file" in err and file.read_text() == "[]"


def test_two_changes_at_once_are_refused(file):
    create(file, "--account", 1)
    fd = Disk().lock(str(file) + ".lock")
    code, _, err = run_tool("keys", "create", "--account", 1, "--keys", file)
    os.close(fd)
    assert code == 1 and "being changed" in err
