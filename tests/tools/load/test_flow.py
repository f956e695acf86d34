"""A flow keeps its promises: the mix, open orders to cancel, no trade with oneself, the same for the same seed."""

from collections import Counter

import pytest

from engine.exchange import Exchange
from protocol.messages import CommandRejected, OrderAccepted, OrderFilled
from tools.load.flow import MIXES, NOTHING, definition, generate


def events_of(flow):
    """-> [events of each command], from an exchange that saw nothing else."""
    exchange = Exchange()
    exchange.apply(1, 0, definition())
    return [exchange.apply(index + 2, 0, command) for index, command in enumerate(flow.commands)]


@pytest.mark.parametrize("mix", MIXES)
def test_no_command_is_rejected_and_the_events_are_as_many_as_promised(mix):
    flow = generate(3000, mix, lag=50, resting=200)
    events = events_of(flow)
    assert [event for some in events for event in some if type(event) is CommandRejected] == []
    assert sum(len(some) for some in events) == flow.events


def test_mixed_is_half_passive_a_third_cancels_and_the_rest_aggressive():
    kinds = generate(12_000, "mixed", resting=0, lag=10).kinds()
    assert sum(kinds.values()) == 12_000
    assert abs(kinds["passive"] - 6000) < 300 and abs(kinds["cancel"] - 4000) < 300


def test_a_cancel_names_the_order_of_its_target_which_is_at_least_lag_commands_old():
    flow = generate(3000, lag=70, resting=200)
    placed = {}
    for index, events in enumerate(events_of(flow)):
        target = flow.cancels[index]
        if target != NOTHING:
            assert index - target >= 70
            assert flow.commands[index].order_id == placed[target]
        elif type(events[0]) is OrderAccepted:
            placed[index] = events[0].order_id


def test_accounts_trade_with_one_another_never_with_themselves():
    flow = generate(3000, accounts=(1, 2, 3), resting=200)
    sides_of_trade = Counter(
        (event.trade_id, event.account) for some in events_of(flow) for event in some if type(event) is OrderFilled
    )
    assert sides_of_trade and set(sides_of_trade.values()) == {1}
    assert {command.account for command in flow.commands} == {1, 2, 3}


def test_the_same_seed_gives_the_same_flow():
    assert generate(500, seed=7) == generate(500, seed=7)
    assert generate(500, seed=7) != generate(500, seed=8)
