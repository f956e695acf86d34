"""What every answer has: a request id, headers that keep browsers safe, CORS, a line in the access log. And whatever
goes wrong is told in the envelope, and nothing is told of how we are made."""

import logging
import re
import secrets
import time

import msgspec
from aiohttp import web

from gateway.admission import address_of
from gateway.errors import ApiError
from gateway.replies import error_envelope

ORIGINS = web.AppKey("origins", frozenset)  # of CORS; with "*" any
ACCESS_LOG = web.AppKey("access_log", bool)

METHODS = "GET, POST, PATCH, DELETE"
REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, X-Request-Id"
RESPONSE_HEADERS = "X-Request-Id, Retry-After, RateLimit-Limit, RateLimit-Remaining, Idempotent-Replayed, ETag"
PREFLIGHT_SECONDS = 600

SAFE_HEADERS = {
    "Server": "trade-engine",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}

_is_request_id = re.compile(r"[A-Za-z0-9._-]{1,64}\Z").match
_PROBLEMS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 400: "bad_request"}
_prefix, _numbers = secrets.token_hex(6), iter(range(1, 1 << 62))
_encode = msgspec.json.encode

log = logging.getLogger("gateway")
access = logging.getLogger("gateway.access")


def make_answers(app, config):
    app[ORIGINS] = frozenset(origin.strip() for origin in config.cors_origins.split(",")) - {""}
    app[ACCESS_LOG] = config.access_log != "off"


@web.middleware
async def answers(request, handler):
    """A request's own X-Request-Id is kept where it is harmless."""
    began = time.perf_counter()
    given = request.headers.get("X-Request-Id", "")
    request_id = request["request_id"] = given if _is_request_id(given) else "%s-%x" % (_prefix, next(_numbers))
    origin = request.headers.get("Origin")
    is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    status = 500
    try:
        response = web.Response(status=204) if origin and is_preflight else await handler(request)
        status = response.status
    finally:
        if request.app[ACCESS_LOG]:
            _log(request, status, time.perf_counter() - began)
    if not response.prepared:
        headers = response.headers
        headers["X-Request-Id"] = request_id
        for name, value in SAFE_HEADERS.items():
            headers.setdefault(name, value)
        if origin:
            _cross_origin(headers, origin, request.app[ORIGINS], is_preflight)
    return response


def _cross_origin(headers, origin, origins, is_preflight):
    headers["Vary"] = "Origin"
    if origin not in origins and "*" not in origins:
        return
    headers["Access-Control-Allow-Origin"] = origin
    headers["Access-Control-Expose-Headers"] = RESPONSE_HEADERS
    if is_preflight:
        headers["Access-Control-Allow-Methods"] = METHODS
        headers["Access-Control-Allow-Headers"] = REQUEST_HEADERS
        headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)


def _log(request, status, seconds):
    """The path without its query; no header but the request id: there are secrets in others."""
    identity = request.get("identity")
    line = {
        "request_id": request["request_id"],
        "method": request.method,
        "path": request.rel_url.raw_path,
        "status": status,
        "milliseconds": round(1_000 * seconds, 3),
        "address": address_of(request),
        "user": identity.user if identity is not None else None,
    }
    access.info("%s", _encode(line).decode())


@web.middleware
async def errors(request, handler):
    try:
        return await handler(request)
    except ApiError as error:
        return error_envelope(request, error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code = _PROBLEMS.get(error.status, "http_%d" % error.status)
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return error_envelope(request, ApiError(error.status, code, error.reason.lower(), headers=headers))
    except Exception:
        log.exception("request %s: %s %s", request["request_id"], request.method, request.rel_url.raw_path)
        return error_envelope(request, ApiError(500, "internal_error", "something went wrong here"))
