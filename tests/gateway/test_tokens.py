"""Tokens: three algorithms, keys by kid and their rotation, and everything that is refused."""

import base64
import hmac
import json

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from gateway.config import ConfigError
from gateway.errors import ApiError
from gateway.tokens import KNOWN_MAX, Tokens
from tools.token import make_token, new_secret_key, write_jwks

NOW = 1_800_000_000


def rsa_key(kid, bits=2048):
    private = rsa.generate_private_key(65537, bits)
    return dict(json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private)), kid=kid, alg="RS256")


def ed25519_key(kid):
    private = ed25519.Ed25519PrivateKey.generate()
    return dict(json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(private)), kid=kid, alg="EdDSA")


def public(key):
    return {name: value for name, value in key.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "key_ops")}


def public_pem(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return jwt.PyJWK(public(key)).key.public_bytes(serialization.Encoding.PEM, form)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


SECRET, OTHER_SECRET = new_secret_key("secret"), new_secret_key("other")
RSA, ED25519 = rsa_key("rsa"), ed25519_key("ed25519")


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def path(tmp_path):
    write_jwks(str(tmp_path / "jwt.json"), {"keys": [SECRET, public(RSA), public(ED25519)]})
    return str(tmp_path / "jwt.json")


@pytest.fixture
def tokens(path):
    return Tokens(path, "trade-engine", "trade-engine", 5)


def token_of(key, user="alice", **more):
    return make_token({"keys": [key]}, user, **more)[0]


def refused(tokens, token):
    with pytest.raises(ApiError) as raised:
        tokens.identity_of(token)
    assert raised.value.status == 401 and raised.value.headers["WWW-Authenticate"].startswith("Bearer")
    return raised.value.code


@pytest.mark.parametrize("key", [SECRET, RSA, ED25519], ids=lambda key: key["alg"])
def test_a_token_of_each_algorithm(tokens, key):
    identity = tokens.identity_of(token_of(key, roles=("admin",), second_factor=True))
    assert (identity.user, identity.roles, identity.second_factor) == ("alice", {"admin"}, True)
    assert tokens.identity_of(token_of(key)).second_factor is False


def resigned(token, key, algorithm, **header):
    """The claims of a token under another signature."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims, key, algorithm, headers=header)


def test_a_token_without_a_signature(tokens):
    for kid in ("secret", "rsa"):
        assert refused(tokens, resigned(token_of(SECRET), None, "none", kid=kid)) == "invalid_token"


def test_the_algorithm_is_the_keys_not_the_tokens(tokens):
    # the public key is known to all: it must not serve as the secret of HS256
    for secret in (json.dumps(public(RSA)).encode(), public_pem(RSA)):
        head = base64url(json.dumps({"alg": "HS256", "kid": "rsa", "typ": "JWT"}).encode())
        signed = head + "." + token_of(SECRET).split(".")[1]
        forged = signed + "." + base64url(hmac.digest(secret, signed.encode(), "sha256"))
        assert refused(tokens, forged) == "invalid_token"
    secret = base64.urlsafe_b64decode(SECRET["k"] + "=")
    assert refused(tokens, resigned(token_of(SECRET), secret + b"x" * 32, "HS512", kid="secret")) == "invalid_token"


def test_a_changed_token(tokens):
    head, claims, signature = token_of(SECRET).split(".")
    other = json.loads(base64.urlsafe_b64decode(claims + "==="))
    other["sub"] = "mallory"
    changed = base64url(json.dumps(other).encode())
    assert refused(tokens, ".".join((head, changed, signature))) == "invalid_token"
    assert refused(tokens, ".".join((head, claims, signature[:-4] + "AAAA"))) == "invalid_token"
    assert refused(tokens, ".".join((head, claims, ""))) == "invalid_token"


def test_a_key_that_is_not_known(tokens):
    assert refused(tokens, token_of(OTHER_SECRET)) == "invalid_token"
    assert refused(tokens, token_of(dict(OTHER_SECRET, kid="secret"))) == "invalid_token"
    assert refused(tokens, jwt.encode({"sub": "alice", "exp": 2**33}, "x" * 32)) == "invalid_token"  # no kid


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "somebody"},
        {"audience": "somebody"},
        {"user": "two words"},
        {"user": ""},
        {"user": "x" * 65},
        {"user": "\u00e4"},
        {"user": "alice\n"},
    ],
)
def test_claims_that_are_not_for_us(tokens, changed):
    assert refused(tokens, token_of(SECRET, **changed)) == "invalid_token"


@pytest.mark.parametrize("claim", ["exp", "sub", "iss", "aud"])
def test_a_claim_that_is_missing(tokens, claim):
    claims = jwt.decode(token_of(SECRET), options={"verify_signature": False})
    del claims[claim]
    signed = jwt.encode(claims, base64.urlsafe_b64decode(SECRET["k"] + "="), "HS256", headers={"kid": "secret"})
    assert refused(tokens, signed) == "invalid_token"


@pytest.mark.parametrize(
    "claims", [{"roles": "admin"}, {"roles": [1]}, {"amr": {"mfa": 1}}, {"exp": "soon"}, {"nbf": 2**33}]
)
def test_claims_of_another_shape(tokens, claims):
    given = {**jwt.decode(token_of(SECRET), options={"verify_signature": False}), **claims}
    signed = jwt.encode(given, base64.urlsafe_b64decode(SECRET["k"] + "="), "HS256", headers={"kid": "secret"})
    assert refused(tokens, signed) == "invalid_token"


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "x" * 5_000, "\u00e4.\u00e4.\u00e4", "e30.e30.", "bnVsbA.bnVsbA.x"]
)
def test_what_is_no_token(tokens, token):
    assert refused(tokens, token) == "invalid_token"


def test_an_expired_token_and_the_leeway(tokens):
    assert refused(tokens, token_of(SECRET, seconds=-10)) == "token_expired"
    assert tokens.identity_of(token_of(SECRET, seconds=-2)).user == "alice"


def test_a_token_that_is_remembered_expires_too(path):
    clock = Clock()
    tokens = Tokens(path, "", "", 5, clock)
    token, claims = make_token({"keys": [SECRET]}, "alice")
    clock.now = claims["exp"] - 1
    assert tokens.identity_of(token).user == "alice"
    clock.now = claims["exp"] + 4
    assert tokens.identity_of(token).user == "alice"
    clock.now = claims["exp"] + 5
    assert refused(tokens, token) == "token_expired"


def test_rotation(path):
    clock = Clock()
    tokens = Tokens(path, "", "", 5, clock)
    old, new = token_of(SECRET), token_of(OTHER_SECRET)
    assert tokens.identity_of(old).user == "alice"
    write_jwks(path, {"keys": [SECRET, OTHER_SECRET]})
    clock.now += 2
    assert tokens.identity_of(old).user == tokens.identity_of(new).user == "alice"
    write_jwks(path, {"keys": [OTHER_SECRET]})
    clock.now += 2
    assert tokens.identity_of(new).user == "alice"
    assert refused(tokens, old) == "invalid_token"


def test_a_broken_file_leaves_the_keys_as_they_were(path):
    clock = Clock()
    tokens = Tokens(path, "", "", 5, clock)
    with open(path, "w") as file:
        file.write("{")
    clock.now += 2
    assert tokens.identity_of(token_of(SECRET)).user == "alice"


def test_no_more_tokens_are_remembered_than_said(path):
    tokens = Tokens(path, "", "", 5)
    tokens._known = dict.fromkeys(range(KNOWN_MAX))
    tokens.identity_of(token_of(SECRET))
    assert len(tokens._known) == KNOWN_MAX


@pytest.mark.parametrize(
    "content, problem",
    [
        ("{", "not a JWKS file"),
        ("[]", "not a JWKS file"),
        ('{"keys": []}', "no keys"),
        ('{"keys": [{"kid": "1", "kty": "oct", "k": "AAAA", "alg": "HS256"}]}', "shorter than 32 bytes"),
        ('{"keys": [{"kid": "1", "kty": "oct", "k": "AAAA", "alg": "none"}]}', "alg must be"),
        (json.dumps({"keys": [SECRET, SECRET]}), "a kid of its own"),
        (json.dumps({"keys": [{**SECRET, "alg": "RS256"}]}), "cannot be used"),
        (json.dumps({"keys": [rsa_key("1", 1024)]}), "shorter than 2048 bits"),
    ],
    ids=lambda value: value[:12],
)
def test_key_files_that_cannot_be_used(tmp_path, content, problem):
    (tmp_path / "jwt.json").write_text(content)
    with pytest.raises(ConfigError, match=problem):
        Tokens(str(tmp_path / "jwt.json"), "", "", 5)
    with pytest.raises(ConfigError, match="No such file"):
        Tokens(str(tmp_path / "other.json"), "", "", 5)
