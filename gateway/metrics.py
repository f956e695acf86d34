"""Prometheus metrics of this process: base units, and no label that grows with users. Other files count in the same
registry."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, generate_latest

from gateway.core import CORE

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

_seconds = Histogram("gateway_request_seconds", "From its head to the answer", ["method", "route"], buckets=BUCKETS)
_requests = Counter("gateway_requests", "Answered", ["method", "route", "status"])
_core_live = Gauge("gateway_core_live", "1 while the core answers")
_core_event_seq = Gauge("gateway_core_event_seq", "Newest event that came from the core")
websocket_connections = Gauge("gateway_websocket_connections", "Clients that are connected")
websocket_slow_consumers = Counter("gateway_websocket_slow_consumers", "Clients closed because they did not keep up")
_children: dict = {}  # (method, route, status) -> (histogram, counter): looking labels up takes longer than counting

METHODS = frozenset(("GET", "POST", "PATCH", "DELETE", "OPTIONS", "HEAD", "PUT"))


def count(request, status, seconds):
    resource = request.match_info.route.resource
    method = request.method if request.method in METHODS else "other"
    key = (method, resource.canonical if resource is not None else "none", status)
    found = _children.get(key)
    if found is None:
        found = _children[key] = (_seconds.labels(*key[:2]), _requests.labels(*key))
    found[0].observe(seconds)
    found[1].inc()


async def serve(request):
    core = request.app[CORE]
    _core_live.set(core.is_live)
    _core_event_seq.set(max(core.last_event_seq, 0))
    return web.Response(body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})


def add_metrics(app):
    app.router.add_get("/metrics", serve)
