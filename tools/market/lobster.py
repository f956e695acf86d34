"""LOBSTER files: messages, and the exchange's own book after each. Reads and refuses; what rows mean is record.py's.

    message row     time, type, order id, size, price, direction
    orderbook row   ask price, ask size, bid price, bid size, ... best level first; size 0 fills up what is missing

Prices are dollars x 10,000 and sizes are shares, both ints; times become nanoseconds after midnight.
"""

import contextlib
import csv
import functools
import gzip
import io
import os
import re
import zipfile
from typing import Any, NamedTuple

import attrs

from protocol.messages import Side

NEW, REDUCED, DELETED, EXECUTED, HIDDEN_EXECUTED, CROSS, HALT = range(1, 8)  # message types
BEST_LEVELS = 1  # of a file that has the best bid and ask only

_SIDES = {"1": Side.BUY, "-1": Side.SELL}
_MESSAGES = re.compile(r"(.*_)?message_\d+\.csv(\.gz)?$")
_BOOKS = re.compile(r"(.*_)?orderbook_\d+\.csv(\.gz)?$")
_BEST = re.compile(r"bbo_expected_per_message\.csv(\.gz)?$")
_START = re.compile(r"book_\d+_after_message_1\.csv(\.gz)?$")
_DEEP = re.compile(r"book_\d+_levels_first_\d+_rows\.csv(\.gz)?$")


class DataError(Exception):
    """The files cannot be used; the text names file and line."""


class Message(NamedTuple):
    time_ns: int  # after midnight
    kind: int
    order_id: int
    size: int
    price: int
    side: int  # of the order that rests


class Row(NamedTuple):
    """A book: [(price, size), ...] of each side, the best first."""

    bids: list
    asks: list


def no_rows():
    yield from ()


@attrs.define
class DataSet:
    name: str
    messages: list
    start: Row  # the book before the first message
    levels: int  # a side in each of `rows()`
    rows: Any  # () -> generator of Row, one for each message
    deep_levels: int = 0  # a side in each of `deep_rows()`
    deep_rows: Any = no_rows  # () -> generator of Row, for the first messages only

    @property
    def has_full_rows(self):
        """Whether the rows tell of more than the best bid and ask, and so of levels that change without a message."""
        return self.levels > BEST_LEVELS


def find_data_sets(directory):
    """-> [DataSet, ...] of a directory, or of the directories in it. Raises DataError where there is none."""
    found = _read_directory(directory)
    if found is not None:
        return [found]
    inner = (os.path.join(directory, name) for name in sorted(os.listdir(directory)))
    data_sets = [_read_directory(path) for path in inner if os.path.isdir(path)]
    data_sets = [data_set for data_set in data_sets if data_set is not None]
    if not data_sets:
        raise DataError("%s: no LOBSTER messages with the book after each (see docs/market-replay.md)" % directory)
    return data_sets


def _read_directory(directory):
    """-> DataSet, or None where the directory has none."""
    name = os.path.basename(os.path.abspath(directory))
    files = {entry: _opener(os.path.join(directory, entry)) for entry in sorted(os.listdir(directory))}
    for entry in list(files):
        if entry.endswith(".zip"):
            files.update(_members(os.path.join(directory, entry)))
    best, start, deep, books = (_match(files, pattern) for pattern in (_BEST, _START, _DEEP, _BOOKS))
    messages = _match([file for file in files if file not in (best, start)], _MESSAGES)
    if messages is None or books is None and (best is None or start is None):
        return None
    read = [parse_message(fields, place) for place, fields in _lines(files, messages)]
    if not read:
        raise DataError("%s: no messages" % messages)
    with contextlib.closing(_lines(files, books or start)) as lines:
        place, fields = next(lines, ((books or start, 1), []))
    before = undo(parse_row(fields, place), read[0])
    levels = len(fields) // 4
    if books is not None:
        return DataSet(name, read, before, levels, functools.partial(_rows, files, books))
    found = DataSet(name, read, before, BEST_LEVELS, functools.partial(_rows, files, best))
    if deep is not None:
        found.deep_levels = levels
        found.deep_rows = functools.partial(_rows, files, deep)
    return found


def _match(files, pattern):
    return next((name for name in files if pattern.match(name)), None)


def _opener(path):
    """-> () -> the file as text, a context manager."""
    if path.endswith(".gz"):
        return lambda: gzip.open(path, "rt", encoding="ascii", newline="")
    return lambda: open(path, encoding="ascii", newline="")


def _members(path):
    """-> {name: opener} of a zip's files, names without directories."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(archive.namelist())
    except zipfile.BadZipFile as error:
        raise DataError("%s: %s" % (path, error)) from None
    return {os.path.basename(name): functools.partial(_open_member, path, name) for name in names}


@contextlib.contextmanager
def _open_member(path, name):
    with zipfile.ZipFile(path) as archive, archive.open(name) as member:
        yield io.TextIOWrapper(member, encoding="ascii", newline="")


def _lines(files, name):
    """-> ((file, line number), fields) of each line."""
    try:
        with files[name]() as file:
            for number, fields in enumerate(csv.reader(file), start=1):
                yield (name, number), fields
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zipfile.BadZipFile) as error:
        raise DataError("%s: %s" % (name, error)) from None


def _rows(files, name):
    with contextlib.closing(_lines(files, name)) as lines:
        for place, fields in lines:
            yield parse_row(fields, place)


def parse_message(fields, place=("messages", 0)):
    """A line's fields -> Message. Raises DataError naming `place`, a file and a line number."""
    try:
        time, kind, order_id, size, price, direction = fields
        seconds, _, fraction = time.partition(".")
        time_ns = int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))
        return Message(time_ns, int(kind), int(order_id), int(size), int(price), _SIDES[direction])
    except (ValueError, KeyError):
        raise DataError("%s, line %d: not a LOBSTER message: %s" % (*place, ",".join(fields))) from None


def parse_row(fields, place=("book", 0)):
    """A line's fields -> Row without the dummies that fill it up. Raises DataError naming `place`."""
    try:
        values = [int(field) for field in fields]
    except ValueError:
        values = []
    if not values or len(values) % 4:
        raise DataError("%s, line %d: not a LOBSTER order book row" % place)
    asks = [(values[at], values[at + 1]) for at in range(0, len(values), 4) if values[at + 1]]
    bids = [(values[at], values[at + 1]) for at in range(2, len(values), 4) if values[at + 1]]
    return Row(bids, asks)


def undo(row, message):
    """The book after a message -> the book before it."""
    if message.kind not in (NEW, REDUCED, DELETED, EXECUTED):
        return row
    bids, asks = dict(row.bids), dict(row.asks)
    levels = bids if message.side == Side.BUY else asks
    change = -message.size if message.kind == NEW else message.size
    levels[message.price] = levels.get(message.price, 0) + change
    if levels[message.price] < 0:
        raise DataError("the first message adds %d at %d, more than the book has" % (message.size, message.price))
    if not levels[message.price]:
        del levels[message.price]
    return Row(sorted(bids.items(), reverse=True), sorted(asks.items()))
