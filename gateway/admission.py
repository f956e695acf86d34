"""Lets a request in, or not: who is asking, and whether the route is for them."""

from aiohttp import web

from gateway.identity import ANYBODY, authentication_required, bearer_token
from gateway.routes import route_of
from gateway.tokens import Tokens

TOKENS = web.AppKey("tokens", Tokens)


@web.middleware
async def admission(request, handler):
    """Sets request["identity"] where the route is not for anybody. Raises ApiError 401 or 403."""
    route = route_of(request)
    if route is not None and route.role != ANYBODY:
        identity = request["identity"] = identify(request)
        identity.may(route.role)
    return await handler(request)


def identify(request):
    """-> Identity of a request's own credentials; also for a route of anybody that asks by itself. Raises ApiError."""
    token = bearer_token(request)
    if token is None:
        raise authentication_required()
    return request.app[TOKENS].identity_of(token)


def identify_token(app, token):
    """-> Identity of a token that came some other way, such as the first message of a WebSocket. Raises ApiError."""
    return app[TOKENS].identity_of(token)
