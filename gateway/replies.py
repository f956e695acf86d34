"""What is sent back: every answer in the one envelope, errors too."""

import time
from typing import Any

import attrs
import msgspec
from aiohttp import web
from multidict import CIMultiDict

from gateway.times import text_of_ns

_encoder = msgspec.json.Encoder()

#: Of every answer that does not set its own.
SAFE_HEADERS = {
    "Server": "trade-engine",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
_HEADERS = CIMultiDict({**SAFE_HEADERS, "Content-Type": "application/json"})


@attrs.frozen
class Reply:
    """What a handler returns where it wants another status than its route's, or headers."""

    data: Any  # a struct, or msgspec.Raw: JSON already
    status: int = 200
    headers: dict = attrs.field(factory=dict)


class Meta(msgspec.Struct):
    request_id: str
    timestamp: str


class Problem(msgspec.Struct):
    code: str  # stable, for programs
    message: str  # for people
    details: dict[str, Any]  # `field`: what of the request is to blame


class Success(msgspec.Struct):
    success: bool
    data: Any
    meta: Meta


class Failure(msgspec.Struct):
    success: bool
    error: Problem
    meta: Meta


def _meta(request):
    return Meta(request.get("request_id", ""), text_of_ns(time.time_ns()))


def envelope(request, reply):
    """-> the response."""
    if reply.status == 304:
        return _response(None, 304, reply.headers)
    body = _encoder.encode(Success(True, reply.data, _meta(request)))
    return _response(body, reply.status, reply.headers)


def error_envelope(request, error):
    """ApiError -> the response."""
    body = _encoder.encode(Failure(False, Problem(error.code, error.message, error.details), _meta(request)))
    return _response(body, error.status, error.headers)


def _response(body, status, headers):
    all_headers = _HEADERS.copy()
    if headers:
        all_headers.update(headers)
    return web.Response(body=body, status=status, headers=all_headers)
