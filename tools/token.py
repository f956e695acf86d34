"""`tools token`: make a token for the gateway, signed with a key of its JWKS file; the file too, the first time."""

import base64
import json
import os
import time

import jwt

from tools.console import Failed, note, print_json

EXIT_FAILED, EXIT_USAGE = 1, 2
SECRET_BYTES = 32
ISSUER = AUDIENCE = "trade-engine"  # the gateway's by default


def add_arguments(parser):
    parser.add_argument("user", help="external id of the user, who has one account: 1 to 64 characters")
    parser.add_argument("--role", action="append", default=[], dest="roles", help="such as admin; may be given again")
    parser.add_argument("--second-factor", action="store_true", help="say that the user proved one (amr mfa)")
    parser.add_argument("--minutes", type=int, default=60, help="until it expires (default %(default)s)")
    parser.add_argument("--issuer", default=ISSUER, help="default %(default)s")
    parser.add_argument("--audience", default=AUDIENCE, help="default %(default)s")
    parser.add_argument("--keys", default="run/jwt.json", metavar="FILE", help="JWKS file (default %(default)s)")
    parser.add_argument("--kid", help="which of its keys (default: the last that can sign)")
    parser.add_argument("--json", action="store_true", help="JSON instead of the token alone")


def run(arguments):
    try:
        token, claims = make_token(
            open_jwks(arguments.keys),
            arguments.user,
            arguments.roles,
            second_factor=arguments.second_factor,
            seconds=60 * arguments.minutes,
            issuer=arguments.issuer,
            audience=arguments.audience,
            kid=arguments.kid,
        )
    except Failed as error:
        note("tools token: %s" % error)
        return EXIT_FAILED
    if arguments.json:
        print_json({"token": token, "claims": claims})
    else:
        print(token)
    return 0


def make_token(
    jwks, user, roles=(), *, second_factor=False, seconds=3600, issuer=ISSUER, audience=AUDIENCE, kid=None, now=None
):
    """-> (token, its claims). Raises Failed where no key of the JWKS can sign."""
    signing = [entry for entry in jwks["keys"] if kid in (None, entry.get("kid")) and _can_sign(entry)]
    if not signing:
        raise Failed("no key %sthat can sign" % ("%s " % kid if kid else ""))
    entry = signing[-1]
    issued = int(time.time() if now is None else now)
    claims = {"iss": issuer, "aud": audience, "sub": user, "roles": list(roles), "iat": issued, "exp": issued + seconds}
    claims["amr"] = ["pwd", "mfa"] if second_factor else ["pwd"]
    return jwt.encode(claims, jwt.PyJWK(entry).key, entry["alg"], headers={"kid": entry["kid"]}), claims


def open_jwks(path):
    """-> the content of a JWKS file; one with a new HS256 key is made where there is none. Raises Failed."""
    try:
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            write_jwks(path, {"keys": [new_secret_key("1")]})
            note("made %s, with a new key" % path)
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if not all(entry["kid"] and entry["alg"] for entry in content["keys"]):
            raise ValueError("keys")
    except OSError as error:
        raise Failed("%s: %s" % (path, error.strerror)) from None
    except (ValueError, KeyError, TypeError):
        raise Failed("%s: not a JWKS file" % path) from None
    return content


def new_secret_key(kid):
    """-> a JWK of HS256."""
    secret = base64.urlsafe_b64encode(os.urandom(SECRET_BYTES)).rstrip(b"=").decode("ascii")
    return {"kty": "oct", "kid": kid, "alg": "HS256", "k": secret}


def write_jwks(path, content):
    """Readable by the owner alone, whole or not at all."""
    temporary = path + ".part"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
    os.rename(temporary, path)


def _can_sign(entry):
    """Whether the private half is there: `k` of a secret, `d` of a key pair."""
    return "k" in entry or "d" in entry
