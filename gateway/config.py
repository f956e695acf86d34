"""The gateway's settings: each has a default, a key in the `[gateway]` table of a TOML file, and an argument of that
name. Secrets come in files, the database's address also as DATABASE_URL."""

import attrs
import tomllib


class ConfigError(Exception):
    """A setting that cannot be used; the text names it."""


def _setting(default, text):
    return attrs.field(default=default, metadata={"help": text})


@attrs.define
class Config:
    host: str = _setting("127.0.0.1", "address to listen on")
    port: int = _setting(7080, "HTTP and WebSocket; 0 takes any free port")
    core_host: str = _setting("127.0.0.1", "where the core is")
    core_port: int = _setting(7002, "the core's trusted listener")
    core_key: int = _setting(0, "number of this gateway's trusted key (tools keys); one for each gateway")
    core_secret_file: str = _setting("run/gateway.secret", "file with that key's secret")
    history_events: int = _setting(20_000, "newest events of before its start that a gateway asks the core for")
    jwt_keys: str = _setting("run/jwt.json", "JWKS file with the keys that sign tokens (tools token makes one)")
    jwt_issuer: str = _setting("trade-engine", "iss that tokens must have; empty: any")
    jwt_audience: str = _setting("trade-engine", "aud that tokens must have; empty: any")
    jwt_leeway_seconds: int = _setting(5, "how far the clocks of issuer and gateway may be apart")
    api_keys: str = _setting("", "file of the keys that sign requests (tools api-keys makes one); empty: none")
    database_url: str = _setting("", "Postgres, postgresql://...; without it (or DATABASE_URL) there is no history")
    persistence_url: str = _setting("http://127.0.0.1:7004", "where the drainer tells of itself; empty: nowhere")
    cors_origins: str = _setting("", "web origins that may call, comma separated; * for any")
    proxies: str = _setting("", "addresses of proxies whose X-Forwarded-For is believed, comma separated")
    user_rate: int = _setting(200, "requests a second of one user, 0: no limit")
    user_burst: int = _setting(400, "requests at once of one user")
    address_rate: int = _setting(500, "requests a second of one address, 0: no limit")
    address_burst: int = _setting(1_000, "requests at once of one address")
    body_bytes_max: int = _setting(65_536, "largest request body")
    body_seconds: int = _setting(10, "how long a request body may take to come")
    idle_seconds: int = _setting(75, "how long a connection may be without a whole request")
    authenticate_seconds: int = _setting(10, "for the first message of /ws/orders without a token in the header")
    access_log: str = _setting("on", "a line of JSON for each request on stderr: on, or off")
    drain_seconds: int = _setting(10, "how long requests under way may take when it is told to stop")

    def check(self):
        """Raises ConfigError for a value that makes no sense."""
        for name, least in (("port", 0), ("core_port", 1)):
            if not least <= getattr(self, name) <= 65_535:
                raise ConfigError("%s must be %d to 65535" % (name, least))
        if self.core_key <= 0:
            raise ConfigError("core_key must be the number of a trusted key")
        if not 0 <= self.jwt_leeway_seconds <= 300:
            raise ConfigError("jwt_leeway_seconds must be 0 to 300")
        if not 1_024 <= self.body_bytes_max <= 16 << 20:
            raise ConfigError("body_bytes_max must be 1024 to 16777216")
        for name in ("user", "address"):
            rate, burst = getattr(self, name + "_rate"), getattr(self, name + "_burst")
            if rate < 0 or burst < 1:
                raise ConfigError("%s_rate must not be negative, and %s_burst be positive" % (name, name))
        for name in ("body_seconds", "idle_seconds", "authenticate_seconds"):
            if not 1 <= getattr(self, name) <= 3_600:
                raise ConfigError("%s must be 1 to 3600" % name)
        if self.access_log not in ("on", "off"):
            raise ConfigError("access_log must be on or off")
        if not 0 <= self.history_events <= 1_000_000:
            raise ConfigError("history_events must be 0 to 1000000")
        if not 0 <= self.drain_seconds <= 600:
            raise ConfigError("drain_seconds must be 0 to 600")

    def core_secret(self):
        """Read its file. Raises ConfigError."""
        return secret_in(self.core_secret_file)


def secret_in(path):
    """-> the text of a secret's file, without white space around it. Raises ConfigError."""
    try:
        with open(path, encoding="utf-8") as file:
            secret = file.read().strip()
    except (OSError, ValueError) as error:
        raise ConfigError("%s: %s" % (path, getattr(error, "strerror", None) or error)) from None
    if not secret:
        raise ConfigError("%s: no secret in it" % path)
    return secret


def read_config(path):
    """-> {setting: value} of the file's `[gateway]` table; raises ConfigError."""
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file).get("gateway", {})
    except OSError as error:
        raise ConfigError("%s: %s" % (path, error.strerror)) from None
    except UnicodeDecodeError:
        raise ConfigError("%s: is not UTF-8" % path) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("%s: %s" % (path, error)) from None
    if type(table) is not dict:
        raise ConfigError("%s: gateway must be a table, [gateway]" % path)
    defaults = {field.name: field.default for field in attrs.fields(Config)}
    for name, value in table.items():
        if name not in defaults:
            raise ConfigError("%s: [gateway] has no setting %r" % (path, name))
        if type(value) is not type(defaults[name]):
            raise ConfigError("%s: gateway.%s must be %s" % (path, name, type(defaults[name]).__name__))
    return table
