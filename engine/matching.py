"""What happens in the books: orders enter, match, prevent self-trades, are elected as stops, and end. Pure.

Whatever matches comes through `_enter`: a new order, one that a trade elected, one that an amend sent to the back.
"""

from sortedcontainers import SortedList

from engine.book import NO_LEVEL
from engine.funds import can_afford, needed
from engine.rules import collar_price, walk
from protocol.messages import (
    CancelReason,
    Liquidity,
    OrderCancelled,
    OrderFilled,
    OrderTriggered,
    OrderType,
    SelfTradePrevented,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

#: Later than any time.
NEVER_NS = 2**63 - 1


class Matching:
    def __init__(self, orders, ledger):
        self.orders = orders
        self.ledger = ledger
        self.books = {}  # instrument number -> Book, in order of definition
        self.trade_count = 0
        self.expiries = SortedList()  # (expire_time_ns, order id) of every open good-till-date order
        self.next_due_ns = NEVER_NS  # when a Tick will have something to do
        self.elected = []  # slots of stop orders elected by the command under way, in order
        self._stop_reason = 0  # see _match
        self._decremented = 0

    def _fund(self, slot, instrument, account, amount):
        """Take the fee rates of now, and reserve `amount`, in ledger units."""
        orders = self.orders
        maker_ppm, taker_ppm, fee_ppm_max = instrument.fees_of(account.tier)
        orders.account_index[slot] = account.index
        orders.maker_ppm[slot] = maker_ppm
        orders.taker_ppm[slot] = taker_ppm
        orders.fee_ppm_max[slot] = fee_ppm_max
        orders.fee_surplus[slot] = 0
        asset = instrument.quote_asset if orders.side[slot] == Side.BUY else instrument.base_asset
        self.ledger.reserve(slot, asset, amount)

    def _reserve(self, slot, instrument):
        """Bring what is reserved for an order that rests or waits to what its terms need now."""
        orders = self.orders
        terms = (orders.price[slot], orders.open_quantity[slot], orders.stop_price[slot])
        asset = instrument.quote_asset if orders.side[slot] == Side.BUY else instrument.base_asset
        self.ledger.reserve(slot, asset, needed(orders, slot, instrument, *terms))

    def _enter(self, book, slot, outcome, events):
        """An open order that stands in no book matches, and rests where it may, or ends. `outcome` (OrderAccepted,
        OrderTriggered, OrderAmended) is told what came of it."""
        orders = self.orders
        side = orders.side[slot]
        quantity = orders.open_quantity[slot]
        order_type = orders.order_type[slot]
        is_market = order_type == OrderType.MARKET or order_type == OrderType.STOP
        limit = collar_price(book, side) if is_market else orders.price[slot]
        left = self._match(book, slot, limit, is_market, events)
        decremented = self._decremented
        outcome.filled_quantity = quantity - left - decremented
        reason = self._stop_reason
        time_in_force = orders.time_in_force[slot]
        rests = not is_market and (time_in_force == TimeInForce.GTC or time_in_force == TimeInForce.GTD)
        if left and rests and not reason:
            outcome.open_quantity = left
            orders.open_quantity[slot] = left
            if decremented:
                orders.quantity[slot] -= decremented
                if book.instrument.base:
                    self._reserve(slot, book.instrument)
            book.side(side).add(slot)
            return
        if left or reason:
            if not reason:
                reason = _remainder_reason(book, side, is_market)
            events.append(self._cancelled(slot, reason, left))
        self._forget(slot)

    def _match(self, book, taker, limit, is_market, events):
        """Fill the order at slot `taker` from the opposite side, best price first, oldest first, at the makers' prices.
        -> quantity left.

        Afterwards `_stop_reason` says whether self-trade prevention has ended the order, and `_decremented` what it
        took off it; else they are 0.
        """
        self._stop_reason = 0
        self._decremented = 0
        orders = self.orders
        order_id = orders.order_id[taker]
        account = orders.account[taker]
        side = orders.side[taker]
        stp = orders.self_trade_prevention[taker]
        quantity = orders.open_quantity[taker]
        makers = book.opposite(side)
        instrument = book.instrument.number
        is_funded = book.instrument.base != 0
        maker_fee = taker_fee = 0
        maker_side = Side.BUY + Side.SELL - side
        key_limit = limit * makers.sign
        while quantity:
            level = makers.best
            if level == NO_LEVEL or makers.key[level] > key_limit:
                break
            slot = makers.first[level]
            maker_account = orders.account[slot]
            if maker_account == account and stp != SelfTradePrevention.NONE:
                quantity = self._prevent(book, slot, taker, quantity, events)
                if self._stop_reason:
                    break
                continue
            price = orders.price[slot]
            maker_open = orders.open_quantity[slot]
            filled = maker_open if maker_open < quantity else quantity
            quantity -= filled
            maker_open -= filled
            self.trade_count = trade_id = self.trade_count + 1
            if is_funded:
                left_price = -1 if is_market else limit
                maker_fee, taker_fee = self._settle(book.instrument, slot, taker, price, filled, left_price * quantity)
            events.append(
                OrderFilled(
                    maker_account,
                    orders.order_id[slot],
                    instrument,
                    maker_side,
                    Liquidity.MAKER,
                    trade_id,
                    price,
                    filled,
                    maker_open,
                    maker_fee,
                )
            )
            events.append(
                OrderFilled(
                    account,
                    order_id,
                    instrument,
                    side,
                    Liquidity.TAKER,
                    trade_id,
                    price,
                    filled,
                    quantity,
                    taker_fee,
                )
            )
            if maker_open:
                makers.reduce(slot, filled)
            else:
                makers.remove(slot)
                self._forget(slot)
            if price != book.last_price:
                book.last_price = price
                self._elect(book, price)
        return quantity

    def _settle(self, instrument, maker, taker, price, quantity, taker_left):
        """Both sides of a fill and their fees move at once. `taker_left`: what the taker may still have to pay, price x
        quantity; below 0 for a market order. -> (maker's fee, taker's fee)."""
        orders = self.orders
        ledger = self.ledger
        multiplier = instrument.quote_multiplier
        notional = price * quantity * multiplier
        maker_ppm = orders.maker_ppm[maker]
        taker_ppm = orders.taker_ppm[taker]
        if orders.side[taker] == Side.BUY:
            maker_fee = ledger.settle_sell(maker, instrument, notional, quantity, maker_ppm)
            taker_left *= multiplier
            taker_fee = ledger.settle_buy(taker, instrument, notional, quantity, taker_ppm, taker_left)
        else:
            maker_left = price * (orders.open_quantity[maker] - quantity) * multiplier
            maker_fee = ledger.settle_buy(maker, instrument, notional, quantity, maker_ppm, maker_left)
            taker_fee = ledger.settle_sell(taker, instrument, notional, quantity, taker_ppm)
        return maker_fee, taker_fee

    def _prevent(self, book, maker, taker, quantity, events):
        """Self-trade prevention between two orders of one account. -> quantity left of the incoming one; sets
        _stop_reason where that may not go on."""
        orders = self.orders
        stp = orders.self_trade_prevention[taker]
        maker_open = orders.open_quantity[maker]
        overlap = min(maker_open, quantity)
        prevented = SelfTradePrevented(
            orders.account[maker],
            book.instrument.number,
            stp,
            orders.side[taker],
            orders.order_id[maker],
            orders.order_id[taker],
            orders.price[maker],
            overlap,
            maker_open,
            quantity,
        )
        events.append(prevented)
        if stp == SelfTradePrevention.CANCEL_TAKER or stp == SelfTradePrevention.CANCEL_BOTH:
            self._stop_reason = CancelReason.SELF_TRADE
        if stp == SelfTradePrevention.CANCEL_MAKER or stp == SelfTradePrevention.CANCEL_BOTH:
            self.end(maker, CancelReason.SELF_TRADE, events)
        elif stp == SelfTradePrevention.DECREMENT:
            quantity -= overlap
            prevented.maker_open_quantity = maker_open - overlap
            prevented.taker_open_quantity = quantity
            self._decremented += overlap
            if maker_open > overlap:
                book.opposite(orders.side[taker]).reduce(maker, overlap)
                orders.quantity[maker] -= overlap
                if book.instrument.base:
                    self._reserve(maker, book.instrument)
            else:
                self.end(maker, CancelReason.SELF_TRADE, events)
                events[-1].quantity = 0  # SelfTradePrevented told what it lost
            if quantity == 0:
                self._stop_reason = CancelReason.SELF_TRADE
        return quantity

    # --- stop orders -------------------------------------------------------------------------------------------------

    def _elect(self, book, price):
        """Queue the stop orders that a trade at `price` elects: sell stops from the highest, buy stops from the lowest,
        each price oldest first. O(1), and O(log stop prices) for each elected."""
        for stops in (book.sell_stops, book.buy_stops):
            while stops.crosses(price):
                slot = stops.first[stops.best]
                stops.remove(slot)
                self.orders.is_waiting[slot] = 0
                self.elected.append(slot)

    def run_elected(self, events):
        """Run the queue, oldest first; what runs may elect more. O(log levels) each, plus its fills."""
        elected = self.elected
        place = 0
        while place < len(elected):
            self._run(elected[place], events)
            place += 1
        elected.clear()

    def _run(self, slot, events):
        orders = self.orders
        side = orders.side[slot]
        book = self.books[orders.instrument[slot]]
        triggered = OrderTriggered(
            orders.account[slot],
            orders.order_id[slot],
            book.instrument.number,
            side,
            orders.stop_price[slot],
            orders.price[slot],
            0,
            0,
        )
        events.append(triggered)
        reason = self._election_problem(book, slot)
        if reason:
            events.append(self._cancelled(slot, reason, orders.open_quantity[slot]))
            self._forget(slot)
        else:
            self._enter(book, slot, triggered, events)

    def _election_problem(self, book, slot):
        """-> why an elected order ends at once, or 0. A stop order to buy first reserves what it is about to spend."""
        orders = self.orders
        side = orders.side[slot]
        is_fok = orders.time_in_force[slot] == TimeInForce.FOK
        is_market_buy = orders.order_type[slot] == OrderType.STOP and side == Side.BUY and book.instrument.base
        if not is_fok and not is_market_buy:
            return 0
        limit = collar_price(book, side) if is_market_buy else orders.price[slot]
        account = orders.account[slot]
        stp = orders.self_trade_prevention[slot]
        quantity = orders.open_quantity[slot]
        filled, notional = walk(orders, book, side, account, stp, limit, quantity, 0)
        if is_fok and filled < quantity:
            return CancelReason.FOK_UNFILLABLE
        if is_market_buy and notional:
            instrument = book.instrument
            amount = needed(orders, slot, instrument, notional, 1, 0)
            if not can_afford(orders, slot, instrument, amount):
                return CancelReason.INSUFFICIENT_FUNDS
            self.ledger.reserve(slot, instrument.quote_asset, amount)
        return 0

    # --- ends of orders ---------------------------------------------------------------------------------------------

    def end(self, slot, reason, events):
        """Take an open order off the book, or off the stop orders, for a reason."""
        orders = self.orders
        events.append(self._cancelled(slot, reason, orders.open_quantity[slot]))
        side = orders.side[slot]
        book = self.books[orders.instrument[slot]]
        half = book.stops(side) if orders.is_waiting[slot] else book.side(side)
        half.remove(slot)
        self._forget(slot)

    def _cancelled(self, slot, reason, quantity):
        orders = self.orders
        return OrderCancelled(
            orders.account[slot],
            orders.order_id[slot],
            orders.instrument[slot],
            orders.side[slot],
            reason,
            orders.price[slot],
            quantity,
        )

    def _forget(self, slot):
        """The order has ended and stands in no book any more: what is still reserved for it is free again."""
        orders = self.orders
        if orders.reserved[slot]:
            instrument = self.books[orders.instrument[slot]].instrument
            asset = instrument.quote_asset if orders.side[slot] == Side.BUY else instrument.base_asset
            self.ledger.reserve(slot, asset, 0)
        expire_time_ns = orders.expire_time_ns[slot]
        if expire_time_ns:
            self.expiries.remove((expire_time_ns, orders.order_id[slot]))
            self.next_due_ns = self.expiries[0][0] if self.expiries else NEVER_NS
        orders.remove(slot)


def _remainder_reason(book, side, is_market):
    if not is_market:
        return CancelReason.IOC_REMAINDER
    if book.opposite(side).best == NO_LEVEL:
        return CancelReason.MARKET_NO_LIQUIDITY
    return CancelReason.MARKET_COLLAR
