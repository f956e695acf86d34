"""`tools journal`: look at a journal, prove it, stop time in it, and take from it what is no longer needed or damaged.

Each action is a module with `run(arguments) -> exit code`, imported when it is asked for: `dump` needs no engine.
"""

import importlib

from protocol.errors import JournalCorrupt
from tools.console import Failed, note

ACTIONS = {
    "info": "what is there: segments, sequences, times, snapshots, where it ends",
    "dump": "print every command and event",
    "verify": "check every byte and decide every command again; say what is wrong, and what may help",
    "replay": "show books, orders, waiting stop orders and an account's balances as they were after a command",
    "proof": "prove that no money was made or lost: per asset, what accounts have is what was paid in less paid out",
    "prune": "remove segments that no recovery needs any more",
    "truncate": "cut a damaged journal after an intact command; what is cut off is kept aside",
}


def add_arguments(parser):
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    of = {name: actions.add_parser(name, help=text, description=text) for name, text in ACTIONS.items()}
    for action in of.values():
        action.add_argument("directory", metavar="DIR", help="the journal's directory, such as run/journal")
        action.add_argument("--json", action="store_true", help="JSON instead of text")
    of["dump"].add_argument("--from-seq", type=int, default=0, metavar="N", help="first command (default: the oldest)")
    of["dump"].add_argument("--to-seq", type=int, metavar="N", help="last command (default: the newest)")
    replay = of["replay"]
    replay.add_argument("--stop-at", type=int, metavar="N", help="last command to apply (default: the newest)")
    replay.add_argument("--instrument", metavar="SYMBOL", help="only this one; symbol or number")
    replay.add_argument("--account", type=int, metavar="N", help="only the orders of this account, and its balances")
    replay.add_argument("--levels", type=int, default=10, metavar="N", help="of each side (default %(default)s)")
    of["proof"].add_argument("--at", type=int, metavar="N", help="after this command (default: the newest)")
    prune = of["prune"]
    prune.add_argument("--keep-from-seq", type=int, metavar="N", help="keep this command and all after it")
    prune.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    truncate = of["truncate"]
    truncate.add_argument("--at-seq", type=int, required=True, metavar="N", help="the last command to keep")
    truncate.add_argument("--yes", action="store_true", help="do it; without this, only say what would be done")


def run(arguments):
    try:
        return importlib.import_module("tools.journal." + arguments.action).run(arguments)
    except BrokenPipeError:
        raise
    except JournalCorrupt as error:
        note("tools journal %s: %s" % (arguments.action, error))
        if arguments.action != "verify":
            note("`python -m tools journal verify %s` says what may help" % arguments.directory)
    except (Failed, OSError) as error:
        note("tools journal %s: %s" % (arguments.action, error))
    return 1
