"""The same commands give the same events and the same state: on both interpreters, under any PYTHONHASHSEED."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import attrs
import msgpack

from engine import snapshot
from engine.exchange import Exchange
from protocol.messages import (
    ORDER_TYPES,
    AmendOrder,
    CancelAll,
    CancelOrder,
    DefineAsset,
    DefineInstrument,
    Deposit,
    OpenAccount,
    OrderType,
    PlaceOrder,
    SetFees,
    Tick,
    TimeInForce,
)

REPOSITORY = Path(__file__).resolve().parents[2]

#: Of run() below. Both interpreters are held to them, so neither needs the other at hand. They change when the rules
#: or what a snapshot holds change: `python -m tests.engine.test_determinism` prints them. Not by anything else.
STATE_HASH = "e60ba61dd7a0c78d5190cdcf6f8dd3d98328938e1b17a2a130815c27bc4de8c8"
EVENTS_HASH = "475663b6f295dfbdd351a8aa170194f2314e180e78d8edd107b3b64fe1bf4b2b"


def beginnings():
    """-> assets, three instruments of which the last trades without funds, four accounts and their money."""
    found = [DefineAsset(0, 1, 2, 0, "BASE"), DefineAsset(0, 2, 6, 0, "QUOTE")]
    for number in (2, 1, 3):
        assets = (0, 0) if number == 3 else (1, 2)
        found.append(DefineInstrument(0, number, 2, 2, 1, 1, 500, *assets, 0, "SYMBOL-%d" % number))
    found.append(SetFees(0, 1, 0, -250, 1_000, 0))
    for account in (1, 2, 3, 4):
        found.append(OpenAccount(account, 0, "user-%d" % account))
        found += [Deposit(account, asset, 10**9, 0, "in-%d-%d" % (account, asset)) for asset in (1, 2)]
    return found


def drawn_command(draw, seq, ids):
    """-> a command that may name one of `ids`."""
    account = 1 + draw(4)
    kind = draw(30)
    if kind < 18:
        return drawn_order(draw, seq, account)
    if kind < 24:
        return CancelOrder(account, ids[draw(len(ids))])
    if kind < 28:
        return AmendOrder(account, ids[draw(len(ids))], draw(2) * (990 + draw(20)), draw(2) * draw(60))
    if kind == 28:
        return CancelAll(account, draw(4), draw(3))
    return Tick(0)


def drawn_order(draw, seq, account):
    order_type = (OrderType.LIMIT, OrderType.LIMIT, OrderType.LIMIT, *ORDER_TYPES)[draw(7)]
    has_limit = order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    waits = order_type in (OrderType.STOP, OrderType.STOP_LIMIT)
    time_in_force = TimeInForce.IOC if order_type == OrderType.MARKET else (1 + draw(4) if has_limit else 1)
    return PlaceOrder(
        account=account,
        instrument=1 + draw(3),
        side=1 + draw(2),
        order_type=order_type,
        time_in_force=time_in_force,
        post_only=0,
        price=990 + draw(20) if has_limit else 0,
        quantity=1 + draw(50),
        self_trade_prevention=1 + draw(5),
        stop_price=990 + draw(20) if waits else 0,
        expire_time_ns=(seq + draw(300)) * 10**12 if time_in_force == TimeInForce.GTD else 0,
        client_order_id="order-%d" % draw(3_000),
    )


def run():
    """-> (state hash, hash of all events) of 5,000 commands drawn from a generator written out here.

    Not random.Random: what it draws for a seed is a promise of neither interpreter.
    """
    exchange = Exchange(order_slots=1)
    digest = hashlib.sha256()
    drawn = 1

    def draw(below):
        nonlocal drawn
        drawn = (drawn * 6364136223846793005 + 1442695040888963407) % 2**64
        return (drawn >> 33) % below

    ids = [0]
    commands = beginnings()
    for seq in range(1, 5_001):
        command = commands.pop(0) if commands else drawn_command(draw, seq, ids)
        for event in exchange.apply(seq, seq * 10**12, command):
            ids += [event.order_id] if getattr(event, "order_id", 0) else []
            digest.update(msgpack.packb([type(event).TYPE, *attrs.astuple(event)]))
        ids = ids[-60:]
    exchange.check()
    return snapshot.state_hash(exchange), digest.hexdigest()


def test_a_fixed_run_ends_in_the_state_and_with_the_events_it_always_had():
    assert run() == (STATE_HASH, EVENTS_HASH)


def test_the_seed_of_string_hashes_changes_nothing():
    for seed in ("0", "1", "random"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-m", "tests.engine.test_determinism"]
        output = subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, capture_output=True, text=True)
        assert output.stdout.split() == [STATE_HASH, EVENTS_HASH]


if __name__ == "__main__":
    print(*run(), sep="\n")
