"""The one way to declare a route. What validates a request, what its answer looks like and what the API's description
says of it are the same classes: msgspec structs."""

from collections.abc import Callable
from typing import Any

import attrs
import msgspec
from aiohttp import HttpVersion11

from gateway.amounts import PATTERN as DECIMAL_PATTERN
from gateway.identity import ADMIN, ANYBODY, USER, Identity
from gateway.replies import Reply, envelope
from gateway.validation import read_body, read_query

#: Field types of requests and responses. The pattern of a decimal is described here, and held by amounts.units_of(),
#: which says better than a pattern what is wrong.
Decimal = msgspec.Meta(extra_json_schema={"pattern": DECIMAL_PATTERN}, examples=["12.50"])


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
    others: tuple = ()  # further statuses of success
    has_etag: bool = False  # its handler answers by cache.cached()
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
        app.router.add_route(route.method, route.path, route.handle, expect_handler=_expected)


async def _expected(request):
    """Other expectations than 100-continue are left alone (RFC 9110 section 10.1.1): aiohttp would answer by itself."""
    if request.version == HttpVersion11 and request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer has not begun


def route_of(request):
    """-> the Route that will handle a request; None for no route of ours: not found, or the wrong method."""
    owner = getattr(request.match_info.handler, "__self__", None)
    return owner if type(owner) is Route else None


__all__ = ["ADMIN", "ANYBODY", "USER", "Call", "Decimal", "Example", "Nothing", "Route", "RouteTable", "Strict"]
