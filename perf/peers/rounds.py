"""What the programs of all Python peers share: read the flow, run rounds until the time is up, print the best."""

import json
import sys
import time

CHECK_EVERY = 100  # commands between looks at the clock


def read_flow():
    """-> [(kind, side, price, quantity, target), ...] of the CSV named by the first argument, see compare.py."""
    with open(sys.argv[1]) as file:
        lines = [line.rstrip("\n").split(",") for line in file]
    return [(kind, side, int(price), int(quantity), int(target)) for kind, side, price, quantity, target in lines]


def best_round(run, count):
    """Print the best of the rounds that fit in the seconds of the second argument. `run(is_over)` runs one from an
    empty book -> (commands, fills, filled quantity); it asks is_over() now and then."""
    deadline_s = time.perf_counter() + float(sys.argv[2])
    best = None
    while best is None or time.perf_counter() < deadline_s:
        started_s = time.perf_counter()
        commands, fills, quantity = run(lambda: time.perf_counter() > deadline_s)
        seconds = time.perf_counter() - started_s
        if best is None or (commands == count and seconds < best["seconds"]):
            best = {"commands": commands, "seconds": seconds, "fills": fills, "quantity": quantity}
    print(json.dumps(best))
