"""Commands a second from journal to exchange, every event compared: in a fresh process (cold), then again (warm)."""

import argparse
import json
import os
import time

from engine.recovery import recover
from perf.batches import ORDER_SLOTS
from protocol.journal import segment_paths


def measure(directory, rounds):
    """-> figures of `rounds` recoveries of the journal in `directory`, which is only read."""
    per_second = []
    for _ in range(rounds):
        started_s = time.perf_counter()
        recovered = recover(directory, time.time_ns, ORDER_SLOTS)
        seconds = time.perf_counter() - started_s
        per_second.append(round(recovered.replayed / seconds))
    return {
        "commands": recovered.replayed,
        "events": recovered.sequencer.event_seq,
        "segment_mib": sum(os.path.getsize(path) for path in segment_paths(directory)) >> 20,
        "cold_per_second": per_second[0],
        "warm_per_second": max(per_second[1:]) if rounds > 1 else None,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", help="a journal, without a snapshot, of a core that does not run")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(json.dumps(measure(given.directory, given.rounds)))
