"""What all acts of administrators have in common: who acts, why, and on whom."""

from typing import Annotated

import msgspec

from gateway.core import CORE
from gateway.errors import ApiError
from gateway.identity import is_user
from protocol.messages import TEXT_BYTES_MAX

REASON_PATTERN = "^[ -~\u00a1-\ud7ff]+$"  # no control characters: it is shown to people
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=REASON_PATTERN, examples=["ticket 4711"])]
User = Annotated[str, msgspec.Meta(pattern="^[!-~]{1,64}$", examples=["alice"])]
USER = {"user": ("[!-~]{1,64}", "alice")}


async def admin_of(call):
    """-> account number of who acts."""
    return await call[CORE].account_of(call.identity.user)


def reason_of(call):
    """Raises ApiError 422 where the journal has no room for it."""
    reason = call.body.reason
    if len(reason.encode()) > TEXT_BYTES_MAX:
        raise ApiError(422, "invalid_field", "longer than %d bytes" % TEXT_BYTES_MAX, "reason")
    return reason


async def account_of_user(call, user, field="user"):
    """-> protocol.calls.Account. Raises ApiError 404: an administrator's mistake opens no account."""
    found = None
    if is_user(user):
        found = await call[CORE].ask(lambda client: client.find_account(user=user))
    if found is None:
        raise ApiError(404, "unknown_account", "this user has no account", field)
    return found
