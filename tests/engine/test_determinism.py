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
from protocol.messages import AmendOrder, CancelAll, CancelOrder, DefineInstrument, OrderType, PlaceOrder, TimeInForce

REPOSITORY = Path(__file__).resolve().parents[2]

#: Of run() below. Both interpreters are held to them, so neither needs the other at hand. They change when the rules
#: or what a snapshot holds change: `python -m tests.engine.test_determinism` prints them. Not by anything else.
STATE_HASH = "38c006cb804bb8700733ba875984e67c9efd3df65ace154eac07bcef74672b8e"
EVENTS_HASH = "9566bccff61674ae3b74f413ffb2686bbf45483b3caab178011bdc072548a3e6"


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
    commands = [DefineInstrument(0, number, 2, 0, 1, 1, 500, "SYMBOL-%d" % number) for number in (2, 1, 3)]
    for seq in range(1, 5_001):
        if commands:
            command = commands.pop(0)
        elif draw(10) < 6:
            market = draw(8) == 0
            command = PlaceOrder(
                account=1 + draw(5),
                instrument=1 + draw(3),
                side=1 + draw(2),
                order_type=OrderType.MARKET if market else OrderType.LIMIT,
                time_in_force=TimeInForce.IOC if market else 1 + draw(3),
                post_only=0,
                price=0 if market else 990 + draw(20),
                quantity=1 + draw(50),
                client_order_id="order-%d" % draw(9),
            )
        elif draw(10) < 5:
            command = CancelOrder(1 + draw(5), ids[draw(len(ids))])
        elif draw(10) < 9:
            command = AmendOrder(1 + draw(5), ids[draw(len(ids))], draw(2) * (990 + draw(20)), draw(2) * draw(60))
        else:
            command = CancelAll(1 + draw(5), draw(4), draw(3))
        for event in exchange.apply(seq, seq, command):
            ids.append(getattr(event, "order_id", 0))
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
