"""What the drainer tells of itself: Prometheus metrics and health, on a port of its own."""

import time

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

BATCH_COMMANDS_BUCKETS = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000)
SECONDS_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
CONTENT_TYPE = "text/plain; version=0.0.4"


class Metrics:
    def __init__(self):
        disable_created_metrics()
        self.registry = registry = CollectorRegistry()
        self.commands = Counter("persistence_commands_total", "Commands of the journal committed", registry=registry)
        self.events = Counter("persistence_events_total", "Events of the journal committed", registry=registry)
        self.rows = Counter("persistence_rows_total", "Rows inserted or changed", registry=registry)
        self.batch_commands = Histogram(
            "persistence_batch_commands", "Commands in a transaction", buckets=BATCH_COMMANDS_BUCKETS, registry=registry
        )
        self.batch_seconds = Histogram(
            "persistence_batch_seconds", "Time of a transaction", buckets=SECONDS_BUCKETS, registry=registry
        )
        self.errors = Counter(
            "persistence_errors_total", "Failures after which it tried again", ["kind"], registry=registry
        )
        self.lag_commands = Gauge(
            "persistence_lag_commands", "Durable commands of the journal not committed yet", registry=registry
        )
        self.lag_seconds = Gauge(
            "persistence_lag_seconds", "Venue time from the last command committed to the newest", registry=registry
        )
        self.seq = Gauge("persistence_seq", "Last command committed", registry=registry)
        self.is_draining = Gauge(
            "persistence_is_draining", "1: this one drains; 0: it waits, or has no database", registry=registry
        )

    def committed(self, batch, started_s):
        self.commands.inc(batch.commands)
        self.events.inc(batch.events)
        self.rows.inc(batch.row_count())
        self.batch_commands.observe(batch.commands)
        self.batch_seconds.observe(time.monotonic() - started_s)
        self.seq.set(batch.seq)


async def serve_metrics(drainer, host, port):
    """-> (aiohttp runner to clean up, port) of /metrics and /healthz. Raises OSError."""

    async def metrics(_):
        return web.Response(body=generate_latest(drainer.metrics.registry), headers={"Content-Type": CONTENT_TYPE})

    async def healthz(_):
        health = drainer.health()
        return web.json_response(health, status=200 if health["state"] in ("draining", "standby") else 503)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner, runner.addresses[0][1]
