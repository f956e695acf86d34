"""Orders, and the ids they get."""

from fractions import Fraction

import attrs

WAITING, ELECTED, MATCHING, RESTING = "waiting", "elected", "matching", "resting"


class OrderIds:
    """The one piece that is not naive, because ids are in the events: `number << 22 | slot`.

    The number counts accepted orders from 1. The slot is the one given back last, else the lowest never used, from 1.
    Every accepted order takes an id, and gives the slot back when it ends, be it at once.
    """

    def __init__(self, slots_max):
        self.slots_max = slots_max
        self.number = 0
        self.slots_used = 0
        self.given_back = []

    def is_full(self):
        return not self.given_back and self.slots_used == self.slots_max

    def take(self):
        if self.given_back:
            slot = self.given_back.pop()
        else:
            self.slots_used += 1
            slot = self.slots_used
        self.number += 1
        return self.number << 22 | slot

    def give_back(self, order_id):
        self.given_back.append(order_id % 2**22)


@attrs.define(eq=False)
class Order:
    order_id: int
    account: int
    instrument: int
    side: int
    order_type: int
    time_in_force: int
    post_only: int
    price: int  # the limit; 0: a market or stop order
    stop_price: int
    quantity: int  # in all, filled included
    open_quantity: int
    self_trade_prevention: int
    expire_time_ns: int  # 0: never
    client_order_id: str
    status: str
    place: int  # when it took its place in the queue: a smaller number is older
    maker_ppm: int = 0  # the rates of when it was placed
    taker_ppm: int = 0
    fees_exact: Fraction = Fraction(0)  # rate x notional over its fills
    fees_charged: int = 0  # the same, rounded up
