"""`tools api-keys`: what it writes the gateway reads, secrets are shown once, and bad input changes nothing."""

import json
import os
import stat

import pytest

from engine.disk import Disk
from gateway.api_keys import read_keys
from tests.tools.journals import run_json, run_tool


@pytest.fixture
def file(tmp_path):
    return tmp_path / "made" / "api-keys.json"


def create(file, *arguments):
    code, made = run_json("api-keys", "create", "--file", file, *arguments)
    assert code == 0
    return made


def test_the_gateway_knows_the_key(file):
    made = create(file, "alice", "--role", "admin", "--role", "auditor")
    identity = read_keys(str(file))[made["key"]].identity
    assert (identity.user, identity.roles, identity.second_factor) == ("alice", {"admin", "auditor"}, False)


def test_a_further_key_leaves_those_of_before(file):
    made = [create(file, user) for user in ("alice", "bob", "alice")]
    assert list(read_keys(str(file))) == [entry["key"] for entry in made]
    assert len({entry["secret"] for entry in made}) == 3


def test_the_file_is_its_owners_alone(file):
    create(file, "alice")
    file.chmod(0o644)
    create(file, "bob")
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert sorted(os.listdir(file.parent)) == ["api-keys.json", "api-keys.json.lock"]


def test_text_shows_key_and_secret(file):
    code, out, err = run_tool("api-keys", "create", "alice", "--file", file)
    (entry,) = json.loads(file.read_text())["keys"]
    assert (code, out) == (0, "key %s\nsecret %s\n" % (entry["key"], entry["secret"]))
    assert entry["secret"] not in err


def test_a_secret_is_shown_once(file):
    entries = [create(file, "alice"), create(file, "bob", "--role", "admin")]
    rest = [run_tool("api-keys", *arguments, "--file", file) for arguments in (("list",), ("list", "--json"))]
    rest += [run_tool("api-keys", "create", "carol", "--file", file)]
    rest += [run_tool("api-keys", "revoke", entries[0]["key"], "--file", file)]
    for code, out, err in rest:
        assert code == 0
        assert not [entry for entry in entries if entry["secret"] in out + err]


def test_the_list(file):
    first, second = create(file, "alice"), create(file, "bob", "--role", "admin")
    assert run_json("api-keys", "list", "--file", file) == (
        0,
        [
            {"key": first["key"], "user": "alice", "roles": []},
            {"key": second["key"], "user": "bob", "roles": ["admin"]},
        ],
    )
    _, out, _ = run_tool("api-keys", "list", "--file", file)
    assert [line.split() for line in out.splitlines()[-2:]] == [
        [first["key"], "alice"],
        [second["key"], "bob", "admin"],
    ]


def test_a_revoked_key_is_gone(file):
    first, second = create(file, "alice"), create(file, "alice")
    assert run_json("api-keys", "revoke", first["key"], "--file", file) == (0, {"key": first["key"]})
    assert list(read_keys(str(file))) == [second["key"]]
    code, out, err = run_tool("api-keys", "revoke", first["key"], "--file", file)
    assert (code, out) == (1, "") and "has no key " + first["key"] in err
    assert run_tool("api-keys", "revoke", second["key"], "--file", file)[0] == 0
    assert read_keys(str(file)) == {}


@pytest.mark.parametrize("user", ["", "two words", "x" * 65, "\u00e4", "a\nb", "\x00"])
def test_what_is_no_user_is_a_usage_error(file, user):
    code, out, err = run_tool("api-keys", "create", user, "--file", file)
    assert (code, out, file.exists()) == (2, "", False) and "1 to 64" in err


@pytest.mark.parametrize("arguments", [(), ("create",), ("revoke",), ("list", "more"), ("destroy",)])
def test_what_makes_no_sense_is_a_usage_error(arguments):
    code, out, err = run_tool("api-keys", *arguments)
    assert (code, out) == (2, "") and err


@pytest.mark.parametrize("action", [("list",), ("revoke", "x")])
def test_a_missing_file_is_named(file, action):
    code, out, err = run_tool("api-keys", *action, "--file", file)
    assert (code, out, file.exists()) == (1, "", False) and str(file) in err


@pytest.mark.parametrize("content", ["", "[]", '{"keys": 5}', '{"keys": [{"key": "x"}]}', '{"keys": ["x"]}'])
@pytest.mark.parametrize("action", [("create", "alice"), ("revoke", "x"), ("list",)])
def test_a_file_of_something_else_is_left_alone(file, action, content):
    file.parent.mkdir()
    file.write_text(content)
    code, out, err = run_tool("api-keys", *action, "--file", file)
    assert (code, out, file.read_text()) == (1, "", content) and "not a file of API keys" in err


def test_a_place_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = run_tool("api-keys", "create", "alice", "--file", tmp_path / "file" / "api-keys.json")
    assert (code, out) == (1, "") and "Traceback" not in err and str(tmp_path) in err


def test_two_changes_at_once_are_refused(file):
    made = create(file, "alice")
    fd = Disk().lock(str(file) + ".lock")
    try:
        for arguments in (("create", "bob"), ("revoke", made["key"])):
            code, _, err = run_tool("api-keys", *arguments, "--file", file)
            assert code == 1 and "being changed" in err
    finally:
        os.close(fd)
    assert list(read_keys(str(file))) == [made["key"]]
