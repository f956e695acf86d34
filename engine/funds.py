"""What an order needs of its account's money, and the account's own limits: at entry, amend and election. Pure.

Instruments without assets trade without funds: nothing here applies to them but the kill switch and the number of open
orders.
"""

from engine.ledger import fee_reserve
from protocol.messages import Code, OrderType, Side


def funding(trading, command, quantity, notional):
    """-> (code, account, amount): why this account may not place this order, or 0; the Account, or None without funds;
    what has to be reserved, in ledger units. `quantity`, `notional`: see rules.place_problem."""
    instrument = trading.books[command.instrument].instrument
    account = trading.ledger.accounts.get(command.account)
    if account is None:
        return (Code.UNKNOWN_ACCOUNT if instrument.base else 0), None, 0
    if account.is_blocked:
        return Code.ACCOUNT_BLOCKED, None, 0
    if account.open_orders_max and trading.orders.count_of(command.account) >= account.open_orders_max:
        return Code.OPEN_ORDERS_LIMIT, None, 0
    if not instrument.base:
        return 0, None, 0
    notional *= instrument.quote_multiplier
    code = limits_problem(trading.ledger, account, instrument, notional, notional, command.second_factor)
    if code:
        return code, None, 0
    if command.side == Side.SELL:
        amount = quantity * instrument.base_multiplier
        asset = instrument.base_asset
    else:
        if command.order_type == OrderType.STOP:
            notional = stop_notional(instrument, command.stop_price, quantity)
        amount = notional + fee_reserve(0, notional, instrument.fees_of(account.tier)[2])
        asset = instrument.quote_asset
    code = 0 if amount <= asset.available[account.index] else Code.INSUFFICIENT_FUNDS
    return code, account, amount


def amend_funding_problem(ledger, slot, instrument, price, quantity, stop_price):
    """-> Code of why the account of the open order at `slot` may not bring it to these terms, or 0. Its own limits
    count where the order grows: it was within them, or they were not there, when it was placed."""
    if not instrument.base:
        return 0
    orders = ledger.orders
    open_quantity = orders.open_quantity[slot] + quantity - orders.quantity[slot]
    notional = (price or stop_price) * quantity
    if notional > (orders.price[slot] or orders.stop_price[slot]) * orders.quantity[slot]:
        notional *= instrument.quote_multiplier
        left_notional = (price or stop_price) * open_quantity * instrument.quote_multiplier
        account = ledger.accounts[orders.account[slot]]
        code = limits_problem(ledger, account, instrument, notional, left_notional, 0)
        if code:
            return code
    amount = needed(orders, slot, instrument, price, open_quantity, stop_price)
    return 0 if can_afford(orders, slot, instrument, amount) else Code.INSUFFICIENT_FUNDS


def limits_problem(ledger, account, instrument, notional, left_notional, second_factor):
    """-> Code of the account's limit that an order breaks, or 0. `notional` of all of it, `left_notional` of what it
    may still trade, in ledger units."""
    limits = account.limits.get(instrument.quote)
    if limits is None:
        return 0
    if limits.order_notional_max and notional > limits.order_notional_max:
        return Code.ORDER_NOTIONAL_LIMIT
    if limits.daily_notional_max:
        if ledger.traded_today(account, instrument.quote_asset) + left_notional > limits.daily_notional_max:
            return Code.DAILY_NOTIONAL_LIMIT
    if limits.second_factor_above and notional > limits.second_factor_above and not second_factor:
        return Code.SECOND_FACTOR_REQUIRED
    return 0


def stop_notional(instrument, stop_price, quantity):
    """What a waiting stop order to buy is taken to cost, in ledger units: its stop price and the collar above it."""
    worst = -(-stop_price * (10_000 + instrument.collar_bps) // 10_000)
    return worst * quantity * instrument.quote_multiplier


def needed(orders, slot, instrument, price, open_quantity, stop_price):
    """-> what an open order that rests or waits has to have reserved, at these terms, in ledger units."""
    if orders.side[slot] == Side.SELL:
        return open_quantity * instrument.base_multiplier
    if price:
        notional = price * open_quantity * instrument.quote_multiplier
    else:
        notional = stop_notional(instrument, stop_price, open_quantity)
    return notional + fee_reserve(orders.fee_surplus[slot], notional, orders.fee_ppm_max[slot])


def can_afford(orders, slot, instrument, amount):
    """True where the account of the order at `slot` can bring what is reserved for it to `amount`."""
    asset = instrument.quote_asset if orders.side[slot] == Side.BUY else instrument.base_asset
    return amount - orders.reserved[slot] <= asset.available[orders.account_index[slot]]
