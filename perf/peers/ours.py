"""A flow of orders through our own core in process. Arguments: FLOW SECONDS matching|sequenced. Prints JSON.

`matching`: the exchange alone, its events as objects, which is what the peers do. `sequenced`: what the core does with
each command: events stamped, encoded, and taken in batches.
"""

import sys

from perf.batches import ACCOUNT, KEY, new_sequencer
from perf.peers.rounds import best_round, read_flow
from protocol.messages import CancelOrder, OrderFilled, Side, TimeInForce
from tools.load.flow import place

BATCH = 1000  # commands from take to take
SIDES = {"B": Side.BUY, "S": Side.SELL}
TIMES_IN_FORCE = {"G": TimeInForce.GTC, "I": TimeInForce.IOC}


def commands_of(flow):
    """-> commands; cancels carry the order ids that our exchange gives."""
    exchange = new_sequencer().exchange
    commands = []
    order_ids = []
    for kind, side, price, quantity, target in flow:
        if kind == "C":
            command = CancelOrder(ACCOUNT, order_ids[target])
        else:
            command = place(ACCOUNT, SIDES[side], TIMES_IN_FORCE[kind], price, quantity)
        (first, *_) = exchange.apply(exchange.seq + 1, 0, command)
        order_ids.append(first.order_id)
        commands.append(command)
    return commands


def matching(commands):
    exchange = new_sequencer().exchange
    apply, seq = exchange.apply, exchange.seq
    fills = filled = 0
    for command in commands:
        seq += 1
        for event in apply(seq, 0, command):
            if type(event) is OrderFilled:
                fills += 1
                filled += event.quantity
    return len(commands), fills // 2, filled // 2  # an event for each side


def sequenced(commands):
    sequencer = new_sequencer()
    count = 0
    for command in commands:
        sequencer.apply(KEY, command)
        count += 1
        if count == BATCH:
            sequencer.take()
            count = 0
    return len(commands), sequencer.exchange.trade_count, None


if __name__ == "__main__":
    stage = {"matching": matching, "sequenced": sequenced}[sys.argv[3]]
    commands = commands_of(read_flow())
    best_round(lambda is_over: stage(commands), len(commands))
