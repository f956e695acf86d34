"""What core, gateway and persistence count, how fast they are, what the venue holds."""

import asyncio
import resource
import time
from datetime import datetime, timedelta, timezone

import msgspec
from prometheus_client import REGISTRY

from gateway.admin.drainer import DRAINER
from gateway.core import CORE
from gateway.errors import ApiError
from gateway.history import ADMIN_HISTORY
from gateway.markets import StateName
from gateway.routes import ADMIN, Example, RouteTable
from gateway.streams.hub import STREAMS
from protocol.messages import INSTRUMENT_STATES

routes = RouteTable("admin")

_started = time.monotonic()


class Metrics(msgspec.Struct):
    core: dict[str, int | str]
    gateway: dict[str, str]  # of this process, as /metrics has them: name{label="value"} -> value
    persistence: dict[str, str] | None  # null: the drainer cannot be asked


@routes.add(
    "GET",
    "/api/v1/admin/metrics",
    summary="Counters and gauges of core, gateway and persistence",
    response=Metrics,
    role=ADMIN,
    errors=(503,),
    examples=(Example("/api/v1/admin/metrics"),),
)
async def get_metrics(call):
    core = await call[CORE].ask(lambda client: client.statistics())
    drainer = await call[DRAINER].metrics()
    return Metrics(
        core=core,
        gateway={_name(sample): _number(sample.value) for sample in _samples()},
        persistence={name: _number(value) for name, value in drainer.items()} if drainer is not None else None,
    )


def _samples():
    return [sample for family in REGISTRY.collect() for sample in family.samples]


def _name(sample):
    labels = ",".join('%s="%s"' % label for label in sorted(sample.labels.items()))
    return "%s{%s}" % (sample.name, labels) if labels else sample.name


def _number(value):
    return "%d" % value if value == int(value) else "%g" % value


class CorePerformance(msgspec.Struct):
    commands: int
    command_us_p50: int | None  # upper ends of the histogram's buckets; null: nothing yet, or beyond the last
    command_us_p99: int | None
    command_us_max: int
    flush_us_max: int
    flushes: int
    answer_us: int  # of this question, there and back


class GatewayPerformance(msgspec.Struct):
    uptime_seconds: int
    cpu_ms: int  # since the start
    memory_bytes_max: int
    loop_us: int  # until something that is due at once gets its turn
    requests: int
    request_us_mean: int


class Performance(msgspec.Struct):
    core: CorePerformance
    gateway: GatewayPerformance


@routes.add(
    "GET",
    "/api/v1/admin/performance",
    summary="How fast core and gateway are",
    response=Performance,
    role=ADMIN,
    errors=(503,),
    examples=(Example("/api/v1/admin/performance"),),
)
async def get_performance(call):
    """Since each was started."""
    began = time.perf_counter_ns()
    await asyncio.sleep(0)
    loop_us = (time.perf_counter_ns() - began) // 1_000
    began = time.perf_counter_ns()
    found = await call[CORE].ask(lambda client: client.statistics())
    core = CorePerformance(
        commands=found["commands"],
        command_us_p50=percentile_us(found, 50),
        command_us_p99=percentile_us(found, 99),
        command_us_max=found["command_us_max"],
        flush_us_max=found["flush_us_max"],
        flushes=found["flushes"],
        answer_us=(time.perf_counter_ns() - began) // 1_000,
    )
    usage = resource.getrusage(resource.RUSAGE_SELF)
    totals = {"gateway_request_seconds_count": 0.0, "gateway_request_seconds_sum": 0.0}
    for sample in _samples():
        if sample.name in totals:
            totals[sample.name] += sample.value
    requests, seconds = totals.values()
    gateway = GatewayPerformance(
        uptime_seconds=int(time.monotonic() - _started),
        cpu_ms=int((usage.ru_utime + usage.ru_stime) * 1_000),
        memory_bytes_max=usage.ru_maxrss * 1_024,
        loop_us=loop_us,
        requests=int(requests),
        request_us_mean=int(seconds / requests * 1e6) if requests else 0,
    )
    return Performance(core, gateway)


def percentile_us(statistics, percent):
    """-> the bound below which so many of the core's commands were answered; None where there is none."""
    total = statistics.get("commands_answered", 0)
    for name, count in statistics.items():
        if name.startswith("commands_in_") and total and 100 * count >= percent * total:
            return int(name.split("_")[2])
    return None


class MarketStats(msgspec.Struct):
    symbol: str
    state: StateName
    last_price: str | None
    trades_24h: int | None  # null: the history cannot tell
    volume_24h: str | None
    quote_volume_24h: str | None


class Stats(msgspec.Struct):
    accounts: int
    markets: int
    assets: int
    open_orders: int
    waiting_stops: int
    trades: int  # since the beginning of the venue
    commands: int
    events: int
    sessions: int  # of the binary protocol
    websocket_connections: int  # of this gateway
    by_market: list[MarketStats]


@routes.add(
    "GET",
    "/api/v1/admin/stats",
    summary="What the venue holds and does",
    response=Stats,
    role=ADMIN,
    errors=(503,),
    cost=5,
    examples=(Example("/api/v1/admin/stats"),),
)
async def get_stats(call):
    """Without Postgres the figures of 24 hours are null."""
    core = call[CORE]
    found = await core.ask(lambda client: client.statistics())
    try:
        traded = await call[ADMIN_HISTORY].markets_24h(datetime.now(timezone.utc) - timedelta(hours=24))
    except ApiError:
        traded = None
    names = ("accounts", "open_orders", "waiting_stops", "trades", "commands", "events", "sessions")
    return Stats(
        markets=len(core.catalogue.markets),
        assets=len(core.catalogue.assets),
        websocket_connections=len(call[STREAMS].clients),
        by_market=[_market_stats(market, traded) for _, market in sorted(core.catalogue.markets.items())],
        **{name: found[name] for name in names},
    )


def _market_stats(market, traded):
    nothing = (0, market.quantity(0), market.notional(0))
    trades, volume, quote_volume = (None,) * 3 if traded is None else traded.get(market.instrument, nothing)
    return MarketStats(
        symbol=market.symbol,
        state=INSTRUMENT_STATES[market.state],
        last_price=market.price(market.last_price) if market.last_price else None,
        trades_24h=trades,
        volume_24h=volume,
        quote_volume_24h=quote_volume,
    )
