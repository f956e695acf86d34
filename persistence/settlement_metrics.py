"""What settlement shows of itself, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

BREAKER_STATES = {"closed": 0, "half-open": 1, "open": 2}


class SettlementMetrics:
    def __init__(self, registry):
        self.registry = registry

        def made(kind, name, text, *labels, **more):
            return kind("settlement_" + name, text, labels, registry=registry, **more)

        self.settled = made(Counter, "settled", "trades settled")
        self.failed = made(Counter, "failed", "trades given up, by what was last done for them", "stage")
        self.retried = made(Counter, "retries", "attempts that failed and are made again")
        self.running = made(Gauge, "running", "trades under way")
        self.queue = made(Gauge, "queue", "trades in the queue")
        self.queue_seconds = made(Gauge, "queue_seconds", "age of the oldest trade in the queue")
        self.dead_letters = made(Gauge, "dead_letters", "trades given up and not requeued")
        self.breaker = made(Gauge, "breaker_state", "circuit breaker: 0 closed, 1 half-open, 2 open")
        self._requests = made(Histogram, "request_seconds", "requests to the wallet, by outcome", "outcome")

    def requested(self, outcome, seconds):
        self._requests.labels(outcome).observe(seconds)

    def breaker_is(self, state):
        self.breaker.set(BREAKER_STATES[state])

    def counted(self, queue, queue_seconds, dead_letters):
        self.queue.set(queue)
        self.queue_seconds.set(queue_seconds)
        self.dead_letters.set(dead_letters)
