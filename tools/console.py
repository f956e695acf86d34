"""How the tools speak: data on stdout as a table or as JSON, notes and progress on stderr, numbers with their names."""

import argparse
import contextlib
import datetime
import json
import sys

import attrs

from protocol.messages import (
    CANCEL_REASONS,
    CODES,
    INSTRUMENT_STATES,
    ORDER_TYPES,
    SELF_TRADE_PREVENTIONS,
    SIDES,
    TIMES_IN_FORCE,
    Liquidity,
    names_of,
)

#: field of a message -> {number: name}
NAMES = {
    "side": SIDES,
    "taker_side": SIDES,
    "order_type": ORDER_TYPES,
    "time_in_force": TIMES_IN_FORCE,
    "self_trade_prevention": SELF_TRADE_PREVENTIONS,
    "mode": SELF_TRADE_PREVENTIONS,
    "state": INSTRUMENT_STATES,
    "liquidity": names_of(Liquidity),
    "code": CODES,
    "reason": CANCEL_REASONS,  # where it is a number
}

PORT_MAX = 65_535


class Failed(Exception):
    """The tool cannot do what it was asked to; the text is for stderr, the exit code is 1."""


def note(text):
    print(text, file=sys.stderr)


def port_from(least):
    """-> a type for arguments: a port, or one of the numbers from `least` on that stand for something else."""

    def port(text):
        if not least <= int(text) <= PORT_MAX:
            raise argparse.ArgumentTypeError("%s is no port: %d to %d" % (text, least, PORT_MAX))
        return int(text)

    return port


def print_json(value, indent=None):
    print(json.dumps(value, indent=indent))


def named(name, value):
    """The value of a message's field, by its name where it has one: named("side", 1) == "buy"."""
    names = NAMES.get(name)
    return names.get(value, value) if names is not None else value


def fields_of(message, leave_out=()):
    """-> {field: value or its name} of a message, in wire order."""
    return {
        field.name: named(field.name, getattr(message, field.name))
        for field in attrs.fields(type(message))
        if field.name not in leave_out
    }


def utc(time_ns):
    """Nanoseconds since 1970 -> "2026-01-31T12:00:00.123456789Z"; "-" for 0, which stands for never."""
    if not time_ns:
        return "-"
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    second = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return "%s.%09dZ" % (second.strftime("%Y-%m-%dT%H:%M:%S"), nanoseconds)


def table(columns, rows):
    """-> lines of a plain table; ints and decimals to the right."""
    texts = [[str(value) for value in row] for row in rows]
    widths = [max(len(cell) for cell in cells) for cells in zip(columns, *texts)]
    numeric = [bool(rows) and all(_is_number(row[i]) for row in texts) for i in range(len(columns))]
    lines = []
    for row in [list(columns), ["-" * width for width in widths]] + texts:
        cells = [cell.rjust(w) if right else cell.ljust(w) for cell, w, right in zip(row, widths, numeric)]
        lines.append("  ".join(cells).rstrip())
    return lines


def print_table(columns, rows):
    print("\n".join(table(columns, rows)))


def _is_number(text):
    return text.replace(".", "", 1).replace("-", "", 1).isdecimal() or text == "-"


@contextlib.contextmanager
def progress(text, total):
    """with progress("verifying", 1000) as advance: advance(done). Shown on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=total)
        yield lambda done: bar.update(task, completed=done)
