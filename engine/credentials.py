"""The file of API keys: what it takes to verify a secret, never the secret. Made by `tools keys`, read by the core."""

import base64
import json
import os

import attrs

from protocol.login import TRADER, TRUSTED, Credentials
from protocol.scram import ITERATIONS_MIN, SALT_BYTES

PEPPER_BYTES = 32


class KeysFileError(Exception):
    """The keys file cannot be used; the text says why."""


@attrs.define
class Keys:
    """All API keys of a venue. Revoked ones stay, so that a number is never given twice."""

    pepper: bytes = attrs.field(repr=False)
    by_number: dict
    revoked: dict  # key number -> True

    def find(self, key):
        """-> Credentials of a key that may log in, or None."""
        return None if key in self.revoked else self.by_number.get(key)


def new_keys(random_bytes):
    """`random_bytes(n)` -> n bytes of chance."""
    return Keys(random_bytes(PEPPER_BYTES), {}, {})


def create_key(keys, account, role, random_bytes, iterations=ITERATIONS_MIN):
    """-> (key number, secret). The secret is shown once and kept nowhere. Raises ValueError."""
    if role == TRUSTED and account != 0:
        raise ValueError("a trusted key acts for any account and has none itself")
    if role not in (TRADER, TRUSTED):
        raise ValueError("role must be %s or %s" % (TRADER, TRUSTED))
    if role == TRADER and not 0 < account < 2**32:
        raise ValueError("account must be 1 to 4294967295")
    number = max(keys.by_number, default=0) + 1
    secret = base64.urlsafe_b64encode(random_bytes(24)).decode("ascii")
    salt = random_bytes(SALT_BYTES)
    keys.by_number[number] = Credentials.from_secret(number, account, role, secret, salt, iterations)
    return number, secret


def load_keys(path):
    """-> Keys; raises KeysFileError, naming the file, never its contents."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        by_number = {}
        revoked = {}
        for entry in content["keys"]:
            number = int(entry["key"])
            by_number[number] = Credentials(
                number,
                int(entry["account"]),
                entry["role"],
                base64.b64decode(entry["salt"]),
                int(entry["iterations"]),
                base64.b64decode(entry["stored_key"]),
                base64.b64decode(entry["server_key"]),
            )
            if entry["revoked"]:
                revoked[number] = True
        return Keys(base64.b64decode(content["pepper"]), by_number, revoked)
    except OSError as error:
        raise KeysFileError("%s: %s" % (path, error.strerror)) from None
    except (KeyError, TypeError, ValueError) as error:
        raise KeysFileError("%s: not a keys file (%s)" % (path, type(error).__name__)) from None


def save_keys(path, keys):
    """Write all keys, readable by the owner alone, whole or not at all."""
    entries = [
        {
            "key": found.key,
            "account": found.account,
            "role": found.role,
            "salt": base64.b64encode(found.salt).decode("ascii"),
            "iterations": found.iterations,
            "stored_key": base64.b64encode(found.stored_key).decode("ascii"),
            "server_key": base64.b64encode(found.server_key).decode("ascii"),
            "revoked": found.key in keys.revoked,
        }
        for found in keys.by_number.values()
    ]
    content = {"pepper": base64.b64encode(keys.pepper).decode("ascii"), "keys": entries}
    temporary = "%s.part" % path
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, path)
