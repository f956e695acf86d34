"""API keys for programs: each request is signed with the key's secret, which never crosses the wire.

    X-API-Key: the key
    X-API-Timestamp: milliseconds since 1970 UTC
    X-API-Signature: HMAC-SHA-256 with the secret, in hexadecimal, of four lines joined by "\\n": the timestamp, the
                     method, the path with its query as sent, the SHA-256 of the body in hexadecimal

A timestamp may be a few seconds off, and within that time a signature is taken once.
"""

import hashlib
import hmac
import json
import re
import time
from collections import OrderedDict

import attrs

from gateway.config import ConfigError
from gateway.errors import ApiError
from gateway.identity import Identity, is_user
from gateway.key_file import KeyFile

KEY_HEADER, TIME_HEADER, SIGNATURE_HEADER = "X-API-Key", "X-API-Timestamp", "X-API-Signature"
WINDOW_MS = 5_000
SECRET_CHARACTERS_MIN = 32
SEEN_MAX = 200_000  # signatures within the window; beyond, signed requests are refused until some are old

_is_timestamp = re.compile(r"[0-9]{13}\Z", re.ASCII).match
_is_signature = re.compile(r"[0-9a-f]{64}\Z").match


@attrs.frozen
class _Key:
    secret: bytes = attrs.field(repr=False)
    identity: Identity


class ApiKeys:
    """`path` empty: there are none."""

    def __init__(self, path, clock=time.time):
        """Raises ConfigError."""
        self._file = KeyFile(path, read_keys, clock) if path else None
        self._clock = clock
        self._seen: OrderedDict = (
            OrderedDict()
        )  # signature -> ms after which it is too old anyway; the oldest first, nearly
        self._nobody = _Key(b"x" * SECRET_CHARACTERS_MIN, Identity(""))

    def identity_of(self, headers, method, target, body):
        """`target`: path and query as sent. -> Identity. Raises ApiError 401, which tells no key from a wrong
        signature, or 429."""
        timestamp, signature = headers.get(TIME_HEADER, ""), headers.get(SIGNATURE_HEADER, "")
        if not _is_timestamp(timestamp) or not _is_signature(signature):
            raise _refused("timestamp or signature is missing, or not as described")
        now_ms = int(self._clock() * 1_000)
        if abs(now_ms - int(timestamp)) > WINDOW_MS:
            raise _refused("the timestamp is more than %d ms off" % WINDOW_MS)
        known = self._key(headers[KEY_HEADER])
        key = known or self._nobody
        expected = signature_of(key.secret, timestamp, method, target, body)
        if not hmac.compare_digest(expected, signature) or known is None:
            raise _refused("no such key, or the signature is wrong")
        self._once(signature, now_ms)
        return key.identity

    def identity_of_key(self, key):
        """-> Identity of a key that has signed before. Raises ApiError 401 where it was taken away."""
        known = self._key(key)
        if known is None:
            raise _refused("there is no such key any more")
        return known.identity

    def _key(self, key):
        if self._file is None:
            return None
        self._file.look()
        return self._file.keys.get(key)

    def _once(self, signature, now_ms):
        seen = self._seen
        if signature in seen:
            raise _refused("this request has been made before")
        while seen:
            oldest = next(iter(seen))
            if seen[oldest] >= now_ms:
                break
            del seen[oldest]
        if len(seen) >= SEEN_MAX:
            raise ApiError(429, "rate_limited", "too many signed requests", headers={"Retry-After": "1"})
        seen[signature] = now_ms + 2 * WINDOW_MS


def signature_of(secret, timestamp, method, target, body):
    """-> hexadecimal text. `secret`, `body`: bytes; `timestamp`: text."""
    lines = "\n".join((timestamp, method, target, hashlib.sha256(body).hexdigest()))
    return hmac.digest(secret, lines.encode(), "sha256").hex()


def read_keys(path):
    """-> {key: _Key} of a file {"keys": [{"key", "secret", "user", "roles"}, ...]}. Raises ConfigError."""
    try:
        with open(path, encoding="utf-8") as file:
            entries = json.load(file)["keys"]
        keys = {}
        for entry in entries:
            key, secret, user, roles = entry["key"], entry["secret"], entry["user"], entry.get("roles", [])
            if not is_user(user) or key in keys or len(secret) < SECRET_CHARACTERS_MIN:
                raise ValueError("key")
            keys[key] = _Key(secret.encode("ascii"), Identity(user, frozenset(roles)))
    except OSError as error:
        raise ConfigError("%s: %s" % (path, error.strerror)) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError("%s: not a file of API keys" % path) from None
    return keys


def _refused(message):
    return ApiError(401, "invalid_signature", message, headers={"WWW-Authenticate": "Bearer"})
