"""`python -m tools COMMAND ...`: finds the command's module and hands over; it does nothing of its own.

A command is a module with `add_arguments(parser)` and `run(arguments) -> exit code`, and a line in COMMANDS. Only the
module of the command asked for is imported, so that no command pays for another's libraries at start.

Exit codes, for every command: 0 all well, 1 a check failed or the input was bad (said on stderr), 2 usage.
"""

import argparse
import importlib
import os
import sys

INTERRUPTED = 130  # what shells report for a process ended by Ctrl-C

#: command -> (module, one line of help). To add a command, add a line.
COMMANDS = {
    "api-keys": ("tools.api_keys", "make, list and revoke keys that sign requests to the gateway"),
    "db": ("tools.db", "report on the database: slow queries, unused indexes, bloat, sizes, lag"),
    "journal": ("tools.journal", "inspect, verify, replay, prune and mend a journal"),
    "keys": ("tools.keys", "make, list and revoke API keys"),
    "load": ("tools.load.command", "put a core under load: throughput or latency"),
    "market": ("tools.market.command", "feed real order flow (LOBSTER files) into a core and compare with the record"),
    "match": ("tools.match", "run a file of orders through an in-process exchange and write every event"),
    "order": ("tools.order", "place, cancel and list orders, look at a book, watch a market"),
    "reconcile": ("tools.reconcile", "compare Postgres with the journal, and name the first sequence that differs"),
    "settlement": ("tools.settlement", "list trades that the wallet of record has not settled, and try them again"),
    "snapshot": ("tools.snapshot", "write a snapshot of a journal, also of a running core"),
    "token": ("tools.token", "make a token for the gateway"),
    "up": ("tools.up", "start the whole venue on this machine"),
    "wallet": (
        "tools.wallet",
        "serve a wallet of record for development and tests, which misbehaves on request",
    ),
}


def build_parser(command=None):
    """-> the parser of all commands by name; only `command`, one of COMMANDS, has its arguments filled in."""
    parser = argparse.ArgumentParser(prog="python -m tools", description="Tools that run, inspect and feed a venue.")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, summary) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name == command:
            importlib.import_module(module).add_arguments(subparser)
    return parser


def main(argv):
    """Run one command. -> exit code; argparse itself leaves with SystemExit(2) on a usage error."""
    command = argv[0] if argv and argv[0] in COMMANDS else None  # the command comes first, options after it
    arguments = build_parser(command).parse_args(argv)
    module, _ = COMMANDS[arguments.command]
    try:
        return importlib.import_module(module).run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read stdout has left, `head` say. Python would complain once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
