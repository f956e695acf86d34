"""Whether a gateway lives and is ready."""

from tests.gateway.live import exchange_of, until_ready


async def test_alive_and_ready(exchange):
    for path, status in (("/healthz", "ok"), ("/readyz", "ready")):
        answer = await exchange.nobody().request("GET", path, prefix="")
        assert (answer.status, answer.data) == (200, {"status": status})


async def test_not_ready_while_the_core_is_gone(own_venue):
    own_venue.start_core()
    own_venue.start_gateway()
    async with exchange_of(own_venue) as exchange:
        own_venue.core.kill()
        await until_ready(exchange.nobody(), 503)
        answer = await exchange.nobody().request("GET", "/readyz", prefix="")
        assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "core_unavailable", "1")
        assert (await exchange.nobody().request("GET", "/healthz", prefix="")).status == 200
        own_venue.start_core()
        await until_ready(exchange.nobody())
