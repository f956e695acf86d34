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
        self.account_first = {}  # account -> slot
        self.account_last = {}

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
            self.previous, self.account_next, self.account_previous,
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
        last = self.account_last.get(account, NIL)
        if last == NIL:
            self.account_first[account] = slot
        else:
            self.account_next[last] = slot
        self.account_previous[slot] = last
        self.account_next[slot] = NIL
        self.account_last[account] = slot
        self.open_count += 1

    def remove(self, slot):
        """End the order: its slot is free for another. O(1)."""
        account = self.account[slot]
        before = self.account_previous[slot]
        after = self.account_next[slot]
        if before == NIL:
            if after == NIL:
                del self.account_first[account]
            else:
                self.account_first[account] = after
        else:
            self.account_next[before] = after
        if after == NIL:
            if before == NIL:
                del self.account_last[account]
            else:
                self.account_last[account] = before
        else:
            self.account_previous[after] = before
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

    def of_account(self, account):
        """Slots of the account's open orders, in order-id order. O(their number)."""
        slots = []
        slot = self.account_first.get(account, NIL)
        while slot != NIL:
            slots.append(slot)
            slot = self.account_next[slot]
        return slots

    def has_open(self, account, count):
        """True where the account has `count` open orders or more. O(count)."""
        slot = self.account_first.get(account, NIL)
        while slot != NIL and count > 0:
            count -= 1
            slot = self.account_next[slot]
        return count == 0

    def check(self):
        """Assert every invariant. O(slots)."""
        opened = [slot for slot in range(1, self.used) if self.order_id[slot]]
        assert len(opened) == self.open_count
        assert sorted(opened + self.free) == list(range(1, self.used)), "a slot is lost, or both open and free"
        assert all(len(column) == len(self.order_id) for column in self._columns())
        assert self.order_id[NIL] == 0 and self.client_order_id[NIL] == ""
        seen = []
        for account in self.account_first:
            slots = self.of_account(account)
            assert slots and slots[-1] == self.account_last[account]
            ids = [self.order_id[slot] for slot in slots]
            assert ids == sorted(ids), "an account's orders are out of order-id order"
            assert all(self.account[slot] == account for slot in slots)
            assert self.account_previous[slots[0]] == NIL
            assert all(self.account_previous[b] == a for a, b in zip(slots, slots[1:]))
            seen += slots
        assert sorted(seen) == opened and self.account_first.keys() == self.account_last.keys()
        for slot in opened:
            assert self.order_id[slot] & SLOT_MASK == slot and self.order_id[slot] >> SLOT_BITS <= self.number
            assert 0 < self.open_quantity[slot] <= self.quantity[slot]
