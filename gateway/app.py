"""Puts the gateway together: routes from the files of handlers, middlewares in their order, what starts and ends."""

from aiohttp import web

from gateway import admin, balances, candles, market_data, markets, meta, order_lists, orders, ticker, trades
from gateway.admin.drainer import make_drainer
from gateway.admission import admission, make_admission
from gateway.answers import answers, make_answers
from gateway.books import make_books
from gateway.cache import make_cache
from gateway.config import Config
from gateway.core import CORE, Core
from gateway.docs import add_docs
from gateway.history import make_history
from gateway.metrics import add_metrics
from gateway.routes import add_routes
from gateway.static_files import add_folder
from gateway.streams.hub import make_streams
from gateway.streams.sockets import add_sockets
from gateway.validation import BODIES, BODY_SECONDS

CONFIG = web.AppKey("config", Config)
#: Of every file of handlers, in the order in which the API's description tells them: add its RouteTable here.
FILES = (orders, order_lists, trades, balances, markets, ticker, candles, market_data, meta, *admin.FILES)
ROUTES = [route for file in FILES for route in file.routes.routes]
#: Outermost first.
MIDDLEWARES = [answers, admission]


def make_app(config):
    """Config -> the application; its secrets are read now. Raises ConfigError."""
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=config.body_bytes_max)
    app[CONFIG] = config
    app[CORE] = Core(config.core_host, config.core_port, config.core_key, config.core_secret(), config.history_events)
    app[BODY_SECONDS] = config.body_seconds
    app[BODIES] = set()
    make_answers(app, config)
    make_admission(app, config)
    make_books(app)
    make_cache(app)
    make_history(app, config.database_url)
    make_drainer(app, config.persistence_url)
    app.cleanup_ctx.append(_core)
    make_streams(app)
    add_routes(app, ROUTES)
    add_docs(app, ROUTES)
    add_metrics(app)
    add_sockets(app, config)
    add_folder(app, "page", "")
    return app


async def _core(app):
    app[CORE].start()
    yield
    await app[CORE].close()
