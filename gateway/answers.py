"""What every answer has: a request id, headers that keep browsers safe, CORS, a line in the access log. And whatever
goes wrong is told in the envelope, and nothing is told of how we are made."""

import logging
import re
import secrets
import sys
import time

from aiohttp import web

from gateway.access_log import AccessLog
from gateway.errors import ApiError
from gateway.metrics import count
from gateway.replies import SAFE_HEADERS, error_envelope

ORIGINS = web.AppKey("origins", frozenset)  # of CORS; with "*" any
ACCESS_LOG = web.AppKey("access_log", AccessLog)

METHODS = "GET, POST, PATCH, DELETE"
REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, X-Request-Id, X-API-Key, X-API-Timestamp, "
REQUEST_HEADERS += "X-API-Signature"
RESPONSE_HEADERS = "X-Request-Id, Retry-After, RateLimit-Limit, RateLimit-Remaining, Idempotent-Replayed, ETag"
PREFLIGHT_SECONDS = 600

_is_request_id = re.compile(r"[A-Za-z0-9._-]{1,64}\Z").match
_PROBLEMS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 400: "bad_request"}
_prefix, _numbers = secrets.token_hex(6), iter(range(1, 1 << 62))

log = logging.getLogger("gateway")


def make_answers(app, config):
    web.RequestHandler.handle_error = refuse_bytes
    app[ORIGINS] = frozenset(origin.strip() for origin in config.cors_origins.split(",")) - {""}
    app[ACCESS_LOG] = AccessLog(sys.stderr if config.access_log == "on" else None)

    async def until_written(app):
        app[ACCESS_LOG].flush()

    app.on_response_prepare.append(_keep_safe)
    app.on_cleanup.append(until_written)


@web.middleware
async def answers(request, handler):
    """A request's own X-Request-Id is kept where it is harmless."""
    began = time.perf_counter()
    given = request.headers.get("X-Request-Id")
    request_id = _new_request_id() if given is None or not _is_request_id(given) else given
    request["request_id"] = request_id
    origin = request.headers.get("Origin")
    is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    if origin is not None and is_preflight:
        response = web.Response(status=204)
    else:
        response = await _answer(request, handler)
    if not response.prepared:
        headers = response.headers
        headers["X-Request-Id"] = request_id
        if "rate_limit" in request:
            headers["RateLimit-Limit"], headers["RateLimit-Remaining"] = request["rate_limit"]
        if origin is not None:
            _cross_origin(headers, origin, request.app[ORIGINS], is_preflight)
        elif request.app[ORIGINS]:
            headers["Vary"] = "Origin"  # with one it is another answer
    seconds = time.perf_counter() - began
    request.app[ACCESS_LOG].write(request, response.status, seconds)
    count(request, response.status, seconds)
    return response


async def _answer(request, handler):
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


async def _keep_safe(request, response):
    """Also what aiohttp answers by itself, before any handler: it would tell of its version."""
    headers = response.headers
    if headers.get("Server") != SAFE_HEADERS["Server"]:
        headers["Server"] = SAFE_HEADERS["Server"]
        for name, value in SAFE_HEADERS.items():
            headers.setdefault(name, value)


def refuse_bytes(connection, request, status=500, exc=None, message=None):
    """In place of aiohttp's RequestHandler.handle_error: what is no HTTP is told so in the envelope, and closed."""
    if request.writer.output_size > 0:
        raise ConnectionError("an answer was begun already")
    request["request_id"] = _new_request_id()
    if status >= 500:
        log.error("request %s", request["request_id"], exc_info=exc)
    code = _PROBLEMS.get(status, "http_%d" % status)
    text = "something went wrong here" if status >= 500 else "not a request of HTTP/1.1"
    response = error_envelope(request, ApiError(status, code, text))
    response.headers["X-Request-Id"] = request["request_id"]
    response.force_close()
    return response


def _new_request_id():
    return "%s-%x" % (_prefix, next(_numbers))


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
