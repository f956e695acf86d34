"""The wallet's accounts: postings that happen once for each key, and what they come to. One SQLite file is their state.

A posting and the balance it changes are in one transaction, whole or not at all; several may share it (see group()). A
key that was reversed is spent: its posting is undone, or, if it had never come, never will be done.
"""

import contextlib
import decimal
import sqlite3

import attrs

DEBIT, CREDIT = "debit", "credit"
DIGITS_MAX = 40
KEY_CHARACTERS_MAX = 128

_exact = decimal.Context(prec=100, traps=[decimal.Inexact, decimal.InvalidOperation])

_SCHEMA = """
create table if not exists balances (
    account text not null, asset text not null, balance text not null, primary key (account, asset)
) without rowid;
create table if not exists postings (
    posting_id integer primary key autoincrement, key text not null unique, account text not null, asset text not null,
    direction text not null, amount text not null, reversed integer not null default 0
);
"""


class Refused(Exception):
    """Nothing was done. `code` says why."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


@attrs.frozen
class Posting:
    account: str
    asset: str
    direction: str
    amount: str  # a decimal above 0


@attrs.frozen
class Booked:
    posting_id: int
    is_new: bool  # False: the key had been posted before, and nothing was done now


class Accounts:
    """`may_overdraw`: balances may go below zero. close() it."""

    def __init__(self, path, may_overdraw=False):
        self._may_overdraw = may_overdraw
        self._database = sqlite3.connect(path, isolation_level=None)
        # In WAL mode a commit survives the death of the process; a power cut may take the last ones.
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = normal")
        self._database.executescript(_SCHEMA)

    @contextlib.contextmanager
    def group(self):
        """All that is done in it is committed at its end, as one; an error that leaves it undoes all of it."""
        self._database.execute("begin immediate")
        try:
            yield
            self._database.execute("commit")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("rollback")
            raise

    def post(self, key, posting):
        """Once for each key. -> Booked. Raises Refused (insufficient_funds, key_conflict, reversed), ValueError."""
        amount = _amount(posting)
        with self._whole():
            known = self._known(key)
            if known is not None:
                posting_id, before, is_reversed = known
                if is_reversed:
                    raise Refused("reversed", "the key was reversed: nothing will be posted under it any more")
                if before != posting:
                    raise Refused("key_conflict", "the key was used for something else")
                return Booked(posting_id, False)
            self._move(posting, amount)
            return Booked(self._insert(key, posting, 0), True)

    def reverse(self, key):
        """See to it that nothing was posted under a key, now and ever. -> whether there was something to undo now.
        Raises Refused (insufficient_funds) where a credit has been spent."""
        with self._whole():
            known = self._known(key)
            if known is None:
                self._insert(key, Posting("", "", "", "0"), 1)
                return False
            posting_id, posting, is_reversed = known
            if is_reversed:
                return False
            self._move(posting, -_amount(posting))
            self._database.execute("update postings set reversed = 1 where posting_id = ?", (posting_id,))
            return True

    def balances(self):
        """-> [(account, asset, balance as decimal text), ...] in order."""
        rows = self._database.execute("select account, asset, balance from balances order by account, asset")
        return [(account, asset, _text(_decimal(balance))) for account, asset, balance in rows]

    def postings(self, after, limit):
        """-> [(posting_id, key, account, asset, direction, amount, reversed), ...] with ids above `after`."""
        query = "select * from postings where posting_id > ? order by posting_id limit ?"
        return self._database.execute(query, (after, limit)).fetchall()

    def close(self):
        self._database.close()

    def _whole(self):
        """What is refused is refused before anything is changed: within a group nothing of it has to be undone."""
        return contextlib.nullcontext() if self._database.in_transaction else self.group()

    def _known(self, key):
        query = "select posting_id, account, asset, direction, amount, reversed from postings where key = ?"
        row = self._database.execute(query, (key,)).fetchone()
        return None if row is None else (row[0], Posting(*row[1:5]), row[5])

    def _insert(self, key, posting, is_reversed):
        query = "insert into postings (key, account, asset, direction, amount, reversed) values (?, ?, ?, ?, ?, ?)"
        values = (key, posting.account, posting.asset, posting.direction, posting.amount, is_reversed)
        return self._database.execute(query, values).lastrowid

    def _move(self, posting, amount):
        owner = (posting.account, posting.asset)
        row = self._database.execute("select balance from balances where account = ? and asset = ?", owner).fetchone()
        before = _decimal(row[0]) if row is not None else decimal.Decimal(0)
        after = _exact.add(before, amount)
        if after < 0 and after < before and not self._may_overdraw:
            raise Refused("insufficient_funds", "account %s has %s %s" % (posting.account, before, posting.asset))
        self._database.execute("insert or replace into balances values (?, ?, ?)", (*owner, "{:f}".format(after)))


def _amount(posting):
    """-> what a posting adds to its balance. Raises ValueError."""
    if posting.direction not in (DEBIT, CREDIT):
        raise ValueError("direction must be debit or credit")
    amount = _decimal(posting.amount)
    if amount <= 0:
        raise ValueError("amount must be above 0")
    return amount if posting.direction == CREDIT else -amount


def _decimal(text):
    try:
        if len(text) > DIGITS_MAX or not text.replace(".", "", 1).replace("-", "", 1).isdecimal():
            raise ValueError
        return _exact.create_decimal(text)
    except (ValueError, decimal.DecimalException):
        raise ValueError("amount must be a decimal of at most %d characters" % DIGITS_MAX) from None


def _text(value):
    """Without an exponent, and without zeros that say nothing."""
    text = "{:f}".format(value)
    return text.rstrip("0").rstrip(".") if "." in text else text
