"""The settings of persistence: each has a default, a key in the `[persistence]` table of a TOML file, and an argument
of that name. The database's address also comes as DATABASE_URL, the wallet's as WALLET_URL."""

from urllib.parse import urlsplit

import attrs
import tomllib


class ConfigError(Exception):
    """A setting that cannot be used; the text names it, and holds no secret."""


def _setting(default, text):
    return attrs.field(default=default, metadata={"help": text})


@attrs.define
class Config:
    journal: str = _setting("run/journal", "directory of the journal to follow")
    database_url: str = _setting("", "Postgres, postgresql://...; or DATABASE_URL")
    host: str = _setting("127.0.0.1", "address to listen on")
    metrics_port: int = _setting(7004, "/metrics and /healthz over HTTP; 0 takes any free port, -1 switches them off")
    batch_events: int = _setting(60_000, "events in one transaction at most, and one record; fewer when live")
    depth_seconds: int = _setting(10, "interval of the snapshots of order books, of the venue's time")
    depth_levels: int = _setting(50, "price levels of a snapshot, for each side")
    wallet_url: str = _setting("", "wallet of record to settle trades with; or WALLET_URL; none: no settlement")

    def check(self):
        """Raises ConfigError for a value that makes no sense."""
        import psycopg2  # whoever only asks for the settings does without

        if not self.database_url:
            raise ConfigError("no database: give database_url, or DATABASE_URL in the environment")
        try:
            psycopg2.extensions.parse_dsn(self.database_url)
        except psycopg2.ProgrammingError:
            raise ConfigError("database_url is no address of Postgres, such as postgresql://user@host/name") from None
        if self.wallet_url:
            parts = urlsplit(self.wallet_url)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
                raise ConfigError("wallet_url must be http://host or https://host; a secret goes into WALLET_TOKEN")
        if not -1 <= self.metrics_port <= 65_535:
            raise ConfigError("metrics_port must be -1 to 65535")
        for name, least, most in (
            ("batch_events", 1, 200_000),
            ("depth_seconds", 1, 86_400),
            ("depth_levels", 1, 1_000),
        ):
            if not least <= getattr(self, name) <= most:
                raise ConfigError("%s must be %d to %d" % (name, least, most))


def read_config(path):
    """-> {setting: value} of the file's `[persistence]` table; raises ConfigError."""
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file).get("persistence", {})
    except OSError as error:
        raise ConfigError("%s: %s" % (path, error.strerror)) from None
    except UnicodeDecodeError:
        raise ConfigError("%s: is not UTF-8" % path) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("%s: %s" % (path, error)) from None
    if type(table) is not dict:
        raise ConfigError("%s: persistence must be a table, [persistence]" % path)
    defaults = {field.name: field.default for field in attrs.fields(Config)}
    for name, value in table.items():
        if name not in defaults:
            raise ConfigError("%s: [persistence] has no setting %r" % (path, name))
        if type(value) is not type(defaults[name]):
            raise ConfigError("%s: persistence.%s must be %s" % (path, name, type(defaults[name]).__name__))
    return table
