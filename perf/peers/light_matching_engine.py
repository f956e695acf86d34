"""A flow of orders through the PyPI package lightmatchingengine. Arguments: FLOW SECONDS. Prints JSON.

It knows no immediate-or-cancel: what is left of such an order is cancelled.
"""

from lightmatchingengine.lightmatchingengine import LightMatchingEngine, Side
from rounds import CHECK_EVERY, best_round, read_flow

SYMBOL = "X"
SIDES = {"B": Side.BUY, "S": Side.SELL}


def run(flow, is_over):
    engine = LightMatchingEngine()
    order_ids = [0] * len(flow)
    commands = fills = filled = 0
    for kind, side, price, quantity, target in flow:
        if kind == "C":
            engine.cancel_order(order_ids[target], SYMBOL)
        else:
            order, trades = engine.add_order(SYMBOL, price, quantity, SIDES[side])
            order_ids[commands] = order.order_id
            for trade in trades:
                if trade.order_id != order.order_id:
                    fills += 1
                    filled += trade.trade_qty
            if kind == "I" and order.leaves_qty:
                engine.cancel_order(order.order_id, SYMBOL)
        commands += 1
        if commands % CHECK_EVERY == 0 and is_over():
            break
    return commands, fills, filled


if __name__ == "__main__":
    flow = read_flow()
    best_round(lambda is_over: run(flow, is_over), len(flow))
