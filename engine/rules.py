"""What an order has to be to be taken: each function gives the code of the first rule it breaks, or 0. Pure.

Nothing is changed here, so that a reject leaves no trace. The order of the rules is part of them (docs/conventions.md).
"""

from engine.book import NO_LEVEL
from engine.instruments import NOTIONAL_MAX, UNITS_MAX, is_plain, price_problem, quantity_problem
from engine.orders import NIL
from protocol.messages import (
    CLIENT_ORDER_ID_MAX,
    FEES_ACCOUNT,
    Code,
    InstrumentState,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)


def place_problem(trading, now_ns, command):
    """-> (code, quantity, notional): why a PlaceOrder is rejected, or 0 and what it is an order for: its quantity (of a
    market order by amount: what that buys or sells now) and its price x quantity, as far as it can be known."""
    book = trading.books.get(command.instrument)
    if book is None:
        return Code.UNKNOWN_INSTRUMENT, 0, 0
    code = _naming_problem(command)
    if code:
        return code, 0, 0
    quantity = command.quantity
    by_amount = command.quote_quantity != 0
    if by_amount:
        if command.order_type != OrderType.MARKET or quantity or not 0 < command.quote_quantity <= NOTIONAL_MAX:
            return Code.INVALID_QUOTE_QUANTITY, 0, 0
    else:
        code = quantity_problem(book.instrument, quantity)
    code = code or _terms_problem(book, now_ns, command)
    if code:
        return code, 0, 0
    price = command.price or command.stop_price
    if price and price * quantity > NOTIONAL_MAX:
        return Code.NOTIONAL_TOO_LARGE, 0, 0
    code = _matching_problem(trading.orders, book, command)
    if code:
        return code, 0, 0
    notional = price * quantity
    if command.order_type == OrderType.MARKET:
        limit = collar_price(book, command.side)
        if not by_amount and limit * quantity > NOTIONAL_MAX:
            return Code.NOTIONAL_TOO_LARGE, 0, 0
        filled, notional = walk(
            trading.orders, book, command.side, command.account, command.self_trade_prevention, limit, quantity,
            command.quote_quantity,
        )  # fmt: skip
        if by_amount:
            quantity = filled
            if quantity == 0:
                return Code.QUOTE_QUANTITY_TOO_SMALL, 0, 0
            if command.time_in_force == TimeInForce.FOK and notional < command.quote_quantity:
                more, _ = walk(
                    trading.orders, book, command.side, command.account, command.self_trade_prevention, limit,
                    quantity + book.instrument.lot, 0,
                )  # fmt: skip
                if more == quantity:  # it is not the amount that ended it, but what is there
                    return Code.FOK_UNFILLABLE, 0, 0
    code = _limits_problem(book, command.side, command.price, quantity, notional, quantity)
    if code == 0 and trading.orders.is_full():
        code = Code.VENUE_FULL
    return code, quantity, notional


def _naming_problem(command):
    if command.account == 0 or command.account == FEES_ACCOUNT:
        return Code.INVALID_ACCOUNT
    if command.side != Side.BUY and command.side != Side.SELL:
        return Code.INVALID_SIDE
    if command.client_order_id and (
        len(command.client_order_id) > CLIENT_ORDER_ID_MAX or not is_plain(command.client_order_id)
    ):
        return Code.INVALID_CLIENT_ORDER_ID
    return 0


def _limits_problem(book, side, price, quantity, notional, added):
    """The instrument's own limits, and those of numbers. `added`: the open quantity the side would have more."""
    instrument = book.instrument
    if quantity < instrument.quantity_min:
        return Code.QUANTITY_BELOW_MINIMUM
    if instrument.quantity_max and quantity > instrument.quantity_max:
        return Code.QUANTITY_ABOVE_MAXIMUM
    if notional < instrument.notional_min:
        return Code.NOTIONAL_BELOW_MINIMUM
    if price and instrument.band_bps and book.last_price:
        if abs(price - book.last_price) * 10_000 > book.last_price * instrument.band_bps:
            return Code.PRICE_OUTSIDE_BAND
    if notional * instrument.quote_multiplier > NOTIONAL_MAX or quantity * instrument.base_multiplier > NOTIONAL_MAX:
        return Code.NOTIONAL_TOO_LARGE
    if book.side(side).open_quantity + book.stops(side).open_quantity + added > NOTIONAL_MAX:
        return Code.BOOK_FULL
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
    if command.post_only > 1:
        return Code.POST_ONLY_INVALID
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


def _matching_problem(orders, book, command):
    """What stands against the order at this moment: the instrument's state and the opposite side."""
    state = book.instrument.state
    if state == InstrumentState.HALTED:
        return Code.INSTRUMENT_HALTED
    if state == InstrumentState.CANCEL_ONLY:
        return Code.INSTRUMENT_CANCEL_ONLY
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
    if command.time_in_force == TimeInForce.FOK and not command.quote_quantity:
        filled, _ = walk(
            orders, book, command.side, command.account, command.self_trade_prevention, limit, command.quantity, 0
        )
        if filled < command.quantity:
            return Code.FOK_UNFILLABLE
    return 0


def walk(orders, book, side, account, self_trade_prevention, limit, quantity, amount):
    """What an order would trade at once at `limit` or better -> (quantity, price x quantity).

    It is for `quantity`, or, where that is 0, for whole lots up to `amount` of price x quantity. Self-trade prevention
    is counted in: own orders are passed over, or end it. O(levels walked); O(orders walked) for an account that has
    open orders and asks for prevention.
    """
    opposite = book.opposite(side)
    lot = book.instrument.lot
    by_order = self_trade_prevention != SelfTradePrevention.NONE and account in orders.holder_of
    filled = notional = 0
    left = quantity
    for key in opposite.keys:
        if key > limit * opposite.sign:
            break
        price = key * opposite.sign
        level = opposite.level_of[key]
        slot = opposite.first[level] if by_order else NIL
        while True:
            there = orders.open_quantity[slot] if by_order else opposite.quantity[level]
            if by_order and orders.account[slot] == account:
                if self_trade_prevention == SelfTradePrevention.DECREMENT and quantity:
                    left -= min(there, left)
                elif self_trade_prevention != SelfTradePrevention.CANCEL_MAKER:
                    return filled, notional
            else:
                wanted = left if quantity else (amount - notional) // price // lot * lot
                taken = min(there, wanted)
                filled += taken
                notional += taken * price
                left -= taken
                if taken < there:
                    return filled, notional
            if quantity and left == 0:
                return filled, notional
            slot = orders.next[slot] if by_order else NIL
            if slot == NIL:
                break
    return filled, notional


def amend_problem(trading, slot, command):
    """-> Code of why an AmendOrder of the open order at `slot` is rejected, or 0."""
    orders = trading.orders
    book = trading.books[orders.instrument[slot]]
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
    is_smaller_only = price == orders.price[slot] and stop_price == orders.stop_price[slot]
    if instrument.state == InstrumentState.HALTED:
        return Code.INSTRUMENT_HALTED
    if instrument.state == InstrumentState.CANCEL_ONLY and not (is_smaller_only and quantity <= orders.quantity[slot]):
        return Code.INSTRUMENT_CANCEL_ONLY
    if is_smaller_only and quantity == orders.quantity[slot]:
        return Code.AMEND_NO_CHANGE
    if quantity <= orders.quantity[slot] - orders.open_quantity[slot]:
        return Code.AMEND_BELOW_FILLED
    if not orders.is_waiting[slot] and book.opposite(side).crosses(price):
        if instrument.state == InstrumentState.POST_ONLY:
            return Code.INSTRUMENT_POST_ONLY
        if orders.post_only[slot]:
            return Code.POST_ONLY_WOULD_MATCH
    if is_smaller_only and quantity < orders.quantity[slot]:
        return 0  # limits may have changed since it was placed; making it smaller is always allowed
    added = quantity - orders.quantity[slot]
    return _limits_problem(book, side, command.price, quantity, (price or stop_price) * quantity, added)


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
