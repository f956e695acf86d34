"""How long references of deposits and withdrawals are known: too many commands for a scenario."""

import pytest

from engine.exchange import Exchange
from protocol.messages import REFERENCES_MAX, DefineAsset, Deposit, Deposited, OpenAccount

ALICE = 1
USD = 1


@pytest.fixture
def deposit():
    """-> a function that deposits 1 USD under a reference; REFERENCES_MAX + 1 of them have been made."""
    exchange = Exchange()

    def apply(command):
        events = exchange.apply(exchange.seq + 1, 0, command)
        assert len(events) == 1
        return events[0]

    def deposit(reference):
        return apply(Deposit(ALICE, USD, 1, 0, reference))

    apply(DefineAsset(0, USD, 0, 0, "USD"))
    apply(OpenAccount(ALICE, 0, "alice"))
    for number in range(REFERENCES_MAX + 1):
        deposit("wire-%d" % number)
    exchange.check()
    return deposit


def test_the_newest_references_are_known(deposit):
    available = REFERENCES_MAX + 1
    assert deposit("wire-1") == Deposited(ALICE, USD, 1, available, 1, 0, "wire-1")
    assert deposit("wire-%d" % REFERENCES_MAX).is_duplicate


def test_one_before_them_is_taken_for_new(deposit):
    assert not deposit("wire-0").is_duplicate
    assert not deposit("wire-1").is_duplicate, "the oldest was forgotten for it"
