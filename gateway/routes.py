"""The one way to declare a route. What validates a request, what its answer looks like and what the API's description
says of it are the same classes: msgspec structs."""

import json
import re
from collections.abc import Callable
from typing import Any

import attrs
import msgspec

from gateway.amounts import PATTERN as DECIMAL_PATTERN
from gateway.errors import ApiError
from gateway.identity import ADMIN, ANYBODY, USER, Identity
from gateway.replies import Reply, envelope

MEDIA_TYPE = "application/json"

#: Field types of requests and responses.
Decimal = msgspec.Meta(pattern=DECIMAL_PATTERN, examples=["12.50"])


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """Base of everything that comes in: a body, or a query string."""


class Nothing(Strict):
    """No query parameters are taken."""


@attrs.frozen
class Example:
    """Of a request: documented, and executed by a test. In `path`, {name} is filled in from what examples before it
    answered, or from `parameters`."""

    path: str
    body: Any = None
    status: int = 200


@attrs.frozen
class Route:
    method: str
    path: str  # with {name} for each path parameter
    handler: Callable  # async (Call) -> a struct, or a Reply
    summary: str
    tag: str
    response: Any  # type of `data`
    body: Any = None  # a Strict, or None: a body is not looked at
    query: Any = Nothing
    role: str = USER  # ANYBODY, USER or ADMIN
    status: int = 200
    errors: tuple = ()  # statuses beside those that any route has
    parameters: dict = attrs.field(factory=dict)  # path parameter -> (pattern, example)
    examples: tuple = ()
    cost: int = 1  # of the rate limit

    async def handle(self, request):
        """Validate, call the handler, wrap. Raises ApiError."""
        body = await read_body(request, self.body) if self.body is not None else None
        result = await self.handler(Call(request, body, read_query(request, self.query)))
        if type(result) is not Reply:
            result = Reply(result, self.status)
        return envelope(request, result)


class RouteTable:
    """The routes of one file, in their order: `routes = RouteTable("orders")`, then `@routes.add("GET", ...)`."""

    def __init__(self, tag):
        self.tag = tag
        self.routes = []

    def add(self, method, path, **declared):
        def register(handler):
            self.routes.append(Route(method, path, handler, tag=self.tag, **declared))
            return handler

        return register


class Call:
    """A validated request, as handlers get it."""

    __slots__ = ("body", "query", "request")

    def __init__(self, request, body, query):
        self.request = request
        self.body = body
        self.query = query

    def __getitem__(self, key):
        """What the application has under a web.AppKey."""
        return self.request.app[key]

    @property
    def identity(self) -> Identity:
        return self.request["identity"]

    def path(self, name):
        return self.request.match_info[name]

    def path_number(self, name, missing):
        """A path parameter that is an id -> int. Raises `missing()` where nothing can have that id."""
        text = self.path(name)
        if len(text) > 18 or not (text.isascii() and text.isdigit()):
            raise missing()
        return int(text)


def add_routes(app, routes):
    for route in routes:
        app.router.add_route(route.method, route.path, route.handle)


def route_of(request):
    """-> the Route that will handle a request; None for no route of ours: not found, or the wrong method."""
    owner = getattr(request.match_info.handler, "__self__", None)
    return owner if type(owner) is Route else None


# --- validation ----------------------------------------------------------------------------------------------------

_at = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_field_in_text = re.compile(r"field `([^`]*)`")


async def read_body(request, cls):
    """-> an instance of cls. Raises ApiError 400, 413, 415 or 422."""
    if request.content_type != MEDIA_TYPE:
        raise ApiError(415, "unsupported_media_type", "the body must be %s" % MEDIA_TYPE)
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise ApiError(415, "unsupported_media_type", "the body must not be compressed")
    data = await request.read()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise ApiError(400, "invalid_json", "the body is not UTF-8") from None
    try:
        body = _decoder(cls).decode(data)
    except msgspec.ValidationError as error:
        raise _invalid(error, 422) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ApiError(400, "invalid_json", str(error)) from None
    json.loads(data, object_pairs_hook=_no_key_twice, parse_int=str, parse_float=str)
    return body


_decoders: dict = {}


def _decoder(cls):
    decoder = _decoders.get(cls)
    if decoder is None:
        decoder = _decoders[cls] = msgspec.json.Decoder(cls)
    return decoder


def _no_key_twice(pairs):
    if len({key for key, _ in pairs}) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ApiError(400, "duplicate_key", "a key is there twice", twice)


def read_query(request, cls):
    """-> an instance of cls. Raises ApiError 400."""
    query = request.query
    if not query:
        return _without_query(cls)
    values = dict(query)
    if len(values) < len(query):
        twice = next(name for name in values if len(query.getall(name)) > 1)
        raise ApiError(400, "duplicate_parameter", "a parameter is there twice", twice)
    if any("\x00" in value or "\ufffd" in value for value in values.values()):
        raise ApiError(400, "invalid_parameter", "not text")
    try:
        return msgspec.convert(values, cls, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(error, 400, "invalid_parameter") from None


_empty: dict = {}


def _without_query(cls):
    found = _empty.get(cls)
    if found is None:
        try:
            found = _empty[cls] = msgspec.convert({}, cls)
        except msgspec.ValidationError as error:
            raise _invalid(error, 400, "invalid_parameter") from None
    return found


def _invalid(error, status, code="invalid_field"):
    """msgspec tells where in its text: Expected `str`, got `int` - at `$.price`."""
    text = str(error)
    match = _at.search(text)
    message = text[: match.start()] if match else text
    missing = _field_in_text.search(message)
    field = missing.group(1) if missing else match.group(1) if match else None
    return ApiError(status, code, message.replace("`", ""), field)


__all__ = ["ADMIN", "ANYBODY", "USER", "Call", "Decimal", "Example", "Nothing", "Route", "RouteTable", "Strict"]
