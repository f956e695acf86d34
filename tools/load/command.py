"""`tools load`: put a core under load and say what it bore."""

import contextlib
import json
import sys

from protocol.messages import DURABILITIES, MESSAGES
from tools.load.core import own_core
from tools.load.flow import MIXES, generate
from tools.load.frames import Incoming, outgoing_of
from tools.load.loops import Line, closed_loop
from tools.load.session import LoadError, log_in, prepare_venue


def add_arguments(parser):
    modes = parser.add_mutually_exclusive_group(required=True)
    modes.add_argument("--closed", action="store_true", help="keep --window orders unanswered: throughput")
    parser.add_argument("--orders", type=int, default=500_000, help="commands to send and time (default %(default)s)")
    parser.add_argument("--warm-up", type=int, default=100_000, help="commands before these (default %(default)s)")
    parser.add_argument("--window", type=int, default=1000, help="unanswered commands a connection (default 1000)")
    parser.add_argument("--flow", choices=MIXES, default="mixed", help="which commands (default mixed)")
    parser.add_argument("--accounts", type=int, default=1, help="accounts that take turns (default 1)")
    parser.add_argument("--trusted", action="store_true", help="one connection to the trusted listener for all accounts")
    parser.add_argument("--seed", type=int, default=1, help="of the flow (default 1)")
    parser.add_argument("--json", action="store_true", help="write the result as JSON")
    own = parser.add_argument_group("a throw-away core, unless --login is given")
    own.add_argument("--durability", choices=DURABILITIES.values(), default="sync")
    own.add_argument("--core-python", default=sys.executable, metavar="PATH", help="its interpreter (default: this)")
    own.add_argument("--directory", metavar="DIR", help="where its journal is made, and removed")
    own.add_argument("--core-cpu", type=int, metavar="N", help="processor to pin it to")
    running = parser.add_argument_group("a core that runs already")
    running.add_argument("--host", default="127.0.0.1")
    running.add_argument("--port", type=int, default=7001, help="listener to connect to (default %(default)s)")
    running.add_argument(
        "--login",
        action="append",
        metavar="KEY:SECRET",
        help="an API key, once for each account (or the trusted one); the instrument LOAD must be number 1 there",
    )


def run(arguments):
    try:
        result = _run(arguments)
    except LoadError as error:
        print("tools load: %s" % error, file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(result, indent=1))
    else:
        for name, value in result.items():
            print("%-23s %s" % (name, "{:,}".format(value) if type(value) is int else value))
    return 0


def _run(arguments):
    accounts = tuple(range(1, arguments.accounts + 1))
    count = arguments.warm_up + arguments.orders
    flow = generate(count, arguments.flow, accounts, lag=arguments.window, seed=arguments.seed)
    owners = [None] if arguments.trusted else [(account,) for account in accounts]
    outgoings = [outgoing_of(flow, arguments.trusted, own) for own in owners]
    with _connections(arguments, len(owners)) as connections:
        lines = [Line(*pair, Incoming(pair[1].order_ids)) for pair in zip(connections, outgoings)]
        measured = closed_loop(lines, arguments.window, arguments.warm_up)
    return {
        "mode": "closed",
        "flow": arguments.flow,
        "connections": len(lines),
        "window": arguments.window,
        "orders": measured.requests,
        "seconds": round(measured.seconds, 3),
        "orders_per_second": round(measured.per_second),
        "generator_busy_percent": round(100 * measured.generator_seconds / measured.seconds),
        **counts_of(lines),
    }


@contextlib.contextmanager
def _connections(arguments, count):
    """-> `count` logged-in sockets, to the core that was named or to one of our own."""
    if arguments.login:
        logins = [login.partition(":") for login in arguments.login]
        if len(logins) != count:
            raise LoadError("%d --login needed: one for each account, or with --trusted one for all" % count)
        yield [log_in(arguments.host, arguments.port, int(key), secret) for key, _, secret in logins]
        return
    settings = {"durability": arguments.durability, "python": arguments.core_python, "cpu": arguments.core_cpu}
    with own_core(arguments.directory, accounts=arguments.accounts, **settings) as core:
        trusted = core.trusted()
        prepare_venue(trusted)
        if arguments.trusted:
            yield [trusted]
        else:
            trusted.close()
            yield [core.trader(index) for index in range(count)]


def counts_of(lines):
    """-> {message name: how many came back on all lines}."""
    counts = {}
    for line in lines:
        for kind, number in enumerate(line.incoming.counts):
            if number:
                name = MESSAGES[kind].__name__
                counts[name] = counts.get(name, 0) + number
    return counts
