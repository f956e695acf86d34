"""A flow of orders through the PyPI package order-matching. Arguments: FLOW SECONDS. Prints JSON.

It knows no immediate-or-cancel: what is left of such an order is cancelled.
"""

from datetime import datetime, timedelta

from loguru import logger
from order_matching.enums import Side
from order_matching.matching_engine import MatchingEngine
from order_matching.order import LimitOrder
from order_matching.orders import Orders
from rounds import CHECK_EVERY, best_round, read_flow

SIDES = {"B": Side.BUY, "S": Side.SELL}
START = datetime(2025, 1, 1)
STEP = timedelta(microseconds=1)  # its time priority goes by timestamps


def run(flow, is_over):
    engine = MatchingEngine(seed=1)
    commands = fills = filled = 0
    now = START
    for kind, side, price, quantity, target in flow:
        now += STEP
        if kind == "C":
            engine.cancel_order(str(target))
        else:
            order = LimitOrder(
                side=SIDES[side],
                price=float(price),
                size=float(quantity),
                timestamp=now,
                order_id=str(commands),
                trader_id="x",
            )
            engine.place(Orders([order]))
            for trade in engine.match(timestamp=now).trades:
                fills += 1
                filled += int(trade.size)
            if kind == "I" and order.size:
                engine.cancel_order(order.order_id)
        commands += 1
        if commands % CHECK_EVERY == 0 and is_over():
            break
    return commands, fills, filled


if __name__ == "__main__":
    logger.remove()
    flow = read_flow()
    best_round(lambda is_over: run(flow, is_over), len(flow))
