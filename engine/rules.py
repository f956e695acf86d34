"""What an order has to be to be taken: each function gives the code of the first rule it breaks, or 0. Pure.

Nothing is changed here, so that a reject leaves no trace. The order of the rules is part of them (docs/conventions.md).
"""

from engine.book import NO_LEVEL
from engine.instruments import NOTIONAL_MAX, UNITS_MAX, is_plain, price_problem, quantity_problem
from engine.orders import NIL
from protocol.messages import (
    CLIENT_ORDER_ID_MAX,
    Code,
    InstrumentState,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)


def place_problem(exchange, now_ns, command):
    """-> Code of why a PlaceOrder is rejected, or 0."""
    book = exchange.books.get(command.instrument)
    if book is None:
        return Code.UNKNOWN_INSTRUMENT
    if command.account == 0:
        return Code.INVALID_ACCOUNT
    side = command.side
    if side != Side.BUY and side != Side.SELL:
        return Code.INVALID_SIDE
    if command.client_order_id and (
        len(command.client_order_id) > CLIENT_ORDER_ID_MAX or not is_plain(command.client_order_id)
    ):
        return Code.INVALID_CLIENT_ORDER_ID
    quantity = command.quantity
    code = quantity_problem(book.instrument, quantity) or _terms_problem(book, now_ns, command)
    if code:
        return code
    price = command.price or command.stop_price or collar_price(book, side)
    if price * quantity > NOTIONAL_MAX:
        return Code.NOTIONAL_TOO_LARGE
    code = _matching_problem(exchange, book, command)
    if code:
        return code
    if book.side(side).open_quantity + book.stops(side).open_quantity + quantity > NOTIONAL_MAX:
        return Code.BOOK_FULL
    if exchange.orders.is_full():
        return Code.VENUE_FULL
    return 0


def _terms_problem(book, now_ns, command):
    """Which of type, time in force, prices and flags go together."""
    time_in_force = command.time_in_force
    order_type = command.order_type
    if not TimeInForce.GTC <= time_in_force <= TimeInForce.GTD:
        return Code.INVALID_TIME_IN_FORCE
    if not SelfTradePrevention.CANCEL_TAKER <= command.self_trade_prevention <= SelfTradePrevention.NONE:
        return Code.INVALID_SELF_TRADE_PREVENTION
    if time_in_force == TimeInForce.GTD:
        if command.expire_time_ns <= now_ns:
            return Code.INVALID_EXPIRE_TIME
    elif command.expire_time_ns:
        return Code.INVALID_EXPIRE_TIME
    is_waiting = time_in_force == TimeInForce.GTC or time_in_force == TimeInForce.GTD
    if order_type == OrderType.LIMIT or order_type == OrderType.STOP_LIMIT:
        code = price_problem(book.instrument, command.price)
        if code:
            return code
        if command.post_only and (order_type == OrderType.STOP_LIMIT or not is_waiting):
            return Code.POST_ONLY_INVALID
    elif order_type == OrderType.MARKET or order_type == OrderType.STOP:
        if command.price:
            return Code.INVALID_PRICE
        if command.post_only:
            return Code.POST_ONLY_INVALID
        if order_type == OrderType.MARKET and is_waiting:
            return Code.MARKET_NEEDS_IMMEDIATE
        if order_type == OrderType.STOP and not is_waiting:
            return Code.STOP_NEEDS_TO_WAIT
    else:
        return Code.INVALID_ORDER_TYPE
    return _stop_price_problem(book, command)


def _stop_price_problem(book, command):
    stop_price = command.stop_price
    if command.order_type < OrderType.STOP:
        return Code.INVALID_STOP_PRICE if stop_price else 0
    if not 0 < stop_price <= UNITS_MAX or stop_price % book.instrument.tick:
        return Code.INVALID_STOP_PRICE
    if book.would_trigger(command.side, stop_price):
        return Code.STOP_WOULD_TRIGGER
    return 0


def _matching_problem(exchange, book, command):
    """What stands against the order at this moment: the instrument's state and the opposite side."""
    state = book.instrument.state
    if state == InstrumentState.HALTED:
        return Code.INSTRUMENT_HALTED
    if command.order_type >= OrderType.STOP:
        return 0  # it waits
    opposite = book.opposite(command.side)
    is_market = command.order_type == OrderType.MARKET
    limit = collar_price(book, command.side) if is_market else command.price
    is_immediate = command.time_in_force == TimeInForce.IOC or command.time_in_force == TimeInForce.FOK
    if state == InstrumentState.POST_ONLY and (is_immediate or opposite.crosses(limit)):
        return Code.INSTRUMENT_POST_ONLY
    if is_market and opposite.best == NO_LEVEL:
        return Code.NO_LIQUIDITY
    if command.post_only and opposite.crosses(limit):
        return Code.POST_ONLY_WOULD_MATCH
    if command.time_in_force == TimeInForce.FOK and not can_fill(
        exchange, opposite, command.account, command.self_trade_prevention, limit, command.quantity
    ):
        return Code.FOK_UNFILLABLE
    return 0


def can_fill(exchange, opposite, account, self_trade_prevention, limit, quantity):
    """True where an order would fill whole at `limit` or better, self-trade prevention counted in.

    O(levels walked); O(orders walked) where the account has open orders of its own and asks for prevention.
    """
    orders = exchange.orders
    if self_trade_prevention == SelfTradePrevention.NONE or account not in orders.account_first:
        return opposite.can_fill(limit, quantity)
    for key in opposite.keys:
        if key > limit * opposite.sign:
            return False
        slot = opposite.first[opposite.level_of[key]]
        while slot != NIL:
            if orders.account[slot] != account:
                quantity -= orders.open_quantity[slot]
                if quantity <= 0:
                    return True
            elif self_trade_prevention != SelfTradePrevention.CANCEL_MAKER:
                return False  # it would stop here, or go on with less than was asked for
            slot = orders.next[slot]
    return False


def amend_problem(exchange, slot, command):
    """-> Code of why an AmendOrder of the open order at `slot` is rejected, or 0."""
    orders = exchange.orders
    book = exchange.books[orders.instrument[slot]]
    instrument = book.instrument
    side = orders.side[slot]
    price = command.price or orders.price[slot]
    quantity = command.quantity or orders.quantity[slot]
    stop_price = command.stop_price or orders.stop_price[slot]
    if orders.order_type[slot] == OrderType.STOP:
        code = Code.INVALID_PRICE if command.price else 0
    else:
        code = price_problem(instrument, price)
    code = code or quantity_problem(instrument, quantity)
    if not code and command.stop_price:
        code = _amended_stop_problem(orders.is_waiting[slot], book, side, stop_price)
    if code:
        return code
    if (price or stop_price) * quantity > NOTIONAL_MAX:
        return Code.NOTIONAL_TOO_LARGE
    if instrument.state == InstrumentState.HALTED:
        return Code.INSTRUMENT_HALTED
    if price == orders.price[slot] and quantity == orders.quantity[slot] and stop_price == orders.stop_price[slot]:
        return Code.AMEND_NO_CHANGE
    if quantity <= orders.quantity[slot] - orders.open_quantity[slot]:
        return Code.AMEND_BELOW_FILLED
    if not orders.is_waiting[slot] and book.opposite(side).crosses(price):
        if instrument.state == InstrumentState.POST_ONLY:
            return Code.INSTRUMENT_POST_ONLY
        if orders.post_only[slot]:
            return Code.POST_ONLY_WOULD_MATCH
    added = quantity - orders.quantity[slot]
    if book.side(side).open_quantity + book.stops(side).open_quantity + added > NOTIONAL_MAX:
        return Code.BOOK_FULL
    return 0


def _amended_stop_problem(is_waiting, book, side, stop_price):
    if not is_waiting or not 0 < stop_price <= UNITS_MAX or stop_price % book.instrument.tick:
        return Code.INVALID_STOP_PRICE
    return Code.STOP_WOULD_TRIGGER if book.would_trigger(side, stop_price) else 0


def collar_price(book, side):
    """The worst price a market order may trade at: collar_bps from the best opposite price, not beyond it."""
    best = book.opposite(side).best_price()
    bps = book.instrument.collar_bps
    if side == Side.BUY:
        return best * (10_000 + bps) // 10_000
    return -(-best * (10_000 - bps) // 10_000)
