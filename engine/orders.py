"""Every open order of the venue, in flat lists indexed by slot: no object per order, nothing for a collector to walk.

An order id is `number << SLOT_BITS | slot`, the number counting accepted orders: the id finds the slot without a
table, ids grow with time, and an id whose order has ended is told by the slot holding another (or none). Slot 0 is
never used: it is the end of every linked list. Pure.
"""

SLOT_BITS = 22
SLOT_MASK = (1 << SLOT_BITS) - 1
SLOTS_MAX = SLOT_MASK  # open orders at one time
NIL = 0
SLOTS_AT_FIRST = 1024


class Orders:
    def __init__(self, slots=SLOTS_AT_FIRST):
        """`slots`: how many to lay out at once; more are added by doubling, up to SLOTS_MAX."""
        self.number = 0  # orders accepted so far
        self.open_count = 0
        self.used = 1  # slots below this one have been used, or are NIL
        self.free = []  # ended slots, used again from the end
        size = slots + 1
        self.order_id = [0] * size  # 0: the slot is free
        self.account = [0] * size
        self.instrument = [0] * size
        self.side = [0] * size
        self.order_type = [0] * size
        self.time_in_force = [0] * size
        self.post_only = [0] * size
        self.self_trade_prevention = [0] * size
        self.stop_price = [0] * size
        self.expire_time_ns = [0] * size
        self.is_waiting = [0] * size  # 1: a stop order that no trade has elected yet
        self.price = [0] * size
        self.quantity = [0] * size  # in all, filled included
        self.open_quantity = [0] * size
        self.client_order_id = [""] * size
        # funds, of instruments that have them (ledger.py)
        self.account_index = [0] * size
        self.reserved = [0] * size  # of the quote asset for a buy, of the base asset for a sell
        self.maker_ppm = [0] * size  # fee rates of when it was placed
        self.taker_ppm = [0] * size
        self.fee_ppm_max = [0] * size
        self.fee_surplus = [0] * size
        # places in lists: of the price level (book.py), and of the account, in order-id order
        self.level = [0] * size
        self.next = [NIL] * size
        self.previous = [NIL] * size
        self.account_next = [NIL] * size
        self.account_previous = [NIL] * size
        self.holder = [0] * size
        # of each account with open orders; a holder is an index into these lists
        self.holder_of = {}  # account -> holder
        self.free_holders = []
        self.holder_first = []
        self.holder_last = []
        self.holder_count = []
        self.holder_cleared = []  # None, or {(instrument, side): no such order is open up to this id}

    def is_full(self):
        return not self.free and self.used > SLOTS_MAX

    def add(self, command, quantity):
        """Make an accepted PlaceOrder an open order for `quantity`, last of its account. -> slot.

        O(1), but for the doubling.
        """
        if self.free:
            slot = self.free.pop()
        else:
            slot = self.used
            self.used = slot + 1
            if slot == len(self.order_id):
                self._grow()
        self.number += 1
        self.put((self.number << SLOT_BITS) | slot, command, quantity, quantity)
        return slot

    def _grow(self):
        for column in self._columns():
            column.extend([column[NIL]] * (len(column) - 1))

    def _columns(self):
        return [
            self.order_id, self.account, self.instrument, self.side, self.order_type, self.time_in_force,
            self.post_only, self.self_trade_prevention, self.stop_price, self.expire_time_ns, self.is_waiting,
            self.price, self.quantity, self.open_quantity, self.client_order_id, self.account_index, self.reserved,
            self.maker_ppm, self.taker_ppm, self.fee_ppm_max, self.fee_surplus, self.level, self.next,
            self.previous, self.account_next, self.account_previous, self.holder,
        ]  # fmt: skip

    def put(self, order_id, command, quantity, open_quantity):
        """Fill the id's slot, which has been taken, with an order on the terms of its PlaceOrder. O(1)."""
        slot = order_id & SLOT_MASK
        account = command.account
        self.order_id[slot] = order_id
        self.account[slot] = account
        self.instrument[slot] = command.instrument
        self.side[slot] = command.side
        self.order_type[slot] = command.order_type
        self.time_in_force[slot] = command.time_in_force
        self.post_only[slot] = command.post_only
        self.self_trade_prevention[slot] = command.self_trade_prevention
        self.stop_price[slot] = command.stop_price
        self.expire_time_ns[slot] = command.expire_time_ns
        self.is_waiting[slot] = 0
        self.price[slot] = command.price
        self.quantity[slot] = quantity
        self.open_quantity[slot] = open_quantity
        self.reserved[slot] = 0
        if command.client_order_id:
            self.client_order_id[slot] = command.client_order_id
        holder = self.holder_of.get(account, -1)
        if holder < 0:
            holder = self._new_holder(account)
        self.holder[slot] = holder
        last = self.holder_last[holder]
        if last == NIL:
            self.holder_first[holder] = slot
        else:
            self.account_next[last] = slot
        self.account_previous[slot] = last
        self.account_next[slot] = NIL
        self.holder_last[holder] = slot
        self.holder_count[holder] += 1
        self.open_count += 1

    def _new_holder(self, account):
        if self.free_holders:
            holder = self.free_holders.pop()
        else:
            holder = len(self.holder_count)
            self.holder_first.append(NIL)
            self.holder_last.append(NIL)
            self.holder_count.append(0)
            self.holder_cleared.append(None)
        self.holder_of[account] = holder
        return holder

    def remove(self, slot):
        """End the order: its slot is free for another. O(1)."""
        holder = self.holder[slot]
        before = self.account_previous[slot]
        after = self.account_next[slot]
        if before == NIL:
            self.holder_first[holder] = after
        else:
            self.account_next[before] = after
        if after == NIL:
            self.holder_last[holder] = before
        else:
            self.account_previous[after] = before
        count = self.holder_count[holder] - 1
        self.holder_count[holder] = count
        if count == 0:
            self.holder_cleared[holder] = None
            del self.holder_of[self.account[slot]]
            self.free_holders.append(holder)
        self.order_id[slot] = 0
        if self.client_order_id[slot]:
            self.client_order_id[slot] = ""
        self.free.append(slot)
        self.open_count -= 1

    def find(self, order_id):
        """-> slot of the open order with this id, or NIL. O(1)."""
        if order_id <= 0:
            return NIL
        slot = order_id & SLOT_MASK
        if slot >= self.used or self.order_id[slot] != order_id:
            return NIL
        return slot

    def first_of(self, account):
        """-> slot of the account's oldest open order, or NIL; `account_next` leads on from there. O(1)."""
        holder = self.holder_of.get(account, -1)
        return self.holder_first[holder] if holder >= 0 else NIL

    def of_account(self, account):
        """Iterates over the slots of the account's open orders, in order-id order; the order just given may be ended.
        Makes no list: one of many orders is more than the collector takes lightly (collector.py)."""
        slot = self.first_of(account)
        while slot != NIL:
            following = self.account_next[slot]
            yield slot
            slot = following

    def take_of(self, account, instrument, side):
        """-> slots of the account's open orders of an instrument (0: all) and a side (0: both), in order-id order. The
        caller ends them all; so only what was accepted since is looked at when the same is asked again. O(that)."""
        holder = self.holder_of.get(account, -1)
        if holder < 0:
            return []
        cleared = self.holder_cleared[holder]
        if cleared is None:
            cleared = self.holder_cleared[holder] = {}
        cleared_id = cleared.get((instrument, side), 0)
        slot = self.holder_last[holder]
        cleared[instrument, side] = self.order_id[slot]
        found = []
        while slot != NIL and self.order_id[slot] > cleared_id:
            if instrument in (0, self.instrument[slot]) and side in (0, self.side[slot]):
                found.append(slot)
            slot = self.account_previous[slot]
        found.reverse()
        return found

    def count_of(self, account):
        """-> how many open orders the account has. O(1)."""
        holder = self.holder_of.get(account, -1)
        return self.holder_count[holder] if holder >= 0 else 0

    def check(self):
        """Assert every invariant. O(slots)."""
        opened = [slot for slot in range(1, self.used) if self.order_id[slot]]
        assert len(opened) == self.open_count
        assert sorted(opened + self.free) == list(range(1, self.used)), "a slot is lost, or both open and free"
        assert all(len(column) == len(self.order_id) for column in self._columns())
        assert self.order_id[NIL] == 0 and self.client_order_id[NIL] == ""
        seen = []
        for account, holder in self.holder_of.items():
            slots = list(self.of_account(account))
            assert slots and slots[-1] == self.holder_last[holder] and len(slots) == self.holder_count[holder]
            assert all(self.holder[slot] == holder for slot in slots)
            for (instrument, side), cleared_id in (self.holder_cleared[holder] or {}).items():
                for slot in slots:
                    is_one = instrument in (0, self.instrument[slot]) and side in (0, self.side[slot])
                    assert not is_one or self.order_id[slot] > cleared_id
            ids = [self.order_id[slot] for slot in slots]
            assert ids == sorted(ids), "an account's orders are out of order-id order"
            assert all(self.account[slot] == account for slot in slots)
            assert self.account_previous[slots[0]] == NIL
            assert all(self.account_previous[b] == a for a, b in zip(slots, slots[1:]))
            seen += slots
        assert sorted(seen) == opened
        assert sorted([*self.holder_of.values(), *self.free_holders]) == list(range(len(self.holder_count)))
        for slot in opened:
            assert self.order_id[slot] & SLOT_MASK == slot and self.order_id[slot] >> SLOT_BITS <= self.number
            assert 0 < self.open_quantity[slot] <= self.quantity[slot]
