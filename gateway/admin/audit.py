"""`/admin/audit`: who did what, and why, from the audit log."""

import time
from typing import Annotated

import msgspec

from gateway.admin.acts import User, account_of_user
from gateway.core import CORE
from gateway.cursors import Cursor, cursor_of, keys_of
from gateway.history import ADMIN_HISTORY
from gateway.market_data import range_of
from gateway.order_schema import Symbol, Time
from gateway.routes import ADMIN, Example, RouteTable, Strict
from gateway.times import datetime_of_ns, text_of_datetime

routes = RouteTable("admin")

RECORDS_MAX = 500


class AuditRecord(msgspec.Struct):
    sequence: int  # event_seq of what was done
    timestamp: Time
    admin: str | None  # user who acted; null: a program, with a trusted key of its own
    action: str  # such as deposit, block_account, set_instrument_state
    user: str | None  # whom it was about
    symbol: str | None
    asset: str | None
    reason: str | None
    details: dict[str, str | int | bool | None]


class AuditRecords(msgspec.Struct):
    records: list[AuditRecord]  # newest first
    next_cursor: str | None  # for the page after this one; null: there is none


class AuditQuery(Strict):
    admin: User | None = None
    user: User | None = None
    symbol: Symbol | None = None
    action: Annotated[str, msgspec.Meta(pattern="^[a-z_]{1,40}$")] | None = None
    start: Time | None = None
    end: Time | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=RECORDS_MAX)] = 100
    cursor: Cursor | None = None


@routes.add(
    "GET",
    "/api/v1/admin/audit",
    summary="What administrators did",
    query=AuditQuery,
    response=AuditRecords,
    role=ADMIN,
    errors=(404, 503),
    examples=(Example("/api/v1/admin/audit?limit=20"), Example("/api/v1/admin/audit?action=deposit")),
)
async def get_audit(call):
    """Of one administrator, about one user or market, of one action or time, as given. A moment behind the core."""
    query = call.query
    start, end = range_of(query, time.time_ns())
    rows = await call[ADMIN_HISTORY].audit(
        admin=(await account_of_user(call, query.admin, "admin")).account if query.admin is not None else None,
        account=(await account_of_user(call, query.user)).account if query.user is not None else None,
        instrument=call[CORE].catalogue.market(query.symbol).instrument if query.symbol is not None else None,
        action=query.action,
        start=datetime_of_ns(start) if start is not None else None,
        end=datetime_of_ns(end) if end is not None else None,
        before=keys_of(query.cursor, "audit", 1)[0] if query.cursor is not None else None,
        limit=query.limit + 1,
    )
    page = rows[: query.limit]
    next_cursor = cursor_of("audit", page[-1].event_seq) if len(rows) > query.limit else None
    return AuditRecords([_record(row) for row in page], next_cursor)


def _record(row):
    return AuditRecord(
        sequence=row.event_seq,
        timestamp=text_of_datetime(row.time),
        admin=row.admin,
        action=row.action,
        user=row.user,
        symbol=row.symbol,
        asset=row.asset,
        reason=row.reason,
        details=row.details,
    )
