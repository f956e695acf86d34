"""`tools wallet`: a small wallet of record for development and tests: real balances and real idempotency, on disk, and
switches that make it misbehave in every way a wallet can.
"""

import os

from tools.console import Failed, note, port_from

TOKEN_VARIABLE = "WALLET_TOKEN"
EXIT_FAILED, EXIT_USAGE = 1, 2


def add_arguments(parser):
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=port_from(0), default=7010, help="0 takes any free port (default %(default)s)")
    parser.add_argument("--data", default="run/wallet.sqlite", metavar="FILE", help="default %(default)s")
    parser.add_argument("--overdraft", action="store_true", help="balances may go below zero: nobody is refused for it")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        dest="faults",
        metavar="NAME[:KEY=VALUE,...]",
        help="misbehave, such as error:every=5 or slow:ms=300,times=10; may be given again (docs/settlement.md)",
    )


def run(arguments):
    import uvloop

    from tools.wallet.faults import Faults, parse_fault
    from tools.wallet.service import serve

    faults = Faults()
    try:
        for text in arguments.faults:
            faults.set(*parse_fault(text))
    except ValueError as error:
        note("tools wallet: %s" % error)
        return EXIT_USAGE
    try:
        uvloop.run(serve(arguments, faults, os.environ.get(TOKEN_VARIABLE, "")))
    except (Failed, OSError) as error:
        note("tools wallet: %s" % error)
        return EXIT_FAILED
    return 0
