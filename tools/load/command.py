"""`tools load`: put a core under load and say what it bore."""

import contextlib
import json
import shlex
import sys

from protocol.messages import DURABILITIES
from tools.console import port_from
from tools.load.core import own_core
from tools.load.echo import echo_server
from tools.load.flow import MIXES
from tools.load.report import plot, print_figures
from tools.load.run import LAG_SECONDS, lines_of, prepare, run_closed, run_one_at_a_time, run_open
from tools.load.session import LoadError, log_in, prepare_venue

ECHO_LANGUAGES = {"echo": "python", "echo-c": "c"}


def add_arguments(parser):
    modes = parser.add_mutually_exclusive_group(required=True)
    modes.add_argument("--closed", action="store_true", help="keep --window orders unanswered: throughput")
    modes.add_argument("--open", action="store_true", help="send by the clock, --rate orders a second: latency")
    modes.add_argument("--one-at-a-time", action="store_true", help="send when the order before is answered: latency")
    parser.add_argument("--orders", type=int, default=0, help="commands to time (default 500,000; one at a time 5,000)")
    parser.add_argument("--warm-up", type=int, default=-1, help="commands before these (default 100,000; 2,000)")
    parser.add_argument("--window", type=int, default=1000, help="unanswered commands a connection (default 1000)")
    parser.add_argument("--rate", type=int, default=50_000, help="orders a second (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=20, help="to time in an open loop (default %(default)s)")
    parser.add_argument("--warm-up-seconds", type=int, default=5, help="before these (default %(default)s)")
    parser.add_argument("--flow", choices=MIXES, default="mixed", help="which commands (default mixed)")
    parser.add_argument(
        "--accounts",
        type=int,
        default=1,
        help="that trade with one another, each over a connection of its own (default 1). Connections are not served "
        "in step: some cancels come too late and are rejected",
    )
    parser.add_argument(
        "--trusted", action="store_true", help="one connection for all accounts, to the trusted listener"
    )
    parser.add_argument(
        "--funded", action="store_true", help="an instrument with a ledger: assets, accounts, money, fees"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the flow (default 1)")
    parser.add_argument("--json", action="store_true", help="write the result as JSON")
    parser.add_argument("--plot", metavar="FILE", help="draw latency over percentiles as SVG")
    _add_target_arguments(parser)


def _add_target_arguments(parser):
    own = parser.add_argument_group("a throw-away core, unless --login is given")
    own.add_argument("--target", choices=["core", *ECHO_LANGUAGES], default="core", help="or an echo server: the floor")
    own.add_argument("--durability", choices=DURABILITIES.values(), default="sync")
    own.add_argument("--core-python", default=sys.executable, metavar="PATH", help="its interpreter (default: this)")
    own.add_argument("--directory", metavar="DIR", help="where its journal is made, and removed")
    own.add_argument("--core-cpu", type=int, metavar="N", help="processor to pin it to")
    own.add_argument("--core-options", default="", metavar="WORDS", help="further arguments for it, in one string")
    running = parser.add_argument_group("a core that runs already")
    running.add_argument("--host", default="127.0.0.1")
    running.add_argument("--port", type=port_from(1), default=7001, help="listener to connect to (default %(default)s)")
    running.add_argument(
        "--login",
        action="append",
        metavar="KEY:SECRET",
        help="an API key, once for each account (or the trusted one); the instrument LOAD must be number 1 there",
    )


def run(arguments):
    try:
        figures, made = _run(arguments)
    except LoadError as error:
        print("tools load: %s" % error, file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(figures, indent=1))
    else:
        print_figures(figures)
    if arguments.plot and made is not None:
        with open(arguments.plot, "w", encoding="utf-8") as file:
            file.write(plot({arguments.target: made}))
    return 0


def _run(arguments):
    """-> (figures, HdrHistogram or None)"""
    if arguments.one_at_a_time and arguments.accounts > 1 and not arguments.trusted:
        raise LoadError("one at a time goes over one connection: --accounts 1 or --trusted")
    orders, warm_up = arguments.orders, arguments.warm_up
    if arguments.open:
        count, lag = arguments.rate * (arguments.seconds + arguments.warm_up_seconds), arguments.rate * LAG_SECONDS
    else:
        orders = orders or (5000 if arguments.one_at_a_time else 500_000)
        warm_up = warm_up if warm_up >= 0 else (2000 if arguments.one_at_a_time else 100_000)
        count, lag = warm_up + orders, 1 if arguments.one_at_a_time else arguments.window
    outgoings = prepare(count, int(lag), arguments.flow, arguments.accounts, arguments.trusted, arguments.seed)
    with _connections(arguments, len(outgoings)) as connections:
        lines = lines_of(connections, outgoings)
        if arguments.open:
            return run_open(lines, arguments.rate, arguments.warm_up_seconds)
        if arguments.one_at_a_time:
            return run_one_at_a_time(lines[0], warm_up)
        return run_closed(lines, arguments.window, warm_up), None


@contextlib.contextmanager
def _connections(arguments, count):
    """-> `count` sockets, logged in, to the core that was named or to a server of our own."""
    if arguments.login:
        logins = [login.partition(":") for login in arguments.login]
        if len(logins) != count:
            raise LoadError("%d --login needed: one for each account, or with --trusted one for all" % count)
        with contextlib.ExitStack() as stack:
            sockets = [log_in(arguments.host, arguments.port, int(key), secret) for key, _, secret in logins]
            yield [stack.enter_context(connection) for connection in sockets]
        return
    python, cpu = arguments.core_python, arguments.core_cpu
    if arguments.target != "core":
        with echo_server(ECHO_LANGUAGES[arguments.target], python, cpu) as connect:
            yield [connect() for _ in range(count)]
        return
    settings = {
        "durability": arguments.durability,
        "python": python,
        "cpu": cpu,
        "accounts": arguments.accounts,
        "arguments": shlex.split(arguments.core_options),
    }
    with own_core(arguments.directory, **settings) as core:
        trusted = core.trusted()
        prepare_venue(trusted, range(1, arguments.accounts + 1) if arguments.funded else ())
        if arguments.trusted:
            yield [trusted]
        else:
            trusted.close()
            yield [core.trader(index) for index in range(count)]
