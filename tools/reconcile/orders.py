"""Orders and what happened to them, as rows: followed event by event, and for open ones read from the exchange."""

from decimal import Decimal

from protocol.messages import (
    CANCEL_REASONS,
    CODES,
    ORDER_TYPES,
    SELF_TRADE_PREVENTIONS,
    SIDES,
    TIMES_IN_FORCE,
    CancelReason,
    CommandRejected,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderDuplicate,
    OrderFilled,
    OrderTriggered,
    OrderType,
    PlaceOrder,
    SelfTradePrevented,
    SelfTradePrevention,
    Side,
)
from tools.reconcile.comparison import UNKNOWN, storable

ZERO = Decimal(0)
PPM = 1_000_000
FEES = ("maker_ppm", "taker_ppm", "fee_ppm_max", "fee_surplus")
NO_FEES = dict.fromkeys(FEES, 0)


class Orders:
    """`open`: order_id -> row of each order that has not ended, its amounts in units: row_of() makes them decimals.
    It begins with those that the exchange has; what is only in events before that is UNKNOWN."""

    def __init__(self, exchange):
        self._exchange = exchange
        slots = [slot for slot in range(1, exchange.orders.used) if exchange.orders.order_id[slot]]
        self.open = {exchange.orders.order_id[slot]: self._as_it_is(slot) for slot in slots}
        self.count = 0  # rows in all
        self._ended = {}

    def take_ended(self):
        """-> {order_id: row} of those that ended since the last call."""
        ended = {order_id: self.row_of(order) for order_id, order in self._ended.items()}
        self._ended = {}
        return ended

    def take(self, event, command, seq):
        """Follow an event that `command`, of this sequence, gave. -> its row of order_events, or None."""
        handler = _HANDLERS.get(type(event))
        if handler is None:
            return None
        row = {"order_id": 0, "account": event.account, "instrument": event.instrument or None}
        for column in ("side", "liquidity", "reason", "trade_id", "price", "quantity", "open_quantity", "fee"):
            row[column] = None
        handler(self, event, command, seq, row)
        row.update(event_seq=event.event_seq, seq=seq, time=event.time_ns // 1000)
        book = self._exchange.books.get(event.instrument)
        if book is not None:
            _scale(row, book.instrument)
        return row

    def row_of(self, order):
        """-> the row, its amounts as decimals; what the exchange still has is read from there."""
        row = dict(order)
        instrument = self._exchange.books[row["instrument"]].instrument
        row.update(open_quantity=0, reserved=0)
        orders = self._exchange.orders
        slot = orders.find(row["order_id"]) if row["ended_at"] is None else 0
        if slot:
            for column in ("price", "stop_price", "quantity", "open_quantity", "reserved"):
                row[column] = getattr(orders, column)[slot]
            row.update(self._fees_of(slot))
        asset = instrument.quote_asset if row["side"] == "buy" else instrument.base_asset
        row["reserved"] = Decimal(row["reserved"]).scaleb(-asset.scale) if asset is not None else ZERO
        row["stop_price"] = Decimal(row["stop_price"]).scaleb(-instrument.price_scale) if row["stop_price"] else None
        notional_scale = instrument.price_scale + instrument.quantity_scale
        if row["filled_notional"] is not UNKNOWN:
            row["filled_notional"] = Decimal(row["filled_notional"]).scaleb(-notional_scale)
        _scale(row, instrument)
        return row

    def _as_it_is(self, slot):
        """-> the row of an order that was open before."""
        orders = self._exchange.orders
        filled = orders.quantity[slot] - orders.open_quantity[slot]
        is_waiting = bool(orders.is_waiting[slot])
        row = dict.fromkeys(
            ("created_event_seq", "event_seq", "seq", "created_at", "updated_at", "filled_notional", "fee"), UNKNOWN
        )
        row.update({name: getattr(orders, name)[slot] for name in ("order_id", "account", "instrument")})
        row.update({name: getattr(orders, name)[slot] for name in ("price", "stop_price", "quantity")})
        row.update(
            triggered_at=UNKNOWN if orders.stop_price[slot] and not is_waiting else None,
            ended_at=None,
            expire_time=orders.expire_time_ns[slot] // 1000 or None,
            post_only=bool(orders.post_only[slot]),
            side=SIDES[orders.side[slot]],
            type=ORDER_TYPES[orders.order_type[slot]],
            time_in_force=TIMES_IN_FORCE[orders.time_in_force[slot]].upper(),
            self_trade_prevention=SELF_TRADE_PREVENTIONS[orders.self_trade_prevention[slot]],
            client_order_id=storable(orders.client_order_id[slot]) or None,
            status="PENDING" if is_waiting else "PARTIALLY_FILLED" if filled else "OPEN",
            reason=None,
            filled_quantity=filled,
            **self._fees_of(slot),
        )
        return row

    def _fees_of(self, slot):
        """-> the rates of an open order, and what rounding has charged it too much so far, in millionths of a unit."""
        orders = self._exchange.orders
        is_funded = self._exchange.books[orders.instrument[slot]].instrument.base
        return {name: getattr(orders, name)[slot] if is_funded else 0 for name in FEES}

    # --- events ------------------------------------------------------------------------------------------------------

    def _touch(self, order_id, event, seq, row, **changes):
        order = self.open[order_id]
        order.update(changes, event_seq=event.event_seq, seq=seq, updated_at=event.time_ns // 1000)
        row.update(order_id=order_id, account=order["account"], side=order["side"])
        if order["ended_at"] is not None:
            self._ended[order_id] = self.open.pop(order_id)
        return order

    def _accepted(self, event, command, seq, row):
        self.count += 1
        self.open[event.order_id] = {
            "order_id": event.order_id,
            "account": event.account,
            "instrument": event.instrument,
            "created_event_seq": event.event_seq,
            "created_at": event.time_ns // 1000,
            "triggered_at": None,
            "ended_at": None,
            "expire_time": event.expire_time_ns // 1000 or None,
            "post_only": bool(event.post_only),
            "side": SIDES[event.side],
            "type": ORDER_TYPES[event.order_type],
            "time_in_force": TIMES_IN_FORCE[event.time_in_force].upper(),
            "self_trade_prevention": SELF_TRADE_PREVENTIONS[event.self_trade_prevention],
            "client_order_id": storable(event.client_order_id) or None,
            "reason": None,
            "price": event.price,
            "stop_price": event.stop_price,
            "quantity": event.quantity,
            "filled_quantity": 0,
            "filled_notional": 0,
            "fee": 0,
            **self._fees_now(event.account, event.instrument),
        }
        is_stop = event.order_type in (OrderType.STOP, OrderType.STOP_LIMIT)
        self._touch(event.order_id, event, seq, row, status="PENDING" if is_stop else "OPEN")
        row.update(type="accepted", price=event.price or event.stop_price)
        row.update(quantity=event.quantity, open_quantity=event.open_quantity)

    def _fees_now(self, account, number):
        """-> of an order that the account places: it keeps the rates of then."""
        instrument = self._exchange.books[number].instrument
        if not instrument.base:
            return NO_FEES
        rates = instrument.fees_of(self._exchange.ledger.accounts[account].tier)
        return dict(zip(FEES, (*rates, 0)))

    def _filled(self, event, command, seq, row):
        order = self.open[event.order_id]
        is_whole = event.open_quantity == 0
        instrument = self._exchange.books[event.instrument].instrument
        rate = order["maker_ppm" if event.liquidity == 1 else "taker_ppm"]
        due = rate * event.price * event.quantity * instrument.quote_multiplier
        self._touch(
            event.order_id,
            event,
            seq,
            row,
            filled_quantity=order["filled_quantity"] + event.quantity,
            filled_notional=order["filled_notional"] + event.price * event.quantity,
            fee=order["fee"] + event.fee,
            fee_surplus=order["fee_surplus"] + event.fee * PPM - due,
            status="FILLED" if is_whole else "PARTIALLY_FILLED",
            ended_at=event.time_ns // 1000 if is_whole else None,
        )
        row.update(type="filled", liquidity="maker" if event.liquidity == 1 else "taker", trade_id=event.trade_id)
        row.update(price=event.price, quantity=event.quantity, open_quantity=event.open_quantity, fee=event.fee)

    def _cancelled(self, event, command, seq, row):
        reason = CANCEL_REASONS[event.reason]
        status = "EXPIRED" if event.reason == CancelReason.EXPIRED else "CANCELLED"
        self._touch(event.order_id, event, seq, row, status=status, reason=reason, ended_at=event.time_ns // 1000)
        row.update(type="cancelled", reason=reason, price=event.price, quantity=event.quantity, open_quantity=0)

    def _amended(self, event, command, seq, row):
        terms = {"price": event.price, "quantity": event.quantity, "stop_price": event.stop_price}
        self._touch(event.order_id, event, seq, row, **terms)
        row.update(type="amended", price=event.price or event.stop_price)
        row.update(quantity=event.quantity, open_quantity=event.open_quantity)

    def _triggered(self, event, command, seq, row):
        order = self._touch(event.order_id, event, seq, row, status="OPEN", triggered_at=event.time_ns // 1000)
        row.update(type="triggered", price=event.price, quantity=order["quantity"], open_quantity=event.open_quantity)

    def _self_trade_prevented(self, event, command, seq, row):
        for order_id in (event.maker_order_id, event.taker_order_id):
            if event.mode == SelfTradePrevention.DECREMENT:
                self._touch(order_id, event, seq, row, quantity=self.open[order_id]["quantity"] - event.quantity)
        taker = self.open[event.taker_order_id]
        row.update(type="self_trade_prevented", order_id=event.taker_order_id, account=taker["account"])
        row.update(side=taker["side"], price=event.price, quantity=event.quantity)
        row.update(open_quantity=event.taker_open_quantity)

    def _rejected(self, event, command, seq, row):
        row.update(type="rejected", order_id=event.order_id, reason=CODES[event.code])
        if event.order_id or type(command) is not PlaceOrder or event.instrument not in self._exchange.books:
            return
        self.count += 1
        row["order_id"] = -event.event_seq
        time = event.time_ns // 1000
        self._ended[-event.event_seq] = {
            "order_id": -event.event_seq,
            "account": event.account,
            "instrument": event.instrument,
            "created_event_seq": event.event_seq,
            "event_seq": event.event_seq,
            "seq": seq,
            "created_at": time,
            "updated_at": time,
            "triggered_at": None,
            "ended_at": time,
            "expire_time": command.expire_time_ns // 1000 or None,
            "post_only": bool(command.post_only),
            "side": SIDES.get(command.side),
            "type": ORDER_TYPES.get(command.order_type),
            "time_in_force": TIMES_IN_FORCE.get(command.time_in_force, "").upper() or None,
            "self_trade_prevention": SELF_TRADE_PREVENTIONS.get(command.self_trade_prevention),
            "client_order_id": storable(command.client_order_id) or None,
            "status": "REJECTED",
            "reason": CODES[event.code],
            "price": command.price,
            "stop_price": command.stop_price,
            "quantity": command.quantity,
            "filled_quantity": 0,
            "filled_notional": 0,
            "fee": 0,
            **NO_FEES,
        }

    def _duplicate(self, event, command, seq, row):
        row.update(type="duplicate", order_id=event.order_id)


_HANDLERS = {
    OrderAccepted: Orders._accepted,
    OrderFilled: Orders._filled,
    OrderCancelled: Orders._cancelled,
    OrderAmended: Orders._amended,
    OrderTriggered: Orders._triggered,
    SelfTradePrevented: Orders._self_trade_prevented,
    CommandRejected: Orders._rejected,
    OrderDuplicate: Orders._duplicate,
}
assert Side.BUY == 1


def _scale(row, instrument):
    """Prices, quantities and the fee of a row from units to decimals. A price of 0 is none."""
    row["price"] = Decimal(row["price"]).scaleb(-instrument.price_scale) if row["price"] else None
    for column in ("quantity", "filled_quantity", "open_quantity"):
        if row.get(column) is not None:
            row[column] = Decimal(row[column]).scaleb(-instrument.quantity_scale)
    if row["fee"] is not None and row["fee"] is not UNKNOWN:
        row["fee"] = Decimal(row["fee"]).scaleb(-instrument.quote_asset.scale if instrument.base else 0)
