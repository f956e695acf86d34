"""The rules an order has to keep: generators of the codes of all it breaks, the one to report first."""

import copy

from protocol.messages import (
    Code,
    InstrumentState,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.model.orders import WAITING

UNITS_MAX = 10**15
AMOUNT_MAX = 2**62
FEES_ACCOUNT = 2**32 - 1
IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)


def faults_of_place(model, command):
    """Lazy: each rule may rely on those before it being kept."""
    market = model.markets.get(command.instrument)
    if market is None:
        yield Code.UNKNOWN_INSTRUMENT
    if command.account in (0, FEES_ACCOUNT):
        yield Code.INVALID_ACCOUNT
    if command.side not in (Side.BUY, Side.SELL):
        yield Code.INVALID_SIDE
    if len(command.client_order_id) > 36 or not is_printable_ascii(command.client_order_id):
        yield Code.INVALID_CLIENT_ORDER_ID
    if command.quote_quantity:
        if command.order_type != OrderType.MARKET or command.quantity != 0:
            yield Code.INVALID_QUOTE_QUANTITY
        if command.quote_quantity < 0 or command.quote_quantity > AMOUNT_MAX:
            yield Code.INVALID_QUOTE_QUANTITY
    else:
        yield from faults_of_quantity(market, command.quantity)
    yield from faults_of_terms(model, market, command)
    price = command.price if command.price else command.stop_price
    if price * command.quantity > AMOUNT_MAX:
        yield Code.NOTIONAL_TOO_LARGE
    yield from faults_of_the_moment(model, market, command)
    quantity, notional = command.quantity, price * command.quantity
    if command.order_type == OrderType.MARKET:
        if model.limit_of(command) * quantity > AMOUNT_MAX:
            yield Code.NOTIONAL_TOO_LARGE
        if command.quote_quantity:
            quantity = model.lots_for_amount(command)
            if quantity == 0:
                yield Code.QUOTE_QUANTITY_TOO_SMALL
            if command.time_in_force == TimeInForce.FOK:
                filled, spent = model.would_trade(command, quantity)
                one_more, _ = model.would_trade(command, quantity + market.definition.lot)
                if spent < command.quote_quantity and one_more == filled:
                    yield Code.FOK_UNFILLABLE
        _, notional = model.would_trade(command, quantity)
    yield from faults_of_size(model, command.instrument, command.side, command.price, quantity, quantity, notional)
    if model.ids.is_full():
        yield Code.VENUE_FULL
    yield from faults_of_account(model, market, command, quantity, notional)


def faults_of_terms(model, market, command):
    """Type, time in force, prices and flags that do not go together."""
    if command.time_in_force not in (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD):
        yield Code.INVALID_TIME_IN_FORCE
    if command.self_trade_prevention not in (
        SelfTradePrevention.CANCEL_TAKER,
        SelfTradePrevention.CANCEL_MAKER,
        SelfTradePrevention.CANCEL_BOTH,
        SelfTradePrevention.DECREMENT,
        SelfTradePrevention.NONE,
    ):
        yield Code.INVALID_SELF_TRADE_PREVENTION
    if command.time_in_force == TimeInForce.GTD and command.expire_time_ns <= model.now_ns:
        yield Code.INVALID_EXPIRE_TIME
    if command.time_in_force != TimeInForce.GTD and command.expire_time_ns != 0:
        yield Code.INVALID_EXPIRE_TIME
    if command.post_only not in (0, 1):
        yield Code.POST_ONLY_INVALID
    if command.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT):
        yield from faults_of_price(market, command.price)
    elif command.order_type in (OrderType.MARKET, OrderType.STOP):
        if command.price != 0:
            yield Code.INVALID_PRICE
    else:
        yield Code.INVALID_ORDER_TYPE
    if command.post_only and (command.order_type != OrderType.LIMIT or command.time_in_force in IMMEDIATE):
        yield Code.POST_ONLY_INVALID
    if command.order_type == OrderType.MARKET and command.time_in_force not in IMMEDIATE:
        yield Code.MARKET_NEEDS_IMMEDIATE
    if command.order_type == OrderType.STOP and command.time_in_force in IMMEDIATE:
        yield Code.STOP_NEEDS_TO_WAIT
    if command.order_type in (OrderType.STOP, OrderType.STOP_LIMIT):
        yield from faults_of_stop_price(model, command.instrument, command.side, command.stop_price)
    elif command.stop_price != 0:
        yield Code.INVALID_STOP_PRICE


def faults_of_the_moment(model, market, command):
    """What the instrument's state and the opposite side have against it."""
    if market.state == InstrumentState.HALTED:
        yield Code.INSTRUMENT_HALTED
    if market.state == InstrumentState.CANCEL_ONLY:
        yield Code.INSTRUMENT_CANCEL_ONLY
    if command.order_type in (OrderType.STOP, OrderType.STOP_LIMIT):
        return
    matches = model.at_or_better(command.instrument, command.side, model.limit_of(command))
    if market.state == InstrumentState.POST_ONLY and (matches or command.time_in_force in IMMEDIATE):
        yield Code.INSTRUMENT_POST_ONLY
    if command.order_type == OrderType.MARKET and not matches:
        yield Code.NO_LIQUIDITY
    if command.post_only and matches:
        yield Code.POST_ONLY_WOULD_MATCH
    if command.time_in_force == TimeInForce.FOK and not command.quote_quantity:
        filled, _ = model.would_trade(command, command.quantity)
        if filled < command.quantity:
            yield Code.FOK_UNFILLABLE


def faults_of_size(model, instrument, side, limit, quantity, added, notional):
    """The instrument's limits, and what numbers may come to. `limit`: the limit price if the command gives one;
    `added`: what the side would hold more."""
    market = model.markets[instrument]
    if quantity < market.quantity_min:
        yield Code.QUANTITY_BELOW_MINIMUM
    if market.quantity_max and quantity > market.quantity_max:
        yield Code.QUANTITY_ABOVE_MAXIMUM
    if notional < market.notional_min:
        yield Code.NOTIONAL_BELOW_MINIMUM
    last = market.last_price
    if limit and last and market.band_bps and abs(limit - last) * 10_000 > last * market.band_bps:
        yield Code.PRICE_OUTSIDE_BAND
    if notional * market.quote_multiplier > AMOUNT_MAX or quantity * market.base_multiplier > AMOUNT_MAX:
        yield Code.NOTIONAL_TOO_LARGE
    if model.open_quantity(instrument, side) + added > AMOUNT_MAX:
        yield Code.BOOK_FULL


def faults_of_account(model, market, command, quantity, notional):
    """The account's own limits, and its money."""
    account = model.accounts.get(command.account)
    if account is None:
        if market.is_funded:
            yield Code.UNKNOWN_ACCOUNT
        return
    if account.is_blocked:
        yield Code.ACCOUNT_BLOCKED
    open_orders = [order for order in model.orders if order.account == command.account]
    if account.open_orders_max and len(open_orders) >= account.open_orders_max:
        yield Code.OPEN_ORDERS_LIMIT
    if not market.is_funded:
        return
    quote = market.definition.quote
    amount = notional * market.quote_multiplier
    yield from faults_of_account_limits(model, command.account, quote, amount, amount, command.second_factor)
    if model.cost_of_placing(command, quantity, amount) > model.available(*model.reserves_in(command)):
        yield Code.INSUFFICIENT_FUNDS


def faults_of_account_limits(model, account, quote, amount, left, second_factor):
    """`amount` of the whole order, `left` of what it may still trade."""
    order_max, daily_max, second_factor_above = model.accounts[account].limits.get(quote, (0, 0, 0))
    if order_max and amount > order_max:
        yield Code.ORDER_NOTIONAL_LIMIT
    if daily_max and model.traded.get((account, quote, model.day), 0) + left > daily_max:
        yield Code.DAILY_NOTIONAL_LIMIT
    if second_factor_above and amount > second_factor_above and not second_factor:
        yield Code.SECOND_FACTOR_REQUIRED


def faults_of_amend(model, order, command, price, quantity, stop_price):
    """`price`, `quantity`, `stop_price`: what the order would have."""
    market = model.markets[order.instrument]
    if order.order_type == OrderType.STOP:
        if command.price != 0:
            yield Code.INVALID_PRICE
    else:
        yield from faults_of_price(market, price)
    yield from faults_of_quantity(market, quantity)
    if command.stop_price != 0:
        if order.status != WAITING:
            yield Code.INVALID_STOP_PRICE
        yield from faults_of_stop_price(model, order.instrument, order.side, stop_price)
    notional = (price if price else stop_price) * quantity
    if notional > AMOUNT_MAX:
        yield Code.NOTIONAL_TOO_LARGE
    same_prices = (price, stop_price) == (order.price, order.stop_price)
    if market.state == InstrumentState.HALTED:
        yield Code.INSTRUMENT_HALTED
    if market.state == InstrumentState.CANCEL_ONLY and not (same_prices and quantity <= order.quantity):
        yield Code.INSTRUMENT_CANCEL_ONLY
    if same_prices and quantity == order.quantity:
        yield Code.AMEND_NO_CHANGE
    if quantity <= order.quantity - order.open_quantity:
        yield Code.AMEND_BELOW_FILLED
    if order.status != WAITING and model.at_or_better(order.instrument, order.side, price):
        if market.state == InstrumentState.POST_ONLY:
            yield Code.INSTRUMENT_POST_ONLY
        if order.post_only:
            yield Code.POST_ONLY_WOULD_MATCH
    if same_prices and quantity < order.quantity:
        return
    added = quantity - order.quantity
    yield from faults_of_size(model, order.instrument, order.side, command.price, quantity, added, notional)
    if market.is_funded and notional > (order.price if order.price else order.stop_price) * order.quantity:
        amount = notional * market.quote_multiplier
        left = amount // quantity * (order.open_quantity + added)
        yield from faults_of_account_limits(model, order.account, market.definition.quote, amount, left, 0)
    after = copy.copy(order)
    after.price, after.quantity, after.stop_price = price, quantity, stop_price
    after.open_quantity += added
    if model.reserve_of(after) - model.reserve_of(order) > model.available(*model.reserves_in(order)):
        yield Code.INSUFFICIENT_FUNDS


def faults_of_price(market, price):
    if price <= 0 or price > UNITS_MAX:
        yield Code.INVALID_PRICE
    if price % market.definition.tick != 0:
        yield Code.PRICE_NOT_ON_TICK


def faults_of_quantity(market, quantity):
    if quantity <= 0 or quantity > UNITS_MAX:
        yield Code.INVALID_QUANTITY
    if quantity % market.definition.lot != 0:
        yield Code.QUANTITY_NOT_ON_LOT


def faults_of_stop_price(model, instrument, side, stop_price):
    if stop_price <= 0 or stop_price > UNITS_MAX or stop_price % model.markets[instrument].definition.tick != 0:
        yield Code.INVALID_STOP_PRICE
    if model.has_reached(instrument, side, stop_price):
        yield Code.STOP_WOULD_TRIGGER


def is_printable_ascii(text):
    return all(33 <= ord(character) <= 126 for character in text)
