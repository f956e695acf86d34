"""Events of the journal -> rows. Pure: a Builder is fed with records, and gives a Batch for the database to take whole.

Rows are tuples of what Postgres reads: ints, and for numeric and text columns text: numbers with a suffix such as
"e-8", words as they are, other text quoted for an array literal, NULL where there is nothing. Times are in
microseconds. One pass, one function a type of event; an order that changes many times within a batch is one row.
"""

import msgpack

from persistence.administration import HANDLERS as ADMINISTRATION
from persistence.batch import Batch
from persistence.candles import Candles
from persistence.commands import Commands
from persistence.ledger import Ledger
from persistence.literals import NULL, quoted
from persistence.state import JournalDisagrees, Order
from protocol.framing import LENGTH_BYTES
from protocol.messages import (
    CANCEL_REASONS,
    CODES,
    ORDER_TYPES,
    SELF_TRADE_PREVENTIONS,
    SIDES,
    TIMES_IN_FORCE,
    CancelReason,
    CommandRejected,
    Liquidity,
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
)

MONTH_NS = 31 * 86_400 * 10**9
PACK_EVENTS = 500


class Builder:
    """`state` is as of the last record in the database, and moves with every record taken."""

    def __init__(self, state, depth, settles=False):
        """`settles`: whether trades are to be settled with a wallet of record."""
        self.state = state
        self.depth = depth
        self.settles = settles
        self._handlers = {
            OrderAccepted.TYPE: self._accepted,
            OrderFilled.TYPE: self._filled,
            OrderCancelled.TYPE: self._cancelled,
            OrderAmended.TYPE: self._amended,
            OrderTriggered.TYPE: self._triggered,
            SelfTradePrevented.TYPE: self._self_trade_prevented,
            CommandRejected.TYPE: self._rejected,
            OrderDuplicate.TYPE: self._duplicate,
        }
        self._begin()

    def _begin(self):
        self.batch = Batch()
        self.ledger = Ledger(self.batch.ledger_entries, self.state.assets)
        self._candles = Candles()
        self._changed = {}  # order id -> Order
        self._markets = {}  # number -> Instrument
        self._packed_events = 0  # of the batch, whose rows are packed
        self._maker = None  # the maker's half of the trade under way

    # --- a record ----------------------------------------------------------------------------------------------------

    def take(self, record):
        """Add a record's events. -> whether there is enough for a good batch is the caller's to say, by
        `batch.events`. Raises JournalDisagrees, after which this Builder is of no more use."""
        batch = self.batch
        batch.months[record.time_ns // MONTH_NS] = True
        batch.seq = record.next_seq - 1
        batch.event_seq = record.next_event_seq - 1
        batch.time_ns = record.time_ns
        batch.commands += record.count
        batch.events += record.event_count
        for instrument, end_ns, bids, asks in self.depth.due(self.state.instruments.values(), record.time_ns):
            batch.depth_snapshots.append(
                (instrument.number, end_ns // 1000, record.first_event_seq - 1, quoted(bids), quoted(asks))
            )
            self._markets[instrument.number] = instrument
        self.time_ns = record.time_ns
        self.time_us = record.time_ns // 1000
        self.commands = Commands(record)
        self._take_events(record.events)
        if batch.events - self._packed_events >= PACK_EVENTS:
            self._packed_events = batch.events
            for rows in batch.order_events, batch.trades, batch.ledger_entries:
                rows.pack()

    def _take_events(self, data):
        handlers = self._handlers
        unpack = msgpack.unpackb
        end, size = 0, len(data)
        while end < size:
            start = end + LENGTH_BYTES
            end = start + int.from_bytes(data[end:start], "big")
            event = unpack(data[start:end])
            handler = handlers.get(event[0])
            if handler is not None:
                handler(event)
            elif event[0] in ADMINISTRATION:
                ADMINISTRATION[event[0]](self, event)
            else:
                text = "event %d is of type %d, which this version does not know"
                raise JournalDisagrees(text % (event[2], event[0]))

    def finish(self):
        """-> the Batch of all records since the last one."""
        batch, ledger = self.batch, self.ledger
        for order in self._changed.values():
            row = self._order_row(order)
            if order.created:
                batch.new_orders.append(order.created + row)
                order.created = None
            else:
                batch.changed_orders.append((order.order_id, *row))
        for row in ledger.balances():
            batch.balances.append(row)
        instruments = self.state.instruments
        for number, timeframe, start_s, *prices, quantity, notional, trades in self._candles.rows():
            instrument = instruments[number]
            prices = [f"{price}{instrument.price_suffix}" for price in prices]
            volume = f"{quantity}{instrument.quantity_suffix}"
            quote_volume = f"{notional}{instrument.notional_suffix}"
            start_us = start_s * 1_000_000
            batch.candles.append((number, timeframe, start_us, *prices, volume, quote_volume, trades))
        for number, instrument in self._markets.items():
            price = f"{instrument.last_price}{instrument.price_suffix}" if instrument.last_price else NULL
            batch.markets.append((number, price, instrument.book_changed_ns // 1000 or NULL))
        self._begin()
        return batch

    def _order_row(self, order):
        instrument = order.instrument
        price_suffix, quantity_suffix = instrument.price_suffix, instrument.quantity_suffix
        return (
            order.event_seq,
            order.updated_us,
            order.triggered_us or NULL,
            order.ended_us or NULL,
            order.fee_surplus,
            order.status,
            order.reason or NULL,
            f"{order.price}{price_suffix}" if order.price else NULL,
            f"{order.stop_price}{price_suffix}" if order.stop_price else NULL,
            f"{order.quantity}{quantity_suffix}",
            f"{order.filled_quantity}{quantity_suffix}",
            f"{order.open_quantity}{quantity_suffix}",
            f"{order.filled_notional}{instrument.notional_suffix}",
            f"{order.fee}{instrument.fee_suffix}",
            f"{order.reserved}{instrument.reserved_suffix(order.side)}" if instrument.base else "0",
        )

    # --- what the handlers share -------------------------------------------------------------------------------------

    def _touch(self, order, event_seq, status):
        order.event_seq = event_seq
        order.updated_us = self.time_us
        order.status = status
        self._changed[order.order_id] = order

    def _touch_book(self, instrument):
        if not instrument.book_changed_ns:
            instrument.book_changed_ns = self.time_ns
            self._markets[instrument.number] = instrument

    def _end(self, order, event_seq, status, reason=""):
        order.reason = reason
        order.ended_us = self.time_us
        order.open_quantity = 0
        self._touch(order, event_seq, status)
        del self.state.orders[order.order_id]

    # --- events ------------------------------------------------------------------------------------------------------
    # Each begins with: type, request_id, event_seq, time_ns, key, account. See protocol/README.md.

    def _accepted(self, event):
        (_, _, event_seq, _, _, account, order_id, number, side, order_type, time_in_force, post_only, price, quantity,
         _, open_quantity, stp, stop_price, expire_time_ns, client_order_id) = event  # fmt: skip
        instrument = self.state.instrument(number, event_seq)
        order = Order(order_id, account, instrument, side, price, stop_price, quantity, quantity)
        order.is_waiting = order_type >= OrderType.STOP
        order.is_immediate = not open_quantity
        if instrument.base:
            rates = instrument.fees_of(self.state.tiers.get(account, 0))
            order.maker_ppm, order.taker_ppm, order.fee_ppm_max = rates
            self.ledger.reserve(order, event_seq, self.time_us)
        self.state.orders[order_id] = order
        if open_quantity and not order.is_waiting:
            order.enter_book(open_quantity)
            self._touch_book(instrument)
        side_word = SIDES[side]
        order.created = (
            order_id, account, number, event_seq, self.time_us,
            expire_time_ns // 1000 or NULL, order.maker_ppm, order.taker_ppm, order.fee_ppm_max,
            post_only, side_word, ORDER_TYPES[order_type], WORDS_OF_TIME_IN_FORCE[time_in_force],
            SELF_TRADE_PREVENTIONS[stp], quoted(client_order_id) if client_order_id else NULL,
        )  # fmt: skip
        self._touch(order, event_seq, "PENDING" if order.is_waiting else "OPEN")
        self._event(event_seq, order, "accepted", order.price or stop_price, quantity, open_quantity)

    def _event(self, event_seq, order, kind, price, quantity, open_quantity, reason=NULL):
        instrument = order.instrument
        quantity_suffix = instrument.quantity_suffix
        self.batch.order_events.append((
            event_seq, self.time_us, order.order_id, order.account, instrument.number, kind, SIDES[order.side], NULL,
            reason, NULL, f"{price}{instrument.price_suffix}" if price else NULL,
            f"{quantity}{quantity_suffix}", f"{open_quantity}{quantity_suffix}", NULL,
        ))  # fmt: skip

    def _filled(self, event):
        _, _, event_seq, _, _, _, order_id, number, _, liquidity, trade_id, price, quantity, open_quantity, fee = event
        order = self.state.order(order_id, event_seq)
        instrument = order.instrument
        is_maker = liquidity == Liquidity.MAKER
        order.open_quantity = open_quantity
        order.filled_quantity += quantity
        order.filled_notional += price * quantity
        order.fee += fee
        price_text = f"{price}{instrument.price_suffix}"
        quantity_text = f"{quantity}{instrument.quantity_suffix}"
        fee_text = f"{fee}{instrument.fee_suffix}"
        if is_maker:
            order.leave_book(quantity)
            self._touch_book(instrument)
            self._maker = order, fee, fee_text
        else:
            maker, maker_fee, maker_fee_text = self._maker
            if instrument.base:
                self.ledger.settle(maker, order, price, quantity, maker_fee, fee, event_seq, self.time_us, trade_id)
            self.batch.trades.append((
                trade_id, self.time_us, event_seq, number, maker.order_id, order_id, maker.account, order.account,
                SIDES[order.side], price_text, quantity_text, maker_fee_text, fee_text,
                "PENDING" if self.settles and instrument.base else "NONE",
            ))  # fmt: skip
            if self.settles and instrument.base:
                self.batch.unsettled.append((trade_id, self.time_us))
            self._candles.add(number, self.time_ns, price, quantity)
            instrument.last_price = price
            self._markets[number] = instrument
        if open_quantity:
            self._touch(order, event_seq, "PARTIALLY_FILLED")
        else:
            self._end(order, event_seq, "FILLED")
        self.batch.order_events.append((
            event_seq, self.time_us, order_id, order.account, number, "filled", SIDES[order.side],
            "maker" if is_maker else "taker", NULL, trade_id, price_text, quantity_text,
            f"{open_quantity}{instrument.quantity_suffix}", fee_text,
        ))  # fmt: skip

    def _cancelled(self, event):
        _, _, event_seq, _, _, _, order_id, _, _, reason, price, quantity = event
        order = self.state.order(order_id, event_seq)
        if order.book_quantity:
            order.leave_book(order.book_quantity)
            self._touch_book(order.instrument)
        if order.reserved:
            self.ledger.release(order, event_seq, self.time_us)
        word = CANCEL_REASONS[reason]
        self._end(order, event_seq, "EXPIRED" if reason == CancelReason.EXPIRED else "CANCELLED", word)
        self._event(event_seq, order, "cancelled", price, quantity, 0, word)

    def _amended(self, event):
        (_, _, event_seq, _, _, _, order_id, _, _, _, _, price, quantity, stop_price, _, open_quantity) = event
        order = self.state.order(order_id, event_seq)
        if order.book_quantity:
            order.leave_book(order.book_quantity)
            self._touch_book(order.instrument)
        order.open_quantity += quantity - order.quantity
        order.price, order.quantity, order.stop_price = price, quantity, stop_price
        if order.instrument.base:
            self.ledger.reserve(order, event_seq, self.time_us)
        if open_quantity and not order.is_waiting:
            order.enter_book(open_quantity)
            self._touch_book(order.instrument)
        self._touch(order, event_seq, order.status)
        self._event(event_seq, order, "amended", price or stop_price, quantity, open_quantity)

    def _triggered(self, event):
        _, _, event_seq, _, _, _, order_id, _, _, _, price, _, open_quantity = event
        order = self.state.order(order_id, event_seq)
        order.is_waiting = False
        order.is_immediate = not open_quantity
        order.triggered_us = self.time_us
        if order.instrument.base:
            self.ledger.reserve(order, event_seq, self.time_us)
        if open_quantity:
            order.enter_book(open_quantity)
            self._touch_book(order.instrument)
        self._touch(order, event_seq, "OPEN")
        self._event(event_seq, order, "triggered", price, order.quantity, open_quantity)

    def _self_trade_prevented(self, event):
        (_, _, event_seq, _, _, _, _, mode, _, maker_order_id, taker_order_id, price, quantity, maker_open,
         taker_open) = event  # fmt: skip
        maker = self.state.order(maker_order_id, event_seq)
        taker = self.state.order(taker_order_id, event_seq)
        if mode == SelfTradePrevention.DECREMENT:
            maker.leave_book(quantity)
            self._touch_book(maker.instrument)
            for order, open_quantity in ((maker, maker_open), (taker, taker_open)):
                order.quantity -= quantity
                order.open_quantity = open_quantity
                if order.instrument.base:
                    self.ledger.reserve(order, event_seq, self.time_us)
                self._touch(order, event_seq, order.status)
        self._event(event_seq, taker, "self_trade_prevented", price, quantity, taker_open)

    def _rejected(self, event):
        _, _, event_seq, _, _, account, code, number, order_id, _ = event
        instrument = self.state.instruments.get(number)
        if not order_id:
            command = self.commands.answered(event_seq)
            if type(command) is PlaceOrder and instrument is not None:
                order_id = -event_seq
                self.batch.new_orders.append(self._rejected_row(event_seq, instrument, command, CODES[code]))
        self.batch.order_events.append((
            event_seq, self.time_us, order_id, account, number or NULL, "rejected", NULL, NULL, CODES[code],
            NULL, NULL, NULL, NULL, NULL,
        ))  # fmt: skip

    def _rejected_row(self, event_seq, instrument, command, reason):
        """A row of orders for a placement that was refused: its terms as far as they are words and numbers at all."""
        order = Order(
            -event_seq,
            command.account,
            instrument,
            command.side,
            command.price,
            command.stop_price,
            command.quantity,
            0,
        )
        order.event_seq, order.updated_us, order.ended_us = event_seq, self.time_us, self.time_us
        order.status, order.reason = "REJECTED", reason
        return (
            -event_seq, command.account, instrument.number, event_seq, self.time_us,
            command.expire_time_ns // 1000 or NULL, 0, 0, 0,
            1 if command.post_only else 0,
            SIDES.get(command.side, NULL), ORDER_TYPES.get(command.order_type, NULL),
            WORDS_OF_TIME_IN_FORCE.get(command.time_in_force, NULL),
            SELF_TRADE_PREVENTIONS.get(command.self_trade_prevention, NULL),
            quoted(command.client_order_id) if command.client_order_id else NULL,
        ) + self._order_row(order)  # fmt: skip

    def _duplicate(self, event):
        _, _, event_seq, _, _, account, order_id, number = event[:8]
        self.batch.order_events.append((
            event_seq, self.time_us, order_id, account, number, "duplicate", NULL, NULL, NULL,
            NULL, NULL, NULL, NULL, NULL,
        ))  # fmt: skip


WORDS_OF_TIME_IN_FORCE = {number: word.upper() for number, word in TIMES_IN_FORCE.items()}
