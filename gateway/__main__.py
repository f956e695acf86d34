"""`python -m gateway`: read the settings, serve until SIGTERM or SIGINT, then let what is under way finish. The one
file that reads arguments and the environment."""

import argparse
import asyncio
import gc
import logging
import os
import resource
import signal
import sys

import attrs
import uvloop
from aiohttp import web

from gateway.app import make_app
from gateway.config import Config, ConfigError, read_config
from gateway.validation import until_bodies_are_in

BACKLOG = 1024  # connections that the kernel keeps until they are accepted
FILES_MAX = 65_536  # asked for: each connection is one
COLLECTOR_THRESHOLDS = (20_000, 20, 50)  # many sockets live long: look at the old seldom
EXIT_FAILED, EXIT_USAGE = 1, 2

log = logging.getLogger("gateway")


def main():
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        config = _config(sys.argv[1:])
        app = make_app(config)
    except ConfigError as error:
        print("gateway: %s" % error, file=sys.stderr)
        return EXIT_USAGE
    _raise_files_limit()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    try:
        uvloop.run(_serve(app, config))
    except OSError as error:
        log.critical("%s", error)
        return EXIT_FAILED
    return 0


def _config(arguments):
    parser = argparse.ArgumentParser(prog="python -m gateway", description="REST and WebSocket of the trade engine.")
    parser.add_argument("--config", metavar="FILE", help="TOML file; its [gateway] table sets what arguments do not")
    for field in attrs.fields(Config):
        help_text = "%s (default %s)" % (field.metadata["help"], field.default)
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, dest=field.name, type=type(field.default), help=help_text)
    given = vars(parser.parse_args(arguments))
    path = given.pop("config")
    values = read_config(path) if path else {}
    if os.environ.get("DATABASE_URL"):
        values["database_url"] = os.environ["DATABASE_URL"]
    values.update({name: value for name, value in given.items() if value is not None})
    config = Config(**values)
    config.check()
    return config


def _raise_files_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _serve(app, config):
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    # the access log is the application's own
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=config.idle_seconds,
        shutdown_timeout=config.drain_seconds,
        auto_decompress=False,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, config.host, config.port, backlog=BACKLOG)
        await site.start()
        host, port = runner.addresses[0][:2]
        log.info("ready: http://%s:%d", "[%s]" % host if ":" in host else host, port)
        await stopping.wait()
        log.info("stopping: requests under way have %d s", config.drain_seconds)
        await site.stop()
        await until_bodies_are_in(app, config.drain_seconds / 2)
    finally:
        await runner.cleanup()
    log.info("stopped")


if __name__ == "__main__":
    sys.exit(main())
