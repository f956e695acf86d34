"""`/admin/websocket/connections`: who is connected to this gateway's streams, and who does not read."""

from typing import Annotated

import msgspec

from gateway.core import CORE
from gateway.routes import ADMIN, Example, RouteTable, Strict
from gateway.streams.hub import CLIENTS_MAX, STREAMS

routes = RouteTable("admin")

ROWS_MAX = 500


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
    limit: Annotated[int, msgspec.Meta(ge=1, le=ROWS_MAX)] = 100


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
