"""The directory of a venue on this machine: its settings file, its keys, and the secrets of the demo keys."""

import json
import os

import attrs

from engine.config import Config
from engine.credentials import create_key, save_keys
from protocol.login import TRADER, TRUSTED
from tools.console import Failed
from tools.keys import open_keys

SETTINGS_NAME, KEYS_NAME, DEMO_NAME, JOURNAL_NAME = "venue.toml", "keys.json", "demo.json", "journal"
DEMO_ACCOUNTS = (1, 2)

_SETTINGS_HEAD = """\
# The settings of this venue, as they were by default when it was made. Each is also an argument of the core,
# `python -m engine --durability write`, which counts more than this file. docs/operations.md says more.

[core]
"""


def settings_text(directory):
    """-> a settings file with every setting of the core, each explained, its files in `directory`."""
    own = {"journal": os.path.join(directory, JOURNAL_NAME), "keys": os.path.join(directory, KEYS_NAME)}
    lines = [_SETTINGS_HEAD]
    for field in attrs.fields(Config):
        value = own.get(field.name, field.default)
        # a JSON string or integer is a TOML one too
        lines.append("# %s\n%s = %s\n" % (field.metadata["help"], field.name, json.dumps(value)))
    return "\n".join(lines)


def make_settings(directory):
    """Write the directory's settings file where there is none. -> (path, whether it was made)."""
    path = os.path.join(directory, SETTINGS_NAME)
    if os.path.exists(path):
        return path, False
    with open(path, "w", encoding="utf-8") as file:
        file.write(settings_text(directory))
    return path, True


def demo_keys(directory, keys_path):
    """-> [{"key", "secret", "account", "role"}, ...] for DEMO_ACCOUNTS and one trusted, made the first time.

    Their secrets are kept in the directory, for its owner alone, so that they can be shown again: a demo's, not a
    venue's way. Raises Failed, KeysFileError.
    """
    path = os.path.join(directory, DEMO_NAME)
    keys = open_keys(keys_path)
    if os.path.exists(path):
        demo = read_demo(path)["keys"]
        for entry in demo:
            found = keys.find(entry["key"])
            if found is None or (found.account, found.role) != (entry["account"], entry["role"]):
                text = "%s has no key %d for the demo, or it was revoked: remove %s to have new ones made"
                raise Failed(text % (keys_path, entry["key"], path))
        return demo
    demo = []
    for account, role in [(account, TRADER) for account in DEMO_ACCOUNTS] + [(0, TRUSTED)]:
        number, secret = create_key(keys, account, role, os.urandom)
        demo.append({"key": number, "secret": secret, "account": account, "role": role})
    save_keys(keys_path, keys)
    write_demo(path, {"keys": demo})
    return demo


def write_demo(path, content):
    """Readable by the owner alone, whole or not at all."""
    temporary = path + ".part"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
    os.rename(temporary, path)


def read_demo(path):
    """-> {"keys": [...], and once the venue was up "host", "port", "trusted_port"}. Raises Failed."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        for entry in content["keys"]:
            if {"key", "secret", "account", "role"} - set(entry):
                raise KeyError("keys")
    except OSError as error:
        raise Failed("%s: %s" % (path, error.strerror)) from None
    except (KeyError, TypeError, ValueError):
        raise Failed("%s: not a file of demo keys" % path) from None
    return content
