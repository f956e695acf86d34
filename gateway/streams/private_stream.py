"""The `orders` stream: what happens to the orders of an account, told to whoever has logged in for it. An update has
the number of its event: a client names the last one it has seen, to this gateway or another, and gets the rest."""

import time

from gateway.amounts import units_of
from gateway.errors import ApiError
from gateway.streams import render
from gateway.streams.messages import OrdersSnapshot
from gateway.streams.order_states import OrderStates
from gateway.streams.ring import Ring
from gateway.times import text_of_ns
from gateway.unseen_orders import stored_alike

ATTEMPTS_MAX = 5  # to read open orders that change meanwhile


class PrivateStream:
    def __init__(self, core, history):
        self._core = core
        self._history = history
        self._states = OrderStates()
        self.ring = Ring()
        self._clients = {}  # account -> {Client: None}

    def begin(self, event_seq):
        """What was up to this event is not known, or not any more."""
        self._states.clear()
        self.ring.begin(event_seq)

    def take(self, event):
        """An event of order_states.ORDER_EVENTS."""
        update = self._states.take(event)
        if update is None:
            return
        self.ring.add(update)
        clients = self._clients.get(update.account)
        if clients:
            frame = self.frame(update)
            for client in clients:
                client.send(frame)

    def frame(self, update):
        """-> a frame of its order_update."""
        return render.order_update(update, self._core.catalogue).frame()

    def add(self, client):
        self._clients.setdefault(client.account, {})[client] = None

    def remove(self, client):
        """No error where it is not there."""
        clients = self._clients.get(client.account, {})
        clients.pop(client, None)
        if not clients:
            self._clients.pop(client.account, None)

    def clients(self):
        """-> all that have subscribed, each once."""
        return [client for clients in self._clients.values() for client in clients]

    async def snapshot(self, account):
        """-> OrdersSnapshot of what is open as of the newest event that was told. Orders are followed from then on.

        Nothing may be awaited between it and add(). Raises ApiError 503.
        """
        core = self._core
        for _ in range(ATTEMPTS_MAX):
            before = core.last_event_seq
            rows = await core.ask(lambda client: client.open_orders(account=account))
            unseen = [row for row in rows if row.quantity != row.open_quantity and not self._states.knows(row.order_id)]
            stored = await stored_alike(core, self._history, account, unseen)
            await core.caught_up()
            changed = self.ring.after(account, before)
            if changed is None or any(update.filled_quantity is None for update in changed):
                continue  # an order that is not followed has changed since it was read
            now_ns = time.time_ns()
            found = {update.order_id: update for update in changed}
            for row in rows:
                if row.order_id not in found:
                    notional = self._notional(row, stored)
                    found[row.order_id] = self._states.update_of(row, notional, core.last_event_seq, now_ns)
            orders = [
                render.order_state(update, core.catalogue)
                for order_id, update in sorted(found.items())
                if order_id and update.open_quantity
            ]
            return OrdersSnapshot(sequence=core.last_event_seq, timestamp=text_of_ns(now_ns), orders=orders)
        raise ApiError(503, "orders_changing", "your open orders change too fast to be read")

    def _notional(self, row, stored):
        """-> what an open order was filled at so far, 0 where it was not; None where that is not known."""
        if row.quantity == row.open_quantity:
            return 0
        found = stored.get(row.order_id)
        if found is None:
            return None
        market = self._core.catalogue.markets[row.instrument]
        return units_of(found.filled_notional, market.price_scale + market.quantity_scale, "")
