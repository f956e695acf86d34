"""`python -m persistence`: read the settings, drain the journal until SIGTERM or SIGINT. The one file that reads
arguments and the environment."""

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys

import attrs
import uvloop

from persistence.config import Config, ConfigError, read_config
from persistence.drainer import Drainer, Fatal
from persistence.metrics import Metrics, serve_metrics
from persistence.migrate import SchemaError
from persistence.progress import BacklogBar
from persistence.settlement import Settlement
from persistence.settlement_metrics import SettlementMetrics
from persistence.state import JournalDisagrees
from persistence.tail import JournalRefused
from protocol.errors import JournalCorrupt

EXIT_FAILED, EXIT_USAGE = 1, 2
#: Rows and orders are no cycles: looking for some after every 700 of them takes a twelfth of the time.
GC_THRESHOLD = 100_000

log = logging.getLogger("persistence")


def main():
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        config = _config(sys.argv[1:])
    except ConfigError as error:
        print("persistence: %s" % error, file=sys.stderr)
        return EXIT_USAGE
    gc.set_threshold(GC_THRESHOLD)
    try:
        uvloop.run(_serve(config))
    except (Fatal, JournalCorrupt, JournalRefused, JournalDisagrees, SchemaError, OSError) as error:
        log.critical("%s", error)
        return EXIT_FAILED
    return 0


def _config(arguments):
    parser = argparse.ArgumentParser(prog="python -m persistence", description="Drains the journal into Postgres.")
    parser.add_argument(
        "--config", metavar="FILE", help="TOML file; its [persistence] table sets what arguments do not"
    )
    for field in attrs.fields(Config):
        default = " (default %s)" % field.default if field.default != "" else ""
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, dest=field.name, type=type(field.default), help=field.metadata["help"] + default)
    given = vars(parser.parse_args(arguments))
    path = given.pop("config")
    values = read_config(path) if path else {}
    for name in ("database_url", "wallet_url"):
        if os.environ.get(name.upper()):
            values[name] = os.environ[name.upper()]
    values.update({name: value for name, value in given.items() if value is not None})
    config = Config(**values)
    config.check()
    return config


async def _serve(config):
    bar = BacklogBar()
    drainer = Drainer(config, Metrics(), bar)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, drainer.stop)
    runner = None
    if config.metrics_port >= 0:
        runner, port = await serve_metrics(drainer, config.host, config.metrics_port)
        log.info("metrics: http://%s:%d/metrics", config.host, port)
    settling = None
    if config.wallet_url:
        token = os.environ.get("WALLET_TOKEN", "")
        metrics = SettlementMetrics(drainer.metrics.registry)
        settlement = Settlement(config.database_url, config.wallet_url, metrics, token)
        settling = asyncio.create_task(settlement.run())
        settling.add_done_callback(lambda _: drainer.stop())  # it does not end by itself: if it does, neither goes on
    try:
        await drainer.run()
        log.info("stopped at command %d", drainer.seq)
    finally:
        bar.close()
        if settling is not None:
            settlement.stop()
            settling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await settling
        if runner is not None:
            await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main())
