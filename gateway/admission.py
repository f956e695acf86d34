"""Lets a request in, or not: how much an address and a user may ask, who is asking, whether the route is for them."""

import math
import time

from aiohttp import web

from gateway.api_keys import KEY_HEADER, SIGNATURE_HEADER, ApiKeys
from gateway.buckets import Buckets, network_of
from gateway.errors import ApiError
from gateway.identity import ANYBODY, authentication_required, bearer_token
from gateway.routes import route_of
from gateway.tokens import Tokens
from gateway.validation import whole_body

TOKENS = web.AppKey("tokens", Tokens)
API_KEYS = web.AppKey("api_keys", ApiKeys)
PROXIES = web.AppKey("proxies", frozenset)
USER_BUCKETS = web.AppKey("user_buckets", Buckets)
ADDRESS_BUCKETS = web.AppKey("address_buckets", Buckets)


def make_admission(app, config):
    """Raises ConfigError where the keys of tokens cannot be used."""
    app[TOKENS] = Tokens(config.jwt_keys, config.jwt_issuer, config.jwt_audience, config.jwt_leeway_seconds)
    app[API_KEYS] = ApiKeys(config.api_keys)
    app[PROXIES] = frozenset(proxy.strip() for proxy in config.proxies.split(",")) - {""}
    app[USER_BUCKETS] = Buckets(config.user_rate, config.user_burst)
    app[ADDRESS_BUCKETS] = Buckets(config.address_rate, config.address_burst)


@web.middleware
async def admission(request, handler):
    """Sets request["identity"] where the route is not for anybody. Raises ApiError 401, 403 or 429."""
    route = route_of(request)
    cost = 1 if route is None else route.cost
    address = request["address"] = address_of(request)
    _take(request, request.app[ADDRESS_BUCKETS], network_of(address), cost)
    if route is not None and route.role != ANYBODY:
        identity = request["identity"] = await signed(request) if KEY_HEADER in request.headers else identify(request)
        identity.may(route.role)
        _take(request, request.app[USER_BUCKETS], identity.user, cost)
    return await handler(request)


def _take(request, buckets, key, cost):
    """request["rate_limit"] is then (limit, left) of the bucket that has the least left. Raises ApiError 429."""
    if not buckets.rate:
        return
    left, wait_seconds = buckets.take(key, cost, time.monotonic())
    if "rate_limit" not in request or wait_seconds or int(left) < int(request["rate_limit"][1]):
        request["rate_limit"] = str(buckets.burst), str(int(left))
    if wait_seconds:
        headers = {"Retry-After": str(math.ceil(wait_seconds))}
        raise ApiError(429, "rate_limited", "more requests than are allowed", headers=headers)


def address_of(request):
    """-> the address of the client: what a proxy of ours says it is, else the other end of the connection."""
    address = request.remote or ""
    if address in request.app[PROXIES]:
        told = request.headers.getall("X-Forwarded-For", [address])  # the last line is the proxy's, others the client's
        return told[-1].rpartition(",")[2].strip()
    return address


async def signed(request):
    """-> Identity of a request that is signed with an API key. Raises ApiError."""
    body = await whole_body(request)
    identity = request.app[API_KEYS].identity_of(request.headers, request.method, request.raw_path, body)
    request["signature"] = request.headers[SIGNATURE_HEADER]
    return identity


def identify(request):
    """-> Identity of a request's own credentials; also for a route of anybody that asks by itself. Raises ApiError."""
    token = bearer_token(request)
    if token is None:
        raise authentication_required()
    return request.app[TOKENS].identity_of(token)


def identify_token(app, token):
    """-> Identity of a token that came some other way, such as the first message of a WebSocket. Raises ApiError."""
    return app[TOKENS].identity_of(token)
