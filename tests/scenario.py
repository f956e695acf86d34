"""Scenarios: text files in which each command is followed by the exact events it gives, run and compared as text.

    # A comment. Lines indented by two spaces are what the commands gave; `pytest --rewrite` writes them anew.
    given define GOLD
    alice sell 5 at 101 as a
      OrderAccepted alice a GOLD sell limit gtc price=101 quantity=5 open_quantity=5

The commands (ACCOUNT: a name of ACCOUNTS or a number; ORDER: a name it was given, or a number):

    define SYMBOL                                the first is instrument 1, and the one meant where none is named
    state SYMBOL open|halted|post_only
    ACCOUNT buy|sell QUANTITY at PRICE|market    [gtc|ioc|fok] [post_only] [in SYMBOL] [as NAME]
    ACCOUNT cancel ORDER
    ACCOUNT amend ORDER                          [to QUANTITY] [at PRICE]
    ACCOUNT cancel_all                           [buy|sell] [in SYMBOL]
    tick
    book [SYMBOL]                                no command: shows the orders of the book, each side best price first
    slots NUMBER                                 no command: how many orders the venue has room for, from here on

and after each, FIELD=VALUE sets any field of the command: tick=5, client_order_id=mine, side=9. `given` before a
command: its events are not shown, and it must not be rejected. To add a command, add a function `on_...`.

In the events a field that is 0 or empty is left out, numbers with a name are shown as that name, and the fields of
the envelope (sequence, time, key, request) are not the exchange's to fill.
"""

import attrs

from protocol import messages
from protocol.messages import (
    TEXT,
    AmendOrder,
    CancelAll,
    CancelOrder,
    CommandRejected,
    DefineInstrument,
    InstrumentDefined,
    OrderAccepted,
    OrderType,
    PlaceOrder,
    SetInstrumentState,
    Side,
    Tick,
    TimeInForce,
)

INDENT = "  "
ACCOUNTS = {"venue": 0, "alice": 1, "bob": 2, "carol": 3, "dave": 4}

#: field -> {number: word}
NAMES = {
    "account": {number: name for name, number in ACCOUNTS.items()},
    "side": messages.SIDES,
    "order_type": messages.ORDER_TYPES,
    "time_in_force": messages.TIMES_IN_FORCE,
    "state": messages.INSTRUMENT_STATES,
    "reason": messages.CANCEL_REASONS,
    "code": messages.CODES,
    "liquidity": messages.names_of(messages.Liquidity),
}
FLAGS = ("post_only", "kept_priority")  # shown as a word where they are 1


class ScenarioError(Exception):
    """The scenario cannot be understood, or what was given is not."""


class Words:
    """The words of a line, taken one by one or by name; FIELD=VALUE apart, in `fields`."""

    def __init__(self, line):
        words = line.split()
        self.fields = dict(word.split("=", 1) for word in words if "=" in word)
        self.words = [word for word in words if "=" not in word]

    def take(self):
        if not self.words:
            raise ScenarioError("something is missing at the end")
        return self.words.pop(0)

    def after(self, preposition, default=None):
        """-> the word after this one, both taken out."""
        if preposition not in self.words:
            return default
        place = self.words.index(preposition)
        _, word = self.words[place : place + 2]
        del self.words[place : place + 2]
        return word

    def either(self, *choices, default=None):
        """-> the one of the choices that is there, taken out."""
        for choice in choices:
            if choice in self.words:
                self.words.remove(choice)
                return choice
        return default


class Scenario:
    """One run of a scenario on an exchange or on the model of one; ids and instruments by the names it gave them."""

    def __init__(self, venue, queue, set_slots_max):
        """`venue` has apply(); queue(instrument, side) -> [(order id, price, open quantity), ...], best first."""
        self.venue = venue
        self.queue = queue
        self.set_slots_max = set_slots_max
        self.seq = 0
        self.instruments = {}  # symbol -> number
        self.orders = {}  # name -> order id

    def run(self, text):
        """-> the text, what the commands give now in place of what it says they give. Raises ScenarioError."""
        lines = []
        for number, line in enumerate(text.splitlines(), start=1):
            if line.startswith(INDENT):
                continue
            lines.append(line)
            if line and not line.startswith("#"):
                try:
                    lines += [INDENT + shown for shown in self.line(Words(line))]
                except (ScenarioError, LookupError, ValueError, AttributeError) as problem:
                    raise ScenarioError("line %d, %r: %r" % (number, line, problem)) from problem
        return "\n".join(lines) + "\n"

    def line(self, words):
        """-> lines to show."""
        verb = words.take()
        silent = verb == "given"
        if silent:
            verb = words.take()
        if verb == "book":
            return self.book(words.words or list(self.instruments))
        if verb == "slots":
            self.set_slots_max(int(words.take()))
            return []
        account = 0
        if verb in ACCOUNTS or verb.isdigit():
            account = self.number("account", verb)
            verb = words.take()
        name = words.after("as")
        command = getattr(self, "on_" + verb)(words)
        command.account = account
        self.set_fields(command, words.fields)
        if words.words:
            raise ScenarioError("what is %s?" % " ".join(words.words))
        return self.apply(command, name, silent)

    def apply(self, command, name, silent):
        self.seq += 1
        events = self.venue.apply(self.seq, 0, command)
        first = events[0] if events else None
        if isinstance(first, OrderAccepted) and name:
            self.orders[name] = first.order_id
        elif isinstance(first, InstrumentDefined):
            self.instruments[first.symbol] = first.instrument
        if silent and isinstance(first, CommandRejected):
            raise ScenarioError("is given, and rejected: " + self.shown(first))
        return [] if silent else [self.shown(event) for event in events]

    # --- commands ----------------------------------------------------------------------------------------------------

    def on_define(self, words):
        return DefineInstrument(0, len(self.instruments) + 1, 0, 0, 1, 1, 1_000, words.take())

    def on_state(self, words):
        return SetInstrumentState(0, self.instruments[words.take()], self.number("state", words.take()))

    def on_buy(self, words):
        return self.place(Side.BUY, words)

    def on_sell(self, words):
        return self.place(Side.SELL, words)

    def place(self, side, words):
        price = words.after("at")
        if price is None:
            raise ScenarioError("at which price?")
        is_market = price == "market"
        return PlaceOrder(
            account=0,
            instrument=self.instrument(words),
            side=side,
            order_type=OrderType.MARKET if is_market else OrderType.LIMIT,
            time_in_force=self.time_in_force(words, is_market),
            post_only=1 if words.either("post_only") else 0,
            price=0 if is_market else int(price),
            quantity=int(words.take()),
        )

    def time_in_force(self, words, is_market):
        default = TimeInForce.IOC if is_market else TimeInForce.GTC
        word = words.either(*messages.TIMES_IN_FORCE.values())
        return self.number("time_in_force", word) if word else default

    def instrument(self, words):
        symbol = words.after("in") or next(iter(self.instruments))
        return self.instruments[symbol]

    def on_cancel(self, words):
        return CancelOrder(0, self.order_id(words))

    def on_amend(self, words):
        return AmendOrder(0, self.order_id(words), int(words.after("at", 0)), int(words.after("to", 0)))

    def order_id(self, words):
        word = words.take()
        return self.orders[word] if word in self.orders else int(word)

    def on_cancel_all(self, words):
        side = words.either("buy", "sell")
        symbol = words.after("in")
        return CancelAll(0, self.instruments[symbol] if symbol else 0, self.number("side", side) if side else 0)

    def on_tick(self, words):
        return Tick(0)

    def set_fields(self, command, fields):
        wires = {field.name: field.metadata["wire"] for field in attrs.fields(type(command))}
        for name, text in fields.items():
            setattr(command, name, text if wires[name] == TEXT else self.number(name, text))

    def number(self, field, text):
        """-> what a word or a number stands for."""
        for number, word in NAMES.get(field, {}).items():
            if word == text:
                return number
        return int(text)

    # --- what is shown -----------------------------------------------------------------------------------------------

    def shown(self, event):
        parts = [type(event).__name__]
        for field in attrs.fields(type(event)):
            if not field.kw_only:  # the envelope
                value = getattr(event, field.name)
                if value or field.name == "account":
                    parts.append(self.shown_field(field.name, value))
        return " ".join(parts)

    def shown_field(self, name, value):
        if name == "order_id":
            return self.name_of(self.orders, value)
        if name == "instrument":
            return self.name_of(self.instruments, value)
        if name in FLAGS and value == 1:
            return name
        return NAMES.get(name, {}).get(value, "%s=%s" % (name, value))

    def name_of(self, names, number):
        found = [name for name, named in names.items() if named == number]
        return found[-1] if found else str(number)

    def book(self, symbols):
        """-> a line for each price level, its orders with what they still have to fill, the oldest first."""
        lines = []
        for symbol in symbols:
            for word, side in (("bids", Side.BUY), ("asks", Side.SELL)):
                levels = {}
                for order_id, price, open_quantity in self.queue(self.instruments[symbol], side):
                    levels.setdefault(price, []).append("%s %d" % (self.name_of(self.orders, order_id), open_quantity))
                for price, orders in levels.items():
                    lines.append("%s %s %d: %s" % (symbol, word, price, ", ".join(orders)))
                if not levels:
                    lines.append("%s %s: none" % (symbol, word))
        return lines
