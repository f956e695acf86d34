"""Who is asking: what the token of a request says, and what its role lets it do. Knows no secrets."""

import re

import attrs

from gateway.errors import ApiError
from protocol.messages import USER_CHARACTERS_MAX

#: Who may use a route: anybody, whoever has a token, or who has this role.
ANYBODY, USER, ADMIN = "anybody", "user", "admin"

#: What the core takes as a user.
is_user = re.compile(r"[!-~]{1,%d}\Z" % USER_CHARACTERS_MAX).match


@attrs.frozen
class Identity:
    """`request["identity"]` of every route that is not for anybody. The account is `await core.account_of(user)`."""

    user: str  # the external user id, `sub` of a token
    roles: frozenset = frozenset()
    second_factor: bool = False  # whether this login proved one

    def may(self, role):
        """Raises ApiError 403."""
        if role == ADMIN and ADMIN not in self.roles:
            raise ApiError(403, "role_required", "this is for the role %s" % role, details={"role": role})


def bearer_token(request):
    """-> the token of the Authorization header, or None without such a header. Raises ApiError 401."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise authentication_required("Authorization must be a bearer token")
    return token.strip()


def authentication_required(message="a bearer token is needed"):
    return ApiError(401, "authentication_required", message, headers={"WWW-Authenticate": "Bearer"})
