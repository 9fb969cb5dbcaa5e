"""``python -m tests.drills``: the seeded fault simulator over the real gateway core."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.drills.episode import new_seed, run


def main() -> int:
    """Run, print what happened, and end with one line ``events=N kills=N divergence=N``."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=main.__doc__)
    parser.add_argument("--seed", type=int, default=None, help="of the whole run; drawn unless given")
    parser.add_argument("--events", type=int, default=1_000_000, help="steps of the simulator")
    parser.add_argument("--episode", type=int, default=0, help="episode to begin with")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that share the work")
    given = parser.parse_args()
    seed = new_seed() if given.seed is None else given.seed
    print(f"seed={seed}", flush=True)
    began = time.monotonic()
    result = run(seed, given.events, given.episode, given.jobs)
    seconds = time.monotonic() - began
    for place, count in sorted(result.places.items()):
        print(f"kills at '{place}': {count}")
    print(f"orders={result.orders} fills={result.fills}")
    print(f"{result.events / seconds:.0f} events a second")
    if result.failure:
        print(result.failure)
    print(f"events={result.events} kills={result.kills} divergence={result.divergence}")
    return 1 if result.failure else 0


if __name__ == "__main__":
    sys.exit(main())
