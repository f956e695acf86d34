"""JSON Web Tokens: verified with the keys of a JWKS file, each for one algorithm alone; none is issued here.

Keys are rotated by adding one to the file, issuing tokens under its `kid`, and removing the old one when its last token
has expired.
"""

import json
import time
from collections import OrderedDict

import attrs
import jwt

from gateway.config import ConfigError
from gateway.errors import ApiError
from gateway.identity import Identity, is_user
from gateway.key_file import KeyFile

ALGORITHMS = ("HS256", "RS256", "EdDSA")
SECRET_BYTES_MIN = 32  # of HS256: as many as its hash has
RSA_BITS_MIN = 2048
TOKEN_CHARACTERS_MAX = 4_096
KNOWN_MAX = 25_000  # verified tokens that are remembered, more than there are WebSockets; the oldest goes first
#: `amr` values (RFC 8176) that tell of a second factor.
SECOND_FACTORS = frozenset(("mfa", "otp", "hwk"))


@attrs.frozen
class _Known:
    identity: Identity
    expires: int  # seconds since 1970


class Tokens:
    """`identity_of(token)`. `issuer` and `audience` are not asked for where they are empty."""

    def __init__(self, path, issuer, audience, leeway_seconds, clock=time.time):
        """Raises ConfigError where the file cannot be used."""
        self._file = KeyFile(path, read_keys, clock)
        self._leeway = leeway_seconds
        self._issuer = issuer or None
        self._audience = audience or None
        self._clock = clock
        self._known: OrderedDict = OrderedDict()  # token -> _Known

    def identity_of(self, token):
        """-> Identity. Raises ApiError 401: token_expired, or invalid_token for whatever else is wrong with it."""
        if self._file.look():
            self._known.clear()
        known = self._known.get(token)
        if known is None:
            known = self._verified(token)
            if len(self._known) >= KNOWN_MAX:
                del self._known[next(iter(self._known))]
            self._known[token] = known
        elif self._clock() >= known.expires + self._leeway:
            del self._known[token]
            raise _expired()
        return known.identity

    def _verified(self, token):
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise _invalid("too long")
        try:
            key = self._file.keys.get(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                raise _invalid("signed by no key that is known here")
            claims = jwt.decode(
                token,
                key,  # a PyJWK: its own algorithm counts, not the one that the token names
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=self._leeway,
                options={"require": ["exp", "sub"], "verify_aud": self._audience is not None},
            )
        except jwt.ExpiredSignatureError:
            raise _expired() from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise _invalid("not a valid token") from None
        return _Known(_identity(claims), int(claims["exp"]))


def read_keys(path):
    """-> {kid: jwt.PyJWK} of a JWKS file (RFC 7517). Raises ConfigError."""
    try:
        with open(path, encoding="utf-8") as file:
            entries = json.load(file)["keys"]
        keys = {}
        for entry in entries:
            kid = entry["kid"]
            if not isinstance(kid, str) or not kid or kid in keys:
                raise ConfigError("%s: every key needs a kid of its own" % path)
            keys[kid] = _key(path, entry)
    except OSError as error:
        raise ConfigError("%s: %s" % (path, error.strerror)) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError("%s: not a JWKS file" % path) from None
    if not keys:
        raise ConfigError("%s: no keys in it" % path)
    return keys


def _key(path, entry):
    name, algorithm = "%s: key %s" % (path, entry["kid"]), entry.get("alg")
    if algorithm not in ALGORITHMS:
        raise ConfigError("%s: alg must be one of %s" % (name, ", ".join(ALGORITHMS)))
    try:
        key = jwt.PyJWK(entry)
    except (jwt.PyJWTError, ValueError):
        raise ConfigError("%s cannot be used" % name) from None
    if algorithm == "HS256" and len(key.key) < SECRET_BYTES_MIN:
        raise ConfigError("%s is shorter than %d bytes" % (name, SECRET_BYTES_MIN))
    if algorithm == "RS256" and key.key.key_size < RSA_BITS_MIN:
        raise ConfigError("%s is shorter than %d bits" % (name, RSA_BITS_MIN))
    return key


def _identity(claims):
    user, roles, methods = claims["sub"], claims.get("roles", []), claims.get("amr", [])
    if not is_user(user):
        raise _invalid("sub is no user: 1 to 64 printable ASCII characters without a space")
    for name, values in (("roles", roles), ("amr", methods)):
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise _invalid("%s is no list of words" % name)
    return Identity(user, frozenset(roles), not SECOND_FACTORS.isdisjoint(methods))


def _invalid(message):
    challenge = 'Bearer error="invalid_token"'
    return ApiError(401, "invalid_token", message, headers={"WWW-Authenticate": challenge})


def _expired():
    challenge = 'Bearer error="invalid_token", error_description="expired"'
    return ApiError(401, "token_expired", "the token has expired", headers={"WWW-Authenticate": challenge})
