"""What operators look at: counts, latencies, order books, the queue of settlement, connections."""

import asyncio
import resource
import time
from datetime import datetime, timedelta, timezone
from typing import Annotated

import msgspec
from prometheus_client import REGISTRY

from gateway.admin.drainer import DRAINER, breaker_of
from gateway.core import CORE
from gateway.cursors import PATTERN as CURSOR_PATTERN
from gateway.cursors import cursor_of, keys_of
from gateway.errors import ApiError
from gateway.history import ADMIN_HISTORY
from gateway.markets import StateName
from gateway.order_schema import DecimalText, Id, Symbol, Time
from gateway.routes import ADMIN, Example, RouteTable, Strict
from gateway.streams.hub import CLIENTS_MAX, STREAMS
from gateway.times import text_of_datetime
from protocol.messages import INSTRUMENT_STATES

routes = RouteTable("admin")

BOOKS_MAX = 50  # in an answer: each is asked of the core
ROWS_MAX = 500
_started = time.monotonic()

Limit = Annotated[int, msgspec.Meta(ge=1, le=ROWS_MAX)]
Cursor = Annotated[str, msgspec.Meta(pattern=CURSOR_PATTERN)]


# --- metrics, performance, stats -----------------------------------------------------------------------------------


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


# --- order books ---------------------------------------------------------------------------------------------------


class BookSide(msgspec.Struct):
    best: str | None
    levels: int  # at most 500 are counted, here and in the sums
    orders: int
    quantity: DecimalText


class BookStats(msgspec.Struct):
    symbol: str
    state: StateName
    sequence: int  # event_seq
    spread: str | None
    bids: BookSide
    asks: BookSide


class BooksStats(msgspec.Struct):
    books: list[BookStats]
    next_cursor: str | None


class BooksQuery(Strict):
    symbol: Symbol | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=BOOKS_MAX)] = BOOKS_MAX
    cursor: Cursor | None = None


@routes.add(
    "GET",
    "/api/v1/admin/orderbook/stats",
    summary="How full the order books are",
    query=BooksQuery,
    response=BooksStats,
    role=ADMIN,
    errors=(404, 503),
    cost=10,
    examples=(Example("/api/v1/admin/orderbook/stats?symbol=BTC-USDT"), Example("/api/v1/admin/orderbook/stats")),
)
async def get_books(call):
    """In the order of the markets' numbers. Orders that wait for their stop price are in no book."""
    core, query = call[CORE], call.query
    after = keys_of(query.cursor, "books", 1)[0] if query.cursor is not None else 0
    if query.symbol is not None:
        markets, more = [core.catalogue.market(query.symbol)], False
    else:
        markets = [market for number, market in sorted(core.catalogue.markets.items()) if number > after]
        markets, more = markets[: query.limit], len(markets) > query.limit
    books = []
    for market in markets:
        book = await core.ask(lambda client, number=market.instrument: client.depth(number))
        books.append(_book_stats(market, book))
    return BooksStats(books, cursor_of("books", markets[-1].instrument) if more else None)


def _book_stats(market, book):
    both = book.bids and book.asks
    return BookStats(
        symbol=market.symbol,
        state=INSTRUMENT_STATES[market.state],
        sequence=book.event_seq,
        spread=market.price(book.asks[0].price - book.bids[0].price) if both else None,
        bids=_side(market, book.bids),
        asks=_side(market, book.asks),
    )


def _side(market, levels):
    return BookSide(
        best=market.price(levels[0].price) if levels else None,
        levels=len(levels),
        orders=sum(level.orders for level in levels),
        quantity=market.quantity(sum(level.quantity for level in levels)),
    )


# --- settlement ----------------------------------------------------------------------------------------------------


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
    limit: Limit = 100
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


# --- connections ---------------------------------------------------------------------------------------------------


class Connection(msgspec.Struct):
    user: str | None  # null: has not shown a token
    topics: list[str]
    waiting: int  # messages that it has not read


class Connections(msgspec.Struct):
    """Of the gateway that was asked."""

    connections: int
    connections_max: int
    slow_consumers: int  # closed for it, since the start
    by_channel: dict[str, int]  # subscriptions
    clients: list[Connection]  # those with most waiting first


class ConnectionsQuery(Strict):
    limit: Limit = 100


@routes.add(
    "GET",
    "/api/v1/admin/websocket/connections",
    summary="WebSocket clients of this gateway",
    query=ConnectionsQuery,
    response=Connections,
    role=ADMIN,
    examples=(Example("/api/v1/admin/websocket/connections"),),
)
async def get_connections(call):
    streams, markets = call[STREAMS], call[CORE].catalogue.markets
    by_channel: dict[str, int] = {}
    for client in streams.clients:
        for topic in client.topics:
            by_channel[topic.channel] = by_channel.get(topic.channel, 0) + 1
    clients = sorted(streams.clients, key=lambda client: -client.waiting)[: call.query.limit]
    return Connections(
        connections=len(streams.clients),
        connections_max=CLIENTS_MAX,
        slow_consumers=streams.slow_consumers,
        by_channel=by_channel,
        clients=[
            Connection(
                user=client.identity.user if client.identity is not None else None,
                topics=[_topic_text(topic, markets) for topic in client.topics],
                waiting=client.waiting,
            )
            for client in clients
        ],
    )


def _topic_text(topic, markets):
    market = markets.get(topic.instrument)
    return "%s:%s" % (topic.channel, market.symbol) if market is not None else topic.channel
