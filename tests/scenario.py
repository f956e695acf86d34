"""Scenarios: text files in which each command is followed by the exact events it gives, run and compared as text.

    # A comment. Lines indented by two spaces are what the commands gave; `pytest --rewrite` writes them anew.
    given define GOLD
    alice sell 5 at 101 as a
      OrderAccepted alice a GOLD sell limit gtc price=101 quantity=5 open_quantity=5

The commands (ACCOUNT: a name of ACCOUNTS or a number; ORDER: a name it was given, or a number; SYMBOL: of an
instrument, the first where none is named; ASSET: a symbol; numbers are whole units):

    ACCOUNT buy|sell QUANTITY at PRICE|market    limit, market
    ACCOUNT buy|sell QUANTITY stop STOP          stop: a market order once elected
    ACCOUNT buy|sell QUANTITY at PRICE stop STOP stop-limit
    ACCOUNT buy|sell for AMOUNT at market        market, by amount of the quote asset
                                                 and after each: [gtc|ioc|fok|until TIME] [post_only] [second_factor]
                                                 [stp cancel_taker|cancel_maker|cancel_both|decrement|none]
                                                 [in SYMBOL] [as NAME]
    ACCOUNT amend ORDER                          [to QUANTITY] [at PRICE] [stop STOP]
    ACCOUNT cancel ORDER
    ACCOUNT cancel_all                           [buy|sell] [in SYMBOL]
    tick
    asset ASSET                                  the first is asset 1
    define SYMBOL [of BASE for QUOTE]            the first is instrument 1; without assets it trades without funds
    state SYMBOL open|halted|post_only|cancel_only
    limit SYMBOL ...                             fields quantity_min, quantity_max, notional_min, band_bps
    rates SYMBOL MAKER TAKER [tier TIER]         of fees, in 1/1,000,000
    cancel_instrument SYMBOL [buy|sell]
    cancel_account ACCOUNT [buy|sell] [in SYMBOL]
    open USER                                    a name of ACCOUNTS gets its number, else the next that is free
    deposit ACCOUNT AMOUNT ASSET [by REFERENCE]
    withdraw ACCOUNT AMOUNT ASSET [by REFERENCE]
    tier ACCOUNT TIER
    limits ACCOUNT ASSET ...                     fields order_notional_max, daily_notional_max, second_factor_above,
                                                 open_orders_max
    rate ACCOUNT COMMANDS                        a second, of each of its sessions
    block ACCOUNT, unblock ACCOUNT

and after each, FIELD=VALUE sets any field of the command: tick=5, client_order_id=mine, side=9. These are no commands,
but say when and how much, or show what there is:

    time TIME, time +TIME                        from here on; nanoseconds, or 3s, 12h, 2d
    slots NUMBER                                 how many orders the venue has room for, from here on
    book, stops [SYMBOL ...]                     the orders of the book, the stop orders that wait; in their order
    orders [ACCOUNT ...]                         open orders in order-id order, with what is reserved for each
    balances [ACCOUNT ...]                       available and reserved
    states [SYMBOL ...]                          of the instrument, and the last trade's price

Before a command, `given`: its events are not shown, and it must not be rejected. `brief`: its events are counted, and
the first, the last and a checksum of all are shown. `repeat N`: it is given N times, # being 1, 2, ... N, also as
`100+#` and `100-#`. To add a command, add a function `on_...`.

In the events a field that is 0 or empty, or says cancel_taker, is left out, numbers with a name are shown as that name,
the seventh order of all is #7 where it has none, an account that is opened is told as a number, and the fields of the
envelope (sequence, time, key, request) are not the exchange's to fill.
"""

import hashlib
import re
from functools import partial

import attrs

from protocol import messages
from protocol.messages import (
    TEXT,
    AmendOrder,
    BlockAccount,
    CancelAccount,
    CancelAll,
    CancelInstrument,
    CancelOrder,
    CommandRejected,
    DefineAsset,
    DefineInstrument,
    Deposit,
    OpenAccount,
    OrderType,
    PlaceOrder,
    SelfTradePrevention,
    SetAccountLimits,
    SetAccountRate,
    SetAccountTier,
    SetFees,
    SetInstrumentLimits,
    SetInstrumentState,
    Side,
    Tick,
    TimeInForce,
    Withdraw,
)

INDENT = "  "
COUNT = re.compile(r"(?:(\d+)([+-]))?#")  # in a repeated command
SLOT_BITS = 22  # an order id is its number and these, see docs/decisions/0002-order-ids-carry-their-slot.md
ACCOUNTS = {"venue": 0, "alice": 1, "bob": 2, "carol": 3, "dave": 4, "fees": messages.FEES_ACCOUNT}
TRADERS = ("alice", "bob", "carol", "dave")
UNITS_NS = {"": 1, "s": 10**9, "h": 3_600 * 10**9, "d": 86_400 * 10**9}

#: field -> {number: word}
NAMES = {
    "account": {number: name for name, number in ACCOUNTS.items()},
    "side": messages.SIDES,
    "taker_side": messages.SIDES,
    "order_type": messages.ORDER_TYPES,
    "time_in_force": messages.TIMES_IN_FORCE,
    "self_trade_prevention": messages.SELF_TRADE_PREVENTIONS,
    "mode": messages.SELF_TRADE_PREVENTIONS,
    "state": messages.INSTRUMENT_STATES,
    "reason": messages.CANCEL_REASONS,
    "code": messages.CODES,
    "liquidity": messages.names_of(messages.Liquidity),
}
#: shown as a word where they are 1
FLAGS = {
    "post_only": "post_only",
    "kept_priority": "kept_priority",
    "is_duplicate": "duplicate",
    "is_new": "new",
    "is_open": "open",
    "is_blocked": "blocked",
}
LEFT_OUT = {"self_trade_prevention": SelfTradePrevention.CANCEL_TAKER}


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

    def take_all(self):
        words, self.words = self.words, []
        return words

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
    """One run of a scenario on an exchange or on the model of one; ids and numbers by the names it gave them."""

    def __init__(self, venue):
        """`venue`: see tests/venues.py."""
        self.venue = venue
        self.seq = 0
        self.now_ns = 0
        self.instruments = {}  # symbol -> number
        self.assets = {}
        self.accounts = dict(ACCOUNTS)
        self.orders = {}  # name -> order id
        self.order_names = {}  # the other way round
        self.references = 0

    def run(self, text):
        """-> the text, what the commands give now in place of what it says they give. Raises ScenarioError."""
        lines = []
        for number, line in enumerate(text.splitlines(), start=1):
            if line.startswith(INDENT):
                continue
            lines.append(line)
            if line and not line.startswith("#"):
                try:
                    lines += [INDENT + shown for shown in self.line(line)]
                except (ScenarioError, LookupError, ValueError, AttributeError) as problem:
                    raise ScenarioError("line %d, %r: %r" % (number, line, problem)) from problem
        return "\n".join(lines) + "\n"

    def line(self, line):
        """-> lines to show."""
        first, _, rest = line.partition(" ")
        if first == "given":
            events = self.commands(rest)
            if events and isinstance(events[0], CommandRejected):
                raise ScenarioError("is given, and rejected: " + self.shown(events[0]))
            return []
        if first == "brief":
            return self.in_brief(self.commands(rest))
        show = getattr(self, "show_" + first, None)
        if show:
            return show(Words(rest))
        return [self.shown(event) for event in self.commands(line)]

    def commands(self, line):
        """-> events of the command, or of all its repetitions."""
        if not line.startswith("repeat "):
            return self.command(Words(line))
        _, count, line = line.split(" ", 2)
        events = []
        for number in range(1, int(count) + 1):
            events += self.command(Words(COUNT.sub(partial(counted, number), line)))
        return events

    def command(self, words):
        verb = words.take()
        account = 0
        if verb in self.accounts or verb.isdigit():
            account = self.account(verb)
            verb = words.take()
        name = words.after("as")
        command = getattr(self, "on_" + verb)(words)
        command.account = command.account or account
        self.set_fields(command, words.fields)
        if words.words:
            raise ScenarioError("what is %s?" % " ".join(words.words))
        self.seq += 1
        events = self.venue.apply(self.seq, self.now_ns, command)
        self.learn(events[0] if events else None, name)
        return events

    def learn(self, first, name):
        """Remember the name of what was made."""
        kind = type(first).__name__
        if kind == "OrderAccepted" and name:
            self.orders[name] = first.order_id
            self.order_names[first.order_id] = name
        elif kind == "InstrumentDefined":
            self.instruments[first.symbol] = first.instrument
        elif kind == "AssetDefined":
            self.assets[first.symbol] = first.asset
        elif kind == "AccountOpened":
            self.accounts[first.user] = first.account

    # --- commands of traders -----------------------------------------------------------------------------------------

    def on_buy(self, words):
        return self.place(Side.BUY, words)

    def on_sell(self, words):
        return self.place(Side.SELL, words)

    def place(self, side, words):
        price = words.after("at")
        stop_price = words.after("stop")
        amount = words.after("for", 0)
        if price is None and stop_price is None:
            raise ScenarioError("at which price?")
        is_market = price == "market"
        order_type = OrderType.MARKET if is_market else OrderType.LIMIT
        if stop_price is not None:
            order_type = OrderType.STOP if price is None else OrderType.STOP_LIMIT
        until = words.after("until")
        time_in_force = TimeInForce.IOC if is_market else TimeInForce.GTC
        word = words.either(*messages.TIMES_IN_FORCE.values())
        if word:
            time_in_force = self.number("time_in_force", word)
        elif until:
            time_in_force = TimeInForce.GTD
        prevention = words.after("stp", "cancel_taker")
        return PlaceOrder(
            account=0,
            instrument=self.instrument(words),
            side=side,
            order_type=order_type,
            time_in_force=time_in_force,
            post_only=1 if words.either("post_only") else 0,
            price=0 if is_market or price is None else int(price),
            quantity=0 if amount else int(words.take()),
            self_trade_prevention=self.number("self_trade_prevention", prevention),
            stop_price=int(stop_price or 0),
            expire_time_ns=nanoseconds(until) if until else 0,
            quote_quantity=int(amount),
            second_factor=1 if words.either("second_factor") else 0,
        )

    def instrument(self, words):
        symbol = words.after("in") or next(iter(self.instruments))
        return self.instruments[symbol]

    def on_cancel(self, words):
        return CancelOrder(0, self.order_id(words))

    def on_amend(self, words):
        order_id = self.order_id(words)
        price, quantity, stop_price = (int(words.after(word, 0)) for word in ("at", "to", "stop"))
        return AmendOrder(0, order_id, price, quantity, stop_price)

    def order_id(self, words):
        word = words.take()
        return self.orders[word] if word in self.orders else int(word)

    def on_cancel_all(self, words):
        return CancelAll(0, *self.selection(words))

    def selection(self, words):
        """-> (instrument, side), 0 where the words do not name one."""
        side = words.either("buy", "sell")
        symbol = words.after("in")
        return self.instruments[symbol] if symbol else 0, self.number("side", side) if side else 0

    def on_tick(self, words):
        return Tick(0)

    # --- commands of administrators ----------------------------------------------------------------------------------

    def on_asset(self, words):
        return DefineAsset(0, len(self.assets) + 1, 0, 0, words.take())

    def on_define(self, words):
        base, quote = (self.number("asset", words.after(word, "0")) for word in ("of", "for"))
        return DefineInstrument(0, len(self.instruments) + 1, 0, 0, 1, 1, 1_000, base, quote, 0, words.take())

    def on_state(self, words):
        return SetInstrumentState(0, self.instruments[words.take()], self.number("state", words.take()))

    def on_limit(self, words):
        return SetInstrumentLimits(0, self.instruments[words.take()], 0, 0, 0, 0, 0)

    def on_rates(self, words):
        tier = int(words.after("tier", 0))
        return SetFees(0, self.instruments[words.take()], tier, int(words.take()), int(words.take()), 0)

    def on_cancel_instrument(self, words):
        side = words.either("buy", "sell")
        return CancelInstrument(0, self.instruments[words.take()], self.number("side", side) if side else 0, 0)

    def on_cancel_account(self, words):
        selection = self.selection(words)
        return CancelAccount(self.account(words.take()), *selection, 0)

    def on_open(self, words):
        user = words.take()
        return OpenAccount(ACCOUNTS.get(user, 0), 0, user)

    def on_deposit(self, words):
        return self.movement(Deposit, words)

    def on_withdraw(self, words):
        return self.movement(Withdraw, words)

    def movement(self, command, words):
        self.references += 1
        reference = words.after("by", "reference-%d" % self.references)
        account, amount, asset = self.account(words.take()), int(words.take()), self.number("asset", words.take())
        return command(account, asset, amount, 0, reference)

    def on_tier(self, words):
        return SetAccountTier(self.account(words.take()), int(words.take()), 0)

    def on_limits(self, words):
        return SetAccountLimits(self.account(words.take()), self.number("asset", words.take()), 0, 0, 0, 0, 0)

    def on_rate(self, words):
        return SetAccountRate(self.account(words.take()), int(words.take()), 0)

    def on_block(self, words):
        return BlockAccount(self.account(words.take()), 1, 0)

    def on_unblock(self, words):
        return BlockAccount(self.account(words.take()), 0, 0)

    # --- words into numbers ------------------------------------------------------------------------------------------

    def set_fields(self, command, fields):
        wires = {field.name: field.metadata["wire"] for field in attrs.fields(type(command))}
        for name, text in fields.items():
            setattr(command, name, text if wires[name] == TEXT else self.number(name, text))

    def account(self, text):
        return self.accounts[text] if text in self.accounts else int(text)

    def number(self, field, text):
        """-> what a word or a number stands for."""
        if field in ("asset", "base", "quote") and text in self.assets:
            return self.assets[text]
        if field == "account":
            return self.account(text)
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
                if field.name == "account" and parts == ["AccountOpened"]:
                    parts.append(str(value))
                elif field.name == "account" or value and value != LEFT_OUT.get(field.name):
                    parts.append(self.shown_field(field.name, value))
        return " ".join(parts)

    def shown_field(self, name, value):
        if name == "order_id":
            return self.name_of_order(value)
        if name in ("maker_order_id", "taker_order_id"):
            return "%s=%s" % (name.split("_")[0], self.name_of_order(value))
        if name == "instrument":
            return name_of(self.instruments, value)
        if name == "account":
            return name_of(self.accounts, value)
        if name == "asset":
            return name_of(self.assets, value)
        if name in ("base", "quote"):
            return "%s=%s" % (name, name_of(self.assets, value))
        if name == "self_trade_prevention":
            return "stp=" + NAMES[name].get(value, str(value))
        if name == "differs":
            return "differs=" + ",".join(
                field for bit, field in enumerate(messages.DUPLICATE_FIELDS) if value & 1 << bit
            )
        if name in FLAGS and value == 1:
            return FLAGS[name]
        return NAMES.get(name, {}).get(value, "%s=%s" % (name, value))

    def name_of_order(self, order_id):
        """-> its name; #7, where the seventh order that was accepted has none."""
        if order_id in self.order_names:
            return self.order_names[order_id]
        return "#%d" % (order_id >> SLOT_BITS) if order_id >> SLOT_BITS else str(order_id)

    def in_brief(self, events):
        """-> how many of each kind, the first and the last, and a checksum of all."""
        counts = {}
        for event in events:
            counts[type(event).__name__] = counts.get(type(event).__name__, 0) + 1
        texts = [self.shown(event) for event in events]
        checksum = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
        lines = ["%d events: %s" % (len(events), ", ".join("%d %s" % (n, kind) for kind, n in counts.items()))]
        return lines + texts[:3] + ["..."] + texts[-3:] + ["checksum of all: " + checksum]

    def show_time(self, words):
        text = words.take()
        self.now_ns = self.now_ns + nanoseconds(text[1:]) if text.startswith("+") else nanoseconds(text)
        return []

    def show_slots(self, words):
        self.venue.set_slots_max(int(words.take()))
        return []

    def show_book(self, words):
        return self.places(words, ("bids", "asks"), self.venue.queue)

    def show_stops(self, words):
        return self.places(words, ("buy stops", "sell stops"), self.venue.stops)

    def places(self, words, names, queue):
        """-> a line for each price, its orders with what they still have to fill, the oldest first."""
        lines = []
        for symbol in words.take_all() or self.instruments:
            for name, side in zip(names, (Side.BUY, Side.SELL)):
                levels = {}
                for order_id, price, open_quantity in queue(self.instruments[symbol], side):
                    levels.setdefault(price, []).append("%s %d" % (self.name_of_order(order_id), open_quantity))
                for price, orders in levels.items():
                    lines.append("%s %s %d: %s" % (symbol, name, price, ", ".join(orders)))
                if not levels:
                    lines.append("%s %s: none" % (symbol, name))
        return lines

    def show_orders(self, words):
        """-> a line for each open order; `row`: a dict of fields as in OrderAccepted, and what is reserved."""
        lines = []
        for name in words.take_all() or TRADERS:
            for row in self.venue.open_orders(self.account(name)):
                shown = [item for item in row.items() if item[1] and item[1] != LEFT_OUT.get(item[0])]
                lines.append(" ".join([name] + [self.shown_field(*item) for item in shown]))
        return lines or ["none"]

    def show_balances(self, words):
        lines = []
        for name in words.take_all() or [name for name in self.accounts if self.venue.has_account(self.account(name))]:
            for symbol, asset in self.assets.items():
                available, reserved = self.venue.balance(self.account(name), asset)
                text = "%s %s %d" % (name, symbol, available)
                lines.append(text + (", reserved %d" % reserved if reserved else ""))
        return lines

    def show_states(self, words):
        lines = []
        for symbol in words.take_all() or self.instruments:
            state, last_price = self.venue.state(self.instruments[symbol])
            lines.append("%s %s, last %s" % (symbol, messages.INSTRUMENT_STATES[state], last_price or "none"))
        return lines


def name_of(names, number):
    found = [name for name, named in names.items() if named == number]
    return found[-1] if found else str(number)


def nanoseconds(text):
    """-> nanoseconds of 17, 3s, 12h or 2d."""
    found = re.fullmatch(r"([\d_]+)([shd]?)", text)
    if not found:
        raise ScenarioError("%s is no time" % text)
    return int(found.group(1)) * UNITS_NS[found.group(2)]


def counted(number, found):
    """-> what a # stands for in the repetition of this number: the number itself, or something plus or minus it."""
    if found.group(1) is None:
        return str(number)
    return str(int(found.group(1)) + (number if found.group(2) == "+" else -number))
