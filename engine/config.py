"""The core's settings: each has a default, a key in the `[core]` table of a TOML file, and an argument of that name."""

import attrs

try:
    import tomllib
except ImportError:  # PyPy 3.9
    import tomli as tomllib

from engine.journal import SEGMENT_BYTES
from protocol.messages import Durability

DURABILITIES = {"sync": Durability.SYNC, "write": Durability.WRITE}


class ConfigError(Exception):
    """A setting that cannot be used; the text names it."""


def _setting(default, text):
    return attrs.field(default=default, metadata={"help": text})


@attrs.define
class Config:
    host: str = _setting("127.0.0.1", "address to listen on")
    port: int = _setting(7001, "traders' listener; 0 takes any free port")
    trusted_port: int = _setting(7002, "trusted listener (gateway, tools); 0 takes any free port")
    metrics_port: int = _setting(7003, "Prometheus metrics over HTTP; -1 switches them off")
    journal: str = _setting("run/journal", "directory of journal and snapshots")
    keys: str = _setting("run/keys.json", "file of API keys (tools keys)")
    durability: str = _setting("sync", "sync: replies after fdatasync; write: after write, synced every second")
    segment_bytes: int = _setting(SEGMENT_BYTES, "size of a journal segment")
    order_slots: int = _setting(1 << 17, "open orders to lay out memory for at start; more are added as needed")
    commands_per_second: int = _setting(0, "commands a trader's session may send, a second's at once; 0: no limit")
    warm_up: int = _setting(200_000, "commands to run through a throw-away exchange before listening")

    def check(self):
        """Raises ConfigError for a value that makes no sense."""
        if self.durability not in DURABILITIES:
            raise ConfigError("durability must be sync or write, not %r" % self.durability)
        if not 64 << 10 <= self.segment_bytes <= 1 << 30:
            raise ConfigError("segment_bytes must be 65536 to 1073741824")
        if not 1 <= self.order_slots <= 1 << 22:
            raise ConfigError("order_slots must be 1 to 4194304")
        if not 0 <= self.commands_per_second <= 10_000_000:
            raise ConfigError("commands_per_second must be 0 to 10000000")
        for name in ("port", "trusted_port", "metrics_port"):
            least = -1 if name == "metrics_port" else 0
            if not least <= getattr(self, name) <= 65_535:
                raise ConfigError("%s must be %d to 65535" % (name, least))


def read_config(path):
    """-> {setting: value} of the file's `[core]` table; raises ConfigError."""
    try:
        with open(path, "rb") as file:
            tables = tomllib.load(file)
    except OSError as error:
        raise ConfigError("%s: %s" % (path, error.strerror)) from None
    except UnicodeDecodeError:
        raise ConfigError("%s: is not UTF-8" % path) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("%s: %s" % (path, error)) from None
    core = tables.get("core", {})
    if type(core) is not dict:
        raise ConfigError("%s: core must be a table, [core]" % path)
    known = {field.name: field for field in attrs.fields(Config)}
    for name, value in core.items():
        if name not in known:
            raise ConfigError("%s: [core] has no setting %r" % (path, name))
        if type(value) is not type(known[name].default):
            raise ConfigError("%s: core.%s must be %s" % (path, name, type(known[name].default).__name__))
    return core
