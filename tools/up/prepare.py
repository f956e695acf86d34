"""What `tools up` settles before the first process is started: settings, ports, keys, the core's interpreter."""

import contextlib
import os
import shutil
import socket
import sys
from pathlib import Path

import attrs

from engine.config import Config, read_config
from engine.credentials import save_keys
from tools.console import Failed, note
from tools.keys import open_keys
from tools.up.gateway import prepare_gateway, settle_port, why_no_gateway
from tools.up.venue import demo_keys, make_settings

ROOT = Path(__file__).parents[2]
PYPY = ROOT / ".venv-pypy" / "bin" / "python"
PORTS = ("port", "trusted_port", "metrics_port")


@attrs.define
class Venue:
    """Everything decided before the first process is started."""

    directory: str
    settings_path: str
    config: Config  # ports are real ones, never 0
    python: str
    demo: list  # keys; empty: no demo
    as_json: bool
    has_database: bool = True
    persistence_port: int = None  # None: the settings file's
    gateway_settings: str = ""  # file; empty: no gateway
    gateway_port: int = 0

    def environment(self):
        """-> of its processes: they find our packages wherever they run."""
        paths = [str(ROOT)] + [path for path in (os.environ.get("PYTHONPATH"),) if path]
        return dict(os.environ, PYTHONPATH=os.pathsep.join(paths))


def prepare(arguments):
    """-> Venue, its files made where they are missing. Raises Failed, ConfigError, KeysFileError, OSError."""
    path = arguments.config
    if path is None:
        path, is_new = make_settings(arguments.directory)
        if is_new:
            note("made %s: every setting, explained" % path)
    values = read_config(path)
    given = {field.name: getattr(arguments, field.name) for field in attrs.fields(Config)}
    values.update({name: value for name, value in given.items() if value is not None})
    config = Config(**values)
    config.check()
    _settle_ports(config, path)
    if arguments.no_demo:
        demo = []
        if not os.path.exists(config.keys):
            save_keys(config.keys, open_keys(config.keys))
    else:
        demo = demo_keys(arguments.directory, config.keys)
    venue = Venue(
        arguments.directory, path, config, _core_python(arguments.python), demo, arguments.json,
        not arguments.no_database, arguments.persistence_port,
    )  # fmt: skip
    why_not = "" if arguments.no_gateway else why_no_gateway()
    if why_not:
        note("no gateway, and no web page: %s" % why_not)
    elif not arguments.no_gateway:
        venue.gateway_settings = prepare_gateway(arguments.directory, config.keys)
        venue.gateway_port = settle_port(config.host, arguments.gateway_port)
    return venue


def _core_python(given):
    """-> the interpreter for the core."""
    if given is not None:
        found = shutil.which(given)
        if found is None:
            raise Failed("%s is no program" % given)
        return found
    if sys.implementation.name == "pypy":
        return sys.executable
    if os.access(PYPY, os.X_OK):
        return str(PYPY)
    note("WARNING: no PyPy in .venv-pypy: the core runs on CPython, correct, but several times slower.")
    return sys.executable


def _settle_ports(config, path):
    """Take a free port for each 0, and see that the others are free. Raises Failed."""
    held = []
    with contextlib.ExitStack() as stack:
        for name in PORTS:
            port = getattr(config, name)
            if port < 0:
                continue
            family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
            listener = stack.enter_context(socket.socket(family))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((config.host, port))
                listener.listen()
            except OSError as error:
                flag = "--" + name.replace("_", "-")
                raise Failed(
                    "%s %d on %s: %s. Is a venue running already? Choose another port by %s, or in %s (%s)."
                    % (name, port, config.host, os.strerror(error.errno).lower(), flag, path, name)
                ) from None
            held.append((name, listener.getsockname()[1]))
    for name, port in held:
        setattr(config, name, port)
