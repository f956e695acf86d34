"""`/admin/health/detailed`: every part of the venue, whether it is well, and how long it took to say so."""

import asyncio
import time
from typing import Literal

import msgspec

from gateway.admin.drainer import DRAINER, breaker_of
from gateway.amounts import text_of
from gateway.core import CORE
from gateway.database import DATABASE
from gateway.errors import ApiError
from gateway.history import ADMIN_HISTORY, HISTORY
from gateway.order_schema import Time
from gateway.routes import ADMIN, Example, RouteTable
from gateway.streams.hub import CLIENTS_MAX, STREAMS
from gateway.times import ns_of_datetime, text_of_datetime, text_of_ns

routes = RouteTable("admin")

StatusName = Literal["healthy", "degraded", "unhealthy"]
HEALTHY: StatusName = "healthy"
DEGRADED: StatusName = "degraded"
UNHEALTHY: StatusName = "unhealthy"
LAG_MS_MAX = 10_000  # of persistence, before it is called degraded
CLIENTS_MANY = CLIENTS_MAX * 9 // 10
OLDEST_MS_MAX = 60_000  # of a trade that waits for settlement


class Component(msgspec.Struct):
    name: str
    status: StatusName
    message: str
    latency_ms: str | None = None  # of the answer; null: nothing was asked
    details: dict[str, str | int | None] = {}


class DetailedHealth(msgspec.Struct):
    status: StatusName  # unhealthy where core or journal are; else the worst of the others, at most degraded
    timestamp: Time
    components: list[Component]


@routes.add(
    "GET",
    "/api/v1/admin/health/detailed",
    summary="How every part of the venue is",
    response=DetailedHealth,
    role=ADMIN,
    examples=(Example("/api/v1/admin/health/detailed"),),
)
async def get_health(call):
    """Always 200: what is wrong is in it. For machines there is /readyz."""
    parts = await asyncio.gather(_core_and_journal(call), _postgres(call), _persistence(call), _wallet(call))
    components = [*parts[0], *parts[1:], _websocket(call)]
    status = HEALTHY
    if any(component.status != HEALTHY for component in components):
        status = DEGRADED
    if any(component.status == UNHEALTHY for component in components[:2]):
        status = UNHEALTHY
    return DetailedHealth(status, text_of_ns(time.time_ns()), components)


async def _timed(awaitable):
    """-> (its result, or the ApiError that it raised; milliseconds as text)."""
    began = time.perf_counter_ns()
    try:
        result = await awaitable
    except ApiError as error:
        result = error
    return result, text_of((time.perf_counter_ns() - began) // 1_000, 3)


async def _core_and_journal(call):
    found, latency_ms = (
        await _timed(call[CORE].ask(lambda client: client.statistics())) if call[CORE].is_live else (None, None)
    )
    if type(found) is not dict:
        gone = Component("core", UNHEALTHY, "cannot be reached", latency_ms)
        return gone, Component("journal", UNHEALTHY, "not known: the core cannot be reached")
    core = Component(
        "core", HEALTHY, "answers", latency_ms, {"event_seq": call[CORE].last_event_seq, "commands": found["commands"]}
    )
    details = {name: found[name] for name in ("journal_segment", "journal_offset", "journal_lag", "flush_us_max")}
    if not found["takes_commands"]:
        return core, Component("journal", UNHEALTHY, "its disk is full: commands are refused", latency_ms, details)
    return core, Component("journal", HEALTHY, "is written", latency_ms, details)


async def _postgres(call):
    found, latency_ms = await _timed(call[DATABASE].row("SELECT 1"))
    if isinstance(found, ApiError):
        return Component("postgres", UNHEALTHY, found.message, latency_ms)
    return Component("postgres", HEALTHY, "answers", latency_ms)


async def _persistence(call):
    """How far the tables are behind the events that this gateway has seen."""
    core_seq, now_ns = call[CORE].last_event_seq, time.time_ns()
    position, latency_ms = await _timed(call[HISTORY].position())
    if isinstance(position, ApiError):
        return Component("persistence", UNHEALTHY, "not known: " + position.message, latency_ms)
    if position is None:
        return Component("persistence", UNHEALTHY, "nothing was drained yet", latency_ms)
    lag_events = max(0, core_seq - position.event_seq)
    lag_ms = max(0, now_ns - ns_of_datetime(position.time)) // 1_000_000 if lag_events else 0
    details = {"event_seq": position.event_seq, "lag_events": lag_events, "lag_ms": lag_ms}
    details["time"] = text_of_datetime(position.time)
    if lag_ms > LAG_MS_MAX:
        return Component("persistence", DEGRADED, "is behind", latency_ms, details)
    return Component("persistence", HEALTHY, "keeps up", latency_ms, details)


async def _wallet(call):
    """The wallet of record: the drainer's circuit breaker before it, and the trades that wait."""
    metrics, latency_ms = await _timed(call[DRAINER].metrics())
    breaker = breaker_of(metrics)
    counts, _ = await _timed(call[ADMIN_HISTORY].settlement_counts())
    details = {"breaker": breaker}
    if isinstance(counts, tuple):
        waiting, since, dead = counts
        details |= {"waiting": waiting, "dead_letters": dead}
        if dead:
            return Component("wallet", DEGRADED, "trades could not be settled", latency_ms, details)
        if since is not None and time.time_ns() - ns_of_datetime(since) > OLDEST_MS_MAX * 1_000_000:
            return Component("wallet", DEGRADED, "trades have waited long for settlement", latency_ms, details)
    if breaker in ("open", "half_open"):
        return Component("wallet", DEGRADED, "does not answer: the circuit breaker is open", latency_ms, details)
    if breaker is None:
        text = "the drainer cannot be asked" if metrics is None else "there is no wallet of record"
        return Component("wallet", HEALTHY, text, latency_ms, details)
    return Component("wallet", HEALTHY, "answers", latency_ms, details)


def _websocket(call):
    streams = call[STREAMS]
    details = {
        "connections": len(streams.clients),
        "connections_max": CLIENTS_MAX,
        "slow_consumers": streams.slow_consumers,
    }
    if len(streams.clients) > CLIENTS_MANY:
        return Component("websocket", DEGRADED, "hardly any room for more connections", None, details)
    return Component("websocket", HEALTHY, "takes connections", None, details)
