"""A file of orders, row by row, as commands for an exchange: what `tools match` reads.

What is wrong with the file itself (a column or word nobody knows, text where a number belongs) stops the run with
OrderFileError. What is only refused by the exchange (a price of 0, a side left out) goes through, to be rejected there.
"""

import csv

from protocol.messages import (
    INTEGER_MAX,
    ORDER_TYPES,
    SELF_TRADE_PREVENTIONS,
    SIDES,
    TIMES_IN_FORCE,
    U32,
    OrderType,
    SelfTradePrevention,
    TimeInForce,
)

NEW, CANCEL, AMEND = 1, 2, 3

NEEDED = ("action", "order_id")
COLUMNS = (
    *NEEDED, "account", "side", "type", "time_in_force", "post_only", "price", "quantity", "stop_price", "stp",
)  # fmt: skip
ACCOUNT_DEFAULT = 1


class OrderFileError(Exception):
    """What is wrong, and where."""


def _words(names, default):
    """{text: value} of the names {value: text} in both cases, and of the empty cell."""
    words = {"": default}
    for value, name in names.items():
        words[name] = words[name.upper()] = value
    return words


ACTIONS = _words({NEW: "new", CANCEL: "cancel", AMEND: "amend"}, None)
SIDE_WORDS = _words(SIDES, 0)  # 0 is no side: the exchange will say so
TYPE_WORDS = _words(ORDER_TYPES, OrderType.LIMIT)
TIME_IN_FORCE_WORDS = _words(TIMES_IN_FORCE, TimeInForce.GTC)
STP_WORDS = _words(SELF_TRADE_PREVENTIONS, SelfTradePrevention.CANCEL_TAKER)
POST_ONLY_WORDS = {**_words({1: "true", 0: "false"}, 0), "1": 1, "0": 0}


class OrderFile:
    """Iterate over it for one tuple a data row, the first is row 1:

    (row, action, order_id, account, side, type, time_in_force, post_only, price, quantity, stop_price, stp)

    with order_id as text, prices and quantity in units, everything else as in protocol/messages.py; empty cells are 0
    or the default. Without a column stp, orders of one account trade with each other (none); with one, the default is
    cancel_taker. Reads as it goes: memory does not grow with the file. Raises OrderFileError.
    """

    def __init__(self, lines, name, price_scale, quantity_scale):
        """`lines`: text lines, newline characters untouched. `name`: for error texts."""
        self.name = name
        self.price_scale = price_scale
        self.quantity_scale = quantity_scale
        self.row = 0
        self._reader = csv.reader(lines, strict=True)
        self._places = self._read_header()

    def _read_header(self):
        """-> {column: index}; a column that is not there has the index of an empty cell put after each row."""
        header = self._next_row()
        if header is None:
            raise OrderFileError("%s is empty: it needs a header, %s" % (self.name, ",".join(COLUMNS)))
        names = [name.strip().lower() for name in header]
        for name in names:
            if name not in COLUMNS:
                raise self.error("%r is no column; there are %s" % (name, ", ".join(COLUMNS)))
            if names.count(name) > 1:
                raise self.error("column %s is there twice" % name)
        for name in NEEDED:
            if name not in names:
                raise self.error("column %s is missing" % name)
        self._width = len(names)
        return {name: names.index(name) if name in names else self._width for name in COLUMNS}

    def _next_row(self):
        try:
            return next(self._reader, None)
        except csv.Error as problem:
            # PyPy's csv names the line itself.
            raise self.error(str(problem).removeprefix("line %d: " % self._reader.line_num)) from problem
        except UnicodeDecodeError as problem:
            # The decoder is a block ahead of the reader: no line can be named.
            raise OrderFileError("%s is not UTF-8 text: %s" % (self.name, problem)) from problem

    def error(self, text, column=None):
        """-> an OrderFileError that names the place: the line as an editor counts it, and the row as events do."""
        place = "%s, line %d" % (self.name, self._reader.line_num)
        if self.row:
            place += " (row %d)" % self.row
        if column is not None:
            place += ", column %s" % column
        return OrderFileError("%s: %s" % (place, text))

    def __iter__(self):
        place = self._places
        action_at, order_id_at, account_at = place["action"], place["order_id"], place["account"]
        side_at, type_at, time_in_force_at = place["side"], place["type"], place["time_in_force"]
        post_only_at, price_at, quantity_at = place["post_only"], place["price"], place["quantity"]
        stop_price_at, stp_at = place["stop_price"], place["stp"]
        without_stp = SelfTradePrevention.NONE if stp_at == self._width else 0
        while True:
            cells = self._next_row()
            if cells is None:
                return
            if not cells:
                continue  # an empty line is no row
            self.row += 1
            if len(cells) != self._width:
                raise self.error("%d cells, and %d in the header" % (len(cells), self._width))
            cells.append("")
            action = ACTIONS.get(cells[action_at]) or self._word(ACTIONS, cells[action_at], "action")
            order_id = cells[order_id_at]
            if not order_id:
                raise self.error("empty", "order_id")
            account = cells[account_at]
            account = self._account(account) if account else ACCOUNT_DEFAULT
            price = cells[price_at]
            if price:
                price = self._units(self.price_scale, price, "price")
            else:
                price = 0
            quantity = cells[quantity_at]
            if quantity:
                quantity = self._units(self.quantity_scale, quantity, "quantity")
            else:
                quantity = 0
            stop_price = cells[stop_price_at]
            if stop_price:
                stop_price = self._units(self.price_scale, stop_price, "stop_price")
            else:
                stop_price = 0
            if action == NEW:
                side = self._word(SIDE_WORDS, cells[side_at], "side")
                order_type = self._word(TYPE_WORDS, cells[type_at], "type")
                time_in_force = self._word(TIME_IN_FORCE_WORDS, cells[time_in_force_at], "time_in_force")
                if time_in_force == TimeInForce.GTD:
                    raise self.error("gtd needs a clock, and a file has none", "time_in_force")
                post_only = self._word(POST_ONLY_WORDS, cells[post_only_at], "post_only")
                stp = without_stp or self._word(STP_WORDS, cells[stp_at], "stp")
            else:
                side = order_type = time_in_force = post_only = stp = 0
            yield (
                self.row, action, order_id, account, side, order_type, time_in_force, post_only, price, quantity,
                stop_price, stp,
            )  # fmt: skip

    def _word(self, words, text, column):
        value = words.get(text)
        if value is None:
            value = words.get(text.strip().lower())
            if value is None:
                known = [word for word in words if word and word == word.lower()]
                raise self.error("%r is not one of %s" % (text, ", ".join(known)), column)
        return value

    def _units(self, scale, text, column):
        try:
            return scale.units(text)
        except ValueError as problem:
            raise self.error(str(problem), column) from problem

    def _account(self, text):
        if text.isascii() and text.isdigit() and len(text) <= 10:
            account = int(text)
            if account <= INTEGER_MAX[U32]:
                return account
        raise self.error("%r is no account number, 0 to %d" % (text, INTEGER_MAX[U32]), "account")
