"""`python -m engine`: recover, warm up, listen, serve until SIGTERM or SIGINT. The one file that knows the world:
arguments, environment, clock, chance and signals come in here."""

import argparse
import asyncio
import base64
import logging
import os
import resource
import signal
import sys
import time

import attrs

from engine import recovery
from engine.collector import IS_PYPY, PYPY_ENVIRONMENT, Collector
from engine.config import DURABILITIES, Config, ConfigError, read_config
from engine.credentials import KeysFileError, load_keys
from engine.disk import Disk
from engine.exchange import RULES_VERSION
from engine.journal import Journal, JournalLocked, lock_directory
from engine.metrics import REQUESTS_ACCEPTED_AT_A_TIME, REQUESTS_MAX, serve_metrics
from engine.sequencer import Divergence
from engine.server import ACCEPTED_AT_A_TIME, CONNECTIONS_MAX, TRUSTED_CONNECTIONS_MAX, Server
from engine.snapshots import write_snapshot
from engine.warmup import warm_up
from protocol.errors import JournalCorrupt
from protocol.login import TRADER, TRUSTED
from protocol.messages import Durability

KEYS_RELOAD_SECONDS = 1
FILES_PER_CONNECTION = 2  # its socket and, while it resumes, a segment
#: For the journal; trusted connections; requests of metrics; connections accepted in order to be refused.
FILES_RESERVED = (
    64
    + FILES_PER_CONNECTION * TRUSTED_CONNECTIONS_MAX
    + REQUESTS_MAX
    + REQUESTS_ACCEPTED_AT_A_TIME
    + 10 * ACCEPTED_AT_A_TIME
)
EXIT_FAILED, EXIT_USAGE = 1, 2

log = logging.getLogger("engine")


def main():
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        config = _config(sys.argv[1:])
    except ConfigError as error:
        print("engine: %s" % error, file=sys.stderr)
        return EXIT_USAGE
    if IS_PYPY and any(name not in os.environ for name in PYPY_ENVIRONMENT):
        # the collector takes its sizes from the environment as the process starts
        environment = dict(PYPY_ENVIRONMENT, **os.environ)
        os.execve(sys.executable, [sys.executable, "-m", "engine"] + sys.argv[1:], environment)
    if not IS_PYPY:
        log.warning("running on %s: correct, but several times slower than on PyPy", sys.implementation.name)
    try:
        return _run(_serve(config))
    except (JournalCorrupt, Divergence) as error:
        log.critical("refusing to start: %s", error)
        log.critical("`python -m tools journal verify %s` examines the journal", config.journal)
    except (JournalLocked, KeysFileError, OSError) as error:
        log.critical("%s", error)
    return EXIT_FAILED


def _config(arguments):
    parser = argparse.ArgumentParser(prog="python -m engine", description="The core of the trade engine.")
    parser.add_argument("--config", metavar="FILE", help="TOML file; its [core] table sets what arguments do not")
    for field in attrs.fields(Config):
        help_text = "%s (default %s)" % (field.metadata["help"], field.default)
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, dest=field.name, type=type(field.default), help=help_text)
    given = vars(parser.parse_args(arguments))
    path = given.pop("config")
    values = read_config(path) if path else {}
    values.update({name: value for name, value in given.items() if value is not None})
    config = Config(**values)
    config.check()
    return config


def _run(serving):
    """asyncio.run, on uvloop where there is one."""
    if not IS_PYPY:
        try:
            import uvloop
        except ImportError:
            log.warning("uvloop is not installed")
        else:
            uvloop.install()
    return asyncio.run(serving)


def _connections_max():
    """Ask for as many open files as CONNECTIONS_MAX need. -> how many traders' connections those that we get are enough
    for."""
    wanted = FILES_RESERVED + FILES_PER_CONNECTION * CONNECTIONS_MAX
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < wanted:
            connections = max(1, (soft - FILES_RESERVED) // FILES_PER_CONNECTION)
            log.warning("at most %d open files, and so at most %d connections of traders", soft, connections)
            return connections
    return CONNECTIONS_MAX


def _new_nonce():
    return base64.b64encode(os.urandom(18)).decode("ascii")


async def _serve(config):
    loop = asyncio.get_running_loop()
    disk = Disk()
    keys_changed = os.stat(config.keys).st_mtime_ns  # before they are read: a change during recovery is not missed
    keys = load_keys(config.keys)
    os.makedirs(config.journal, exist_ok=True)
    lock = lock_directory(disk, config.journal)
    started_s = time.perf_counter()
    recovered = recovery.recover(config.journal, time.time_ns, config.order_slots)
    sequencer = recovered.sequencer
    log.info(
        "recovered to command %d (snapshot at %d, %d commands replayed) in %.2f s",
        sequencer.exchange.seq,
        recovered.snapshot_seq,
        recovered.replayed,
        time.perf_counter() - started_s,
    )
    venue_id = recovered.venue_id or int.from_bytes(os.urandom(7), "big")
    durability = DURABILITIES[config.durability]
    is_sync = durability == Durability.SYNC
    journal = Journal(config.journal, disk, recovered.end, venue_id, RULES_VERSION, config.segment_bytes, is_sync)
    if config.warm_up:
        started_s = time.perf_counter()
        await warm_up(loop, config.journal, config.warm_up, time.time_ns, time.perf_counter, os.urandom, _new_nonce)
        log.info("warmed up with %d commands in %.2f s", config.warm_up, time.perf_counter() - started_s)
    collector = Collector()
    server = Server(loop, sequencer, journal, keys, durability, _new_nonce, time.perf_counter, collector)
    server.commands_per_second = config.commands_per_second
    server.connections_max = _connections_max()
    collector.start()
    port = await server.listen(config.host, config.port, TRADER)
    trusted_port = await server.listen(config.host, config.trusted_port, TRUSTED)
    metrics = None
    if config.metrics_port >= 0:
        metrics = await serve_metrics(loop, server, config.host, config.metrics_port)
    server.start()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    reloading = loop.create_task(_reload_keys(server, config.keys, keys_changed))
    ready = "ready: traders %s:%d, trusted %s:%d, durability %s"
    log.info(ready, config.host, port, config.host, trusted_port, config.durability)
    await asyncio.wait([loop.create_task(stopping.wait()), server.failed], return_when=asyncio.FIRST_COMPLETED)
    reloading.cancel()
    if metrics is not None:
        metrics.close()
    if server.failure is not None:
        return EXIT_FAILED
    await server.stop()
    if server.failure is not None:
        return EXIT_FAILED
    journal.close()
    exchange = sequencer.exchange
    try:
        path = write_snapshot(config.journal, disk, venue_id, exchange, sequencer.event_seq, sequencer.time_ns)
        log.info("stopped at command %d; snapshot %s", exchange.seq, path)
    except OSError as error:  # the journal is whole all the same; the next start takes longer
        log.error("stopped at command %d; no snapshot was written: %s", exchange.seq, error)
    disk.close(lock)
    return 0


async def _reload_keys(server, path, changed):
    """Take a file changed since `changed` (its st_mtime_ns); one that cannot be read is left alone, with a note."""
    while True:
        await asyncio.sleep(KEYS_RELOAD_SECONDS)
        try:
            latest = os.stat(path).st_mtime_ns
            if latest != changed:
                changed = latest
                server.use_keys(load_keys(path))
                log.info("keys file read again")
        except (OSError, KeysFileError) as error:
            log.error("keys file not read: %s", error)


if __name__ == "__main__":
    sys.exit(main())
