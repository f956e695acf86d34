"""`tools order`: a trader's hands on the command line. Prices and quantities are decimals; instruments, symbols.

Logs in with a demo key of `tools up`, or with any key: its secret comes from the environment, for a command line can
be seen by others.
"""

import argparse
import asyncio
import os

from protocol.calls import RequestFailed
from protocol.messages import SELF_TRADE_PREVENTIONS
from tools.console import PORT_MAX, Failed, note
from tools.order.actions import Trader, amend, balances, book, cancel, list_orders, place
from tools.order.watch import watch
from tools.up.venue import read_demo

SECRET_VARIABLE = "TRADE_SECRET"
EXIT_FAILED, EXIT_USAGE = 1, 2


def add_arguments(parser):
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--demo", default="run/demo.json", metavar="FILE", help="of `tools up` (default %(default)s)")
    common.add_argument("--account", type=int, default=1, metavar="N", help="which demo key (default: of account 1)")
    common.add_argument("--connect", metavar="HOST:PORT", help="a traders' listener, instead of the demo's")
    common.add_argument("--key", type=int, metavar="N", help="key number; its secret in $%s" % SECRET_VARIABLE)
    common.add_argument("--json", action="store_true", help="JSON instead of text")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def add(name, work, text):
        action = actions.add_parser(name, parents=[common], help=text, description=text)
        action.set_defaults(work=work)
        return action

    text = "place an order: place buy 0.01 BTC-USDT 60000; without a price a market order; with --stop it waits"
    placing = add("place", place, text)
    placing.add_argument("side", choices=("buy", "sell"))
    placing.add_argument("quantity")
    placing.add_argument("symbol")
    placing.add_argument("price", nargs="?", help="limit; without it a market order")
    how = placing.add_mutually_exclusive_group()
    how.add_argument("--ioc", action="store_true", help="immediate or cancel: fill what can be filled now, no more")
    how.add_argument("--fok", action="store_true", help="fill or kill: all of it now, or nothing")
    how.add_argument("--post-only", action="store_true", help="reject it where it would match at once")
    placing.add_argument("--stop", metavar="PRICE", help="wait until a trade is at this price or beyond it")
    placing.add_argument("--expire-in", type=float, metavar="SECONDS", help="end it by itself after so long")
    placing.add_argument("--by-amount", action="store_true", help="a market order: quantity is what to spend, or earn")
    placing.add_argument(
        "--stp",
        choices=SELF_TRADE_PREVENTIONS.values(),
        default="cancel_taker",
        help="what happens where it meets an order of the same account (default %(default)s)",
    )
    placing.add_argument("--client-order-id", default="", metavar="TEXT", help="your own name for it")
    amending = add("amend", amend, "change an open order; one that only gets smaller keeps its place")
    amending.add_argument("order_id", type=int)
    amending.add_argument("--price")
    amending.add_argument("--quantity", help="in all, what is filled included")
    amending.add_argument("--stop", metavar="PRICE", help="new stop price, while it waits")
    cancelling = add("cancel", cancel, "cancel one order, or all")
    which = cancelling.add_mutually_exclusive_group(required=True)
    which.add_argument("order_id", nargs="?", type=int)
    which.add_argument("--all", action="store_true", help="every open order of the account")
    add("list", list_orders, "list the account's open orders, and its stop orders that wait")
    add("balances", balances, "show what the account has, available and reserved for open orders")
    booking = add("book", book, "show a book")
    booking.add_argument("symbol")
    booking.add_argument("--levels", type=int, default=10, help="of each side (default %(default)s)")
    watching = add("watch", watch, "watch book and trades as they change, until Ctrl-C")
    watching.add_argument("symbol")
    watching.add_argument("--levels", type=int, default=10, help="of each side, on a terminal (default %(default)s)")
    watching.add_argument("--count", type=int, metavar="N", help="end after so many messages of the feed")


def run(arguments):
    try:
        return asyncio.run(_run(arguments))
    except RequestFailed as error:
        note("tools order %s: %s" % (arguments.action, error))
        return EXIT_FAILED
    except BrokenPipeError:
        raise
    except ValueError as error:
        note("tools order %s: %s" % (arguments.action, error))
        return EXIT_USAGE
    except (Failed, OSError) as error:
        note("tools order %s: %s" % (arguments.action, error))
        return EXIT_FAILED


async def _run(arguments):
    host, port, key, secret = _login(arguments)
    async with Trader(host, port, key, secret) as trader:
        return await arguments.work(trader, arguments)


def _login(arguments):
    """-> (host, port, key, secret). Raises Failed, ValueError."""
    if arguments.key is not None:
        secret = os.environ.get(SECRET_VARIABLE, "")
        if not secret:
            raise ValueError("--key needs its secret in the environment, as %s" % SECRET_VARIABLE)
        if arguments.connect is None:
            raise ValueError("--key needs --connect")
        return (*_address(arguments.connect), arguments.key, secret)
    demo = read_demo(arguments.demo)
    if arguments.connect is None and "port" not in demo:
        raise Failed("%s: the venue has not been up yet" % arguments.demo)
    host, port = _address(arguments.connect) if arguments.connect else (demo["host"], demo["port"])
    for entry in demo["keys"]:
        if entry["account"] == arguments.account and entry["account"]:
            return host, port, entry["key"], entry["secret"]
    raise Failed("%s has no key of account %d" % (arguments.demo, arguments.account))


def _address(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= PORT_MAX:
        raise ValueError("%r is not HOST:PORT" % text)
    return host, int(port)
