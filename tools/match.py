"""`python -m tools match`: run a file of orders through an in-process exchange and write every event.

No venue, no network, no journal: the same matching, as fast as it goes, for research and for checking a strategy.
"""

import argparse
import contextlib
import os
import stat
import sys
import time

from engine import snapshot
from engine.instruments import COLLAR_BPS_MAX, SCALE_MAX
from tools.console import note, print_json, progress
from tools.decimals import Scale
from tools.match_input import COLUMNS, OrderFile, OrderFileError
from tools.match_run import EVENT_HEADER, MatchRun

ROWS_PER_PROGRESS = 20_000

NOTES = """\
input    a header, in any order, of: {columns}
         action: new, cancel, amend. order_id: any text; free again when that order has ended.
         Defaults: account 1, type limit, time_in_force gtc, post_only false. An amend's quantity is the new total,
         what is filled already included; an empty price, quantity or stop_price leaves it as it is.
         type: limit, market, stop (a market order once a trade has reached stop_price), stop_limit.
         time_in_force: gtc, ioc, fok. gtd needs a clock, and a file has none.
         stp, self-trade prevention, of the order that comes in: cancel_taker, cancel_maker, cancel_both, decrement,
         none. Where the column is there, empty means cancel_taker. Where it is not, orders of one account trade with
         each other (none): a file without accounts is one account, and its orders are to match.
output   {events}
         line: the row of the input that caused it, 1 the first after the header, empty lines not counted.
         quantity: of the order, as amended, traded, or when cancelled what was left. side: of a trade, the taker's.
         triggered: a trade of this row elected a stop order, which now trades; price is its stop price. Of a cancel
         that no row asked for, reason says why, such as self_trade.
exit     0 all rows ran (rejected ones are events like others); 1 the file is wrong, and then --out and --book are
         left as they were; 2 usage
"""


def add_arguments(parser):
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = NOTES.format(columns=", ".join(COLUMNS), events=EVENT_HEADER.strip())
    parser.add_argument("orders", metavar="ORDERS.csv", help="file of orders; - for standard input")
    parser.add_argument("--out", metavar="EVENTS.csv", help="where to write the events; without it, standard output")
    parser.add_argument(
        "--book", metavar="BOOK.csv", help="where to write the final book: side, price, quantity, orders"
    )
    scale = _integer_up_to(SCALE_MAX)
    parser.add_argument("--price-scale", type=scale, default=0, metavar="N", help="decimal places of prices (0)")
    parser.add_argument("--quantity-scale", type=scale, default=0, metavar="N", help="decimal places of quantities (0)")
    parser.add_argument(
        "--collar-bps",
        type=_integer_up_to(COLLAR_BPS_MAX),
        default=COLLAR_BPS_MAX,
        metavar="N",
        help="how far from the best price a market order may trade, in 1/10,000 of it (10000)",
    )
    parser.add_argument("--no-ledger", action="store_true", help="run without funds (the default)")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON; events only to --out")


def _integer_up_to(largest):
    def integer(text):
        if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= largest):
            raise argparse.ArgumentTypeError("%r is no whole number from 0 to %d" % (text, largest))
        return int(text)

    return integer


def run(arguments):
    """-> exit code."""
    try:
        with contextlib.ExitStack() as files:
            _run(arguments, files)
    except BrokenPipeError:
        raise
    except (OrderFileError, OSError) as problem:
        note("tools match: %s" % problem)
        return 1
    return 0


def _run(arguments, files):
    begin_ns = time.perf_counter_ns()
    source = 0 if arguments.orders == "-" else arguments.orders
    # utf-8-sig: spreadsheets put a byte order mark before the header.
    lines = files.enter_context(open(source, encoding="utf-8-sig", newline="", closefd=source != 0))
    write = _writer(arguments, files)
    book = files.enter_context(replacing(arguments.book)) if arguments.book else None
    price_scale, quantity_scale = Scale(arguments.price_scale), Scale(arguments.quantity_scale)
    orders = OrderFile(lines, arguments.orders, price_scale, quantity_scale)
    match = MatchRun(price_scale, quantity_scale, arguments.collar_bps, write)
    with progress("matching", os.fstat(lines.fileno()).st_size or None) as advance:  # a pipe: 0
        for row in orders:
            match.row(*row)
            if row[0] % ROWS_PER_PROGRESS == 0:
                advance(lines.buffer.raw.tell() if lines.seekable() else 0)
    match.flush()
    if book is not None:
        book.write(match.book_text().encode())
    if arguments.json:
        print_json(summary(match, time.perf_counter_ns() - begin_ns))


def _writer(arguments, files):
    """-> write(text), to where the events go."""
    if arguments.out:
        out = files.enter_context(replacing(arguments.out))
    elif arguments.json:
        return lambda text: None
    else:
        sys.stdout.flush()
        out = sys.stdout.buffer
    return lambda text: out.write(text.encode())


def summary(match, elapsed_ns):
    return {
        "rows": match.rows,
        "accepted": match.accepted,
        "rejected": match.rejected,
        "traded": match.traded,
        "cancelled": match.cancelled,
        "amended": match.amended,
        "triggered": match.triggered,
        "open_orders": match.exchange.orders.open_count,
        "state_hash": snapshot.state_hash(match.exchange),
        "elapsed_ns": elapsed_ns,
        "rows_per_second": match.rows * 10**9 // elapsed_ns,
    }


@contextlib.contextmanager
def replacing(path):
    """A binary file that takes the place of `path` when all went well, and leaves it alone when not."""
    path = os.path.realpath(path)
    if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
        with open(path, "wb") as special:  # a pipe or a device: it has no place to take
            yield special
        return
    partial = "%s.%d.partial" % (path, os.getpid())
    try:
        with open(partial, "wb") as file:
            yield file
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        raise
