"""`tools up`: the whole venue on this machine, from nothing: directory, settings, demo keys, core, demo instruments."""

import asyncio
import os

import attrs

from engine.config import Config, ConfigError
from engine.credentials import KeysFileError
from tools.console import Failed, note, port_from
from tools.up.prepare import prepare
from tools.up.serve import Running

EXIT_FAILED, EXIT_USAGE = 1, 2


def add_arguments(parser):
    parser.add_argument("--directory", default="run", help="holds everything of the venue (default %(default)s)")
    parser.add_argument("--config", metavar="FILE", help="settings (default: venue.toml in there, made if missing)")
    parser.add_argument("--python", metavar="FILE", help="interpreter of the core (default: .venv-pypy, else this one)")
    parser.add_argument("--no-demo", action="store_true", help="no demo keys, instruments and orders")
    parser.add_argument("--no-database", action="store_true", help="no Postgres, and so no history")
    parser.add_argument(
        "--persistence-port",
        type=port_from(-1),
        metavar="N",
        help="metrics of persistence; 0 takes any free port, -1 none",
    )
    parser.add_argument("--no-gateway", action="store_true", help="no HTTP and WebSocket")
    parser.add_argument(
        "--gateway-port", type=port_from(0), default=7080, help="0 takes any free port (default %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON once it is up, instead of text")
    for field in attrs.fields(Config):
        flag = "--" + field.name.replace("_", "-")
        help_text = "%s (default: the settings file's)" % field.metadata["help"]
        parser.add_argument(flag, dest=field.name, type=type(field.default), help=help_text)


def run(arguments):
    try:
        os.makedirs(arguments.directory, exist_ok=True)
        venue = prepare(arguments)
        return asyncio.run(_serve(venue))
    except ConfigError as error:
        note("tools up: %s" % error)
        return EXIT_USAGE
    except (Failed, KeysFileError, OSError) as error:
        note("tools up: %s" % error)
        return EXIT_FAILED


async def _serve(venue):
    return await Running(venue).serve()
