"""The exchange and the naive model of it as a scenario sees them: one way to give commands and to look inside."""

from engine import orders
from engine.exchange import Exchange

CHECKED_ALWAYS = 64  # open orders; with more, invariants are checked after every CHECKED_ALWAYS-th command

#: What `orders` shows of an open order, under the names of OrderAccepted.
SHOWN = (
    "instrument", "side", "order_type", "time_in_force", "post_only", "price", "quantity", "open_quantity",
    "self_trade_prevention", "stop_price", "expire_time_ns", "client_order_id",
)  # fmt: skip


class FastVenue:
    """engine.exchange, its invariants checked as it goes."""

    def __init__(self, monkeypatch):
        self.monkeypatch = monkeypatch
        self.exchange = Exchange(order_slots=4)

    def apply(self, seq, now_ns, command):
        events = self.exchange.apply(seq, now_ns, command)
        if self.exchange.orders.open_count <= CHECKED_ALWAYS or seq % CHECKED_ALWAYS == 0:
            self.exchange.check()
        return events

    def set_slots_max(self, slots_max):
        self.monkeypatch.setattr(orders, "SLOTS_MAX", slots_max)

    def queue(self, instrument, side):
        return self._places(self.exchange.books[instrument].side(side))

    def stops(self, instrument, side):
        return self._places(self.exchange.books[instrument].stops(side))

    def _places(self, half):
        orders = self.exchange.orders
        return [(orders.order_id[slot], half.prices[slot], orders.open_quantity[slot]) for slot in half.slots()]

    def open_orders(self, account):
        orders = self.exchange.orders
        for slot in orders.of_account(account):
            row = {name: getattr(orders, name)[slot] for name in ("order_id",) + SHOWN}
            yield dict(row, reserved=orders.reserved[slot])

    def has_account(self, account):
        return account in self.exchange.ledger.accounts

    def balance(self, account, asset):
        ledger = self.exchange.ledger
        index = ledger.accounts[account].index
        return ledger.assets[asset].available[index], ledger.assets[asset].reserved[index]

    def state(self, instrument):
        book = self.exchange.books[instrument]
        return book.instrument.state, book.last_price


class ModelVenue:
    def __init__(self, model):
        self.model = model
        self.apply = model.apply

    def set_slots_max(self, slots_max):
        self.model.ids.slots_max = slots_max

    def queue(self, instrument, side):
        return [(order.order_id, order.price, order.open_quantity) for order in self.model.queue(instrument, side)]

    def stops(self, instrument, side):
        return [(order.order_id, order.stop_price, order.open_quantity) for order in self.model.stops(instrument, side)]

    def open_orders(self, account):
        mine = [order for order in self.model.orders if order.account == account]
        for order in sorted(mine, key=lambda order: order.order_id):
            row = {name: getattr(order, name) for name in ("order_id",) + SHOWN}
            yield dict(row, reserved=self.model.reserve_of(order))

    def has_account(self, account):
        return account in self.model.accounts

    def balance(self, account, asset):
        return self.model.available(account, asset), self.model.reserved(account, asset)

    def state(self, instrument):
        market = self.model.markets[instrument]
        return market.state, market.last_price
