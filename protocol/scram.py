"""SCRAM-SHA-256 (RFC 5802, RFC 7677) as pure functions: the core stores keys that verify a secret, but are none.

The auth message is the RFC's, with the API key's number as the user name and no channel binding, so that any SCRAM
library can make it. Secrets are used as their UTF-8 bytes, without SASLprep.
"""

import base64
import hashlib
import hmac

import attrs

ITERATIONS_MIN = 4096  # RFC 7677
ITERATIONS_MAX = 1_000_000  # what a client takes from a core: about half a second of work
SALT_BYTES = 16
NONCE_CHARACTERS_MIN = 16  # of each end's half
NONCE_CHARACTERS_MAX = 100


@attrs.frozen
class Keys:
    """What a secret becomes: the client needs all three, the core keeps the last two."""

    client_key: bytes = attrs.field(repr=False)
    stored_key: bytes = attrs.field(repr=False)
    server_key: bytes = attrs.field(repr=False)


def derive_keys(secret, salt, iterations):
    """-> Keys of a secret (text). O(iterations), about a millisecond at 4096; ValueError below ITERATIONS_MIN."""
    if iterations < ITERATIONS_MIN:
        raise ValueError("%d iterations; at least %d" % (iterations, ITERATIONS_MIN))
    salted = hashlib.pbkdf2_hmac("sha256", secret.encode("utf-8"), salt, iterations)
    client_key = _hmac(salted, b"Client Key")
    return Keys(client_key, hashlib.sha256(client_key).digest(), _hmac(salted, b"Server Key"))


def auth_message(key, client_nonce, nonce, salt, iterations):
    """-> the bytes both ends sign; `nonce` is the client's followed by the core's."""
    encoded_salt = base64.b64encode(salt).decode("ascii")
    text = "n=%s,r=%s,r=%s,s=%s,i=%d,c=biws,r=%s" % (key, client_nonce, nonce, encoded_salt, iterations, nonce)
    return text.encode("ascii")


def client_proof(keys, auth):
    """-> 32 bytes that only who has the secret (or its client_key) can make for this auth message."""
    return _xor(keys.client_key, _hmac(keys.stored_key, auth))


def verify_proof(stored_key, auth, proof):
    """True where `proof` was made for this auth message from the secret behind stored_key. Constant time."""
    if len(proof) != len(stored_key):
        return False
    client_key = _xor(proof, _hmac(stored_key, auth))
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), stored_key)


def server_signature(server_key, auth):
    """-> 32 bytes by which the core proves that it knows the key's server_key."""
    return _hmac(server_key, auth)


def fake_salt(pepper, key):
    """-> the salt that a key which does not exist is challenged with: always the same one, and looks like any other."""
    return _hmac(pepper, b"salt of %d" % key)[:SALT_BYTES]


def is_nonce(text):
    """True for 16 to 100 printable ASCII characters without space and comma: half a nonce."""
    return (
        NONCE_CHARACTERS_MIN <= len(text) <= NONCE_CHARACTERS_MAX
        and all("!" <= character <= "~" for character in text)
        and "," not in text
    )


def _hmac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def _xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right))
