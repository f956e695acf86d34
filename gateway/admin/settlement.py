"""`/admin/settlement/queue`: what waits for the wallet of record, and what was given up."""

from typing import Annotated

import msgspec

from gateway.admin.drainer import DRAINER, breaker_of
from gateway.cursors import Cursor, cursor_of, keys_of
from gateway.history import ADMIN_HISTORY
from gateway.order_schema import Id, Time
from gateway.routes import ADMIN, Example, RouteTable, Strict
from gateway.times import text_of_datetime

routes = RouteTable("admin")

ROWS_MAX = 500


class WaitingTrade(msgspec.Struct):
    trade_id: Id
    traded_at: Time
    attempts: int
    next_attempt_at: Time
    last_error: str | None


class DeadLetter(msgspec.Struct):
    trade_id: Id
    traded_at: Time
    attempts: int
    failed_at: Time
    error: str


class SettlementQueue(msgspec.Struct):
    breaker: str | None  # closed, half_open, open; null: no settlement, or the drainer cannot be asked
    waiting: int
    oldest_at: Time | None
    failed: int
    queue: list[WaitingTrade]  # the oldest
    dead_letters: list[DeadLetter]  # a page of them, the oldest first
    next_cursor: str | None  # of dead letters


class QueueQuery(Strict):
    limit: Annotated[int, msgspec.Meta(ge=1, le=ROWS_MAX)] = 100
    cursor: Cursor | None = None


@routes.add(
    "GET",
    "/api/v1/admin/settlement/queue",
    summary="Trades that wait to be settled with the wallet of record, and those that could not be",
    query=QueueQuery,
    response=SettlementQueue,
    role=ADMIN,
    errors=(503,),
    examples=(Example("/api/v1/admin/settlement/queue"),),
)
async def get_settlement(call):
    query, history = call.query, call[ADMIN_HISTORY]
    after = keys_of(query.cursor, "dead", 1)[0] if query.cursor is not None else 0
    waiting, oldest, failed = await history.settlement_counts()
    queue = await history.settlement_queue(query.limit)
    dead = await history.dead_letters(after, query.limit + 1)
    more, dead = len(dead) > query.limit, dead[: query.limit]
    return SettlementQueue(
        breaker=breaker_of(await call[DRAINER].metrics()),
        waiting=waiting,
        oldest_at=text_of_datetime(oldest) if oldest is not None else None,
        failed=failed,
        queue=[
            WaitingTrade(str(row[0]), text_of_datetime(row[1]), row[2], text_of_datetime(row[3]), row[4])
            for row in queue
        ],
        dead_letters=[
            DeadLetter(str(row[0]), text_of_datetime(row[1]), row[2], text_of_datetime(row[3]), row[4]) for row in dead
        ],
        next_cursor=cursor_of("dead", dead[-1][0]) if more else None,
    )
