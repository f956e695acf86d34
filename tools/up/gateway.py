"""The gateway beside the core: its settings, its key of the core, its keys of tokens, and the process."""

import asyncio
import json
import os
import socket
import subprocess
import sys

from engine.credentials import create_key, save_keys
from protocol.login import TRUSTED
from tools.console import Failed, note
from tools.keys import open_keys
from tools.up.venue import DEMO_ACCOUNTS

SETTINGS_NAME, SECRET_NAME = "gateway.toml", "gateway.secret"
TOKEN_KEYS_NAME, API_KEYS_NAME = "jwt.json", "api-keys.json"
DEMO_TOKEN_SECONDS = 24 * 3600
STOP_SECONDS = 20  # for it to answer what is under way; then it is killed

_SETTINGS = """\
# The settings of the gateway of this venue; `python -m gateway --help` lists all. Ports come from `tools up`.

[gateway]
core_key = %d
core_secret_file = %s
jwt_keys = %s
api_keys = %s
"""


def why_no_gateway():
    """-> why there can be no gateway, or ""."""
    if sys.implementation.name != "cpython" or sys.version_info < (3, 11):
        return "it needs CPython 3.11 or later"
    try:
        import aiohttp  # noqa: F401
        import jwt  # noqa: F401
        import msgspec  # noqa: F401
    except ImportError as error:
        return "%s is not installed" % error.name
    return ""


def prepare_gateway(directory, keys_path):
    """Make what is missing: settings, a trusted key and its secret, keys of tokens and of programs. -> path of the
    settings."""
    from tools.api_keys import open_api_keys
    from tools.token import open_jwks

    path = os.path.join(directory, SETTINGS_NAME)
    token_keys, api_keys = os.path.join(directory, TOKEN_KEYS_NAME), os.path.join(directory, API_KEYS_NAME)
    open_jwks(token_keys)
    open_api_keys(api_keys)
    if not os.path.exists(path):
        keys = open_keys(keys_path)
        number, secret = create_key(keys, 0, TRUSTED, os.urandom)
        save_keys(keys_path, keys)
        secret_path = os.path.join(directory, SECRET_NAME)
        with os.fdopen(os.open(secret_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secret + "\n")
        with open(path, "w", encoding="utf-8") as file:
            file.write(_SETTINGS % (number, *map(json.dumps, (secret_path, token_keys, api_keys))))
    return path


def settle_port(host, port):
    """-> `port`, or a free one for 0. Raises Failed where it is taken."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            text = "port %d of the gateway on %s: %s. Choose another by --gateway-port, or none by --no-gateway."
            raise Failed(text % (port, host, os.strerror(error.errno).lower())) from None
        return listener.getsockname()[1]


def url_of(host, port):
    return "http://%s:%d" % ("[%s]" % host if ":" in host else host, port)


class Gateway:
    """start(), stop(); nothing where the venue has none."""

    def __init__(self, venue):
        self.venue = venue
        self.process = None

    def start(self, database_url, persistence_url):
        venue = self.venue
        if not venue.gateway_settings:
            return
        command = [sys.executable, "-m", "gateway", "--config", venue.gateway_settings, "--host", venue.config.host]
        command += ["--port", str(venue.gateway_port), "--core-host", venue.config.host, "--access-log", "off"]
        command += ["--core-port", str(venue.config.trusted_port), "--persistence-url", persistence_url]
        environment = dict(venue.environment(), DATABASE_URL=database_url)
        self.process = subprocess.Popen(command, env=environment, stdout=sys.stderr.fileno(), start_new_session=True)

    async def stop(self):
        """Before the core: what is under way there is still answered."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                await asyncio.to_thread(self.process.wait, STOP_SECONDS)
            except subprocess.TimeoutExpired:
                note("the gateway did not stop within %d s: killing it" % STOP_SECONDS)
                self.kill()

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()

    @property
    def url(self):
        return url_of(self.venue.config.host, self.venue.gateway_port)

    def lines(self):
        """-> what a person is told of it."""
        return ["  web       %s (API: %s/docs)" % (self.url, self.url)] if self.process is not None else []

    def trial(self):
        """-> a token, and a command to try it with."""
        if self.process is None or not self.venue.demo:
            return []
        from tools.token import make_token, open_jwks

        user = "demo-%d" % DEMO_ACCOUNTS[0]
        keys = open_jwks(os.path.join(self.venue.directory, TOKEN_KEYS_NAME))
        token = make_token(keys, user, seconds=DEMO_TOKEN_SECONDS)[0]
        command = "curl -H 'Authorization: Bearer %s' %s/api/v1/balances" % (token, self.url)
        return ["", "A token of %s, for a day, and a command to try it:" % user, "", token, "", command]
