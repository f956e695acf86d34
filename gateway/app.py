"""Puts the gateway together: routes from the files of handlers, middlewares in their order, what starts and ends."""

import logging
import re
import secrets

from aiohttp import web

from gateway import balances, markets, meta, orders
from gateway.admission import TOKENS, admission
from gateway.books import make_books
from gateway.config import Config
from gateway.core import CORE, Core
from gateway.errors import ApiError
from gateway.replies import error_envelope
from gateway.routes import add_routes
from gateway.tokens import Tokens

CONFIG = web.AppKey("config", Config)
#: Of every file of handlers, in the order in which the API's description tells them: add its RouteTable here.
ROUTES = [route for file in (orders, markets, balances, meta) for route in file.routes.routes]

_is_request_id = re.compile(r"[A-Za-z0-9._-]{1,64}\Z").match
_PROBLEMS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 400: "bad_request"}

log = logging.getLogger("gateway")


def make_app(config):
    """Config -> the application; its secrets are read now. Raises ConfigError."""
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=config.body_bytes_max)
    app[CONFIG] = config
    app[CORE] = Core(config.core_host, config.core_port, config.core_key, config.core_secret())
    app[TOKENS] = Tokens(config.jwt_keys, config.jwt_issuer, config.jwt_audience, config.jwt_leeway_seconds)
    make_books(app)
    app.cleanup_ctx.append(_core)
    add_routes(app, ROUTES)
    return app


async def _core(app):
    app[CORE].start()
    yield
    await app[CORE].close()


@web.middleware
async def request_ids(request, handler):
    """Every request has an id: its own X-Request-Id where that is harmless, else a new one. It is in the answer too."""
    given = request.headers.get("X-Request-Id", "")
    request_id = request["request_id"] = given if _is_request_id(given) else secrets.token_hex(8)
    response = await handler(request)
    if not response.prepared:
        response.headers["X-Request-Id"] = request_id
    return response


@web.middleware
async def errors(request, handler):
    """Whatever goes wrong is told in the envelope, and nothing is told of how we are made."""
    try:
        return await handler(request)
    except ApiError as error:
        return error_envelope(request, error)
    except web.HTTPException as error:
        code = _PROBLEMS.get(error.status, "http_%d" % error.status)
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return error_envelope(request, ApiError(error.status, code, error.reason.lower(), headers=headers))
    except Exception:
        log.exception("request %s: %s %s", request["request_id"], request.method, request.path)
        return error_envelope(request, ApiError(500, "internal_error", "something went wrong here"))


#: Outermost first.
MIDDLEWARES = [request_ids, errors, admission]
