"""Who is asking: what the token or key of a request says. Decides nothing about orders and knows no secrets."""

import attrs

ADMIN = "admin"  # the role of those who may use /admin


@attrs.frozen
class Identity:
    """`request["identity"]` of every route that is not for anybody. The account is `await core.account_of(user)`."""

    user: str  # the external user id, `sub` of a token
    roles: frozenset = frozenset()
    second_factor: bool = False  # whether this login proved one
