"""``python -m tests.drills.processes``: kill -9 of real processes with children in flight."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import uvloop

from service.settings import ROOT
from tests.drills.episode import new_seed
from tests.drills.processes.drill import Drill, usual
from tests.drills.processes.ending import CHECKS
from tests.drills.processes.floor import DrillError
from tests.drills.processes.gaps import Gap, why_no_trap


async def play(drill: Drill) -> str:
    """Run a drill to its end; returns what went wrong, empty if nothing did."""
    try:
        await drill.run()
        await drill.finish(CHECKS)
    except DrillError as error:
        return str(error)
    finally:
        bad = await drill.floor.stop()
    return f"ended with a status that is not 0: {bad}" if bad else ""


def report(drill: Drill, failure: str, seconds: float) -> str:
    """What happened; the last line is ``events=N kills=N divergence=N``."""
    tally, ours = drill.tally, drill.ours
    lines = [f"kills of {name}: {count}" for name, count in sorted(tally.kills.items())]
    lines += [f"gateway kills {gap.value}: {tally.gaps[gap]}" for gap in Gap]
    lines += [f"placed by strace {gap.value}: {count}" for gap, count in tally.placed.items()]
    closed = len(ours.closed)
    lines += [
        f"orders={len(drill.broker.received)} fills={len(drill.broker.fills)} parents closed={closed}",
        f"children in flight at the least: {tally.least_in_flight}",
        f"records that are on Kafka twice, with the same bytes: {tally.doubled}",
        f"denials: {dict(ours.denials)}",
        f"alarms: {dict(ours.alarms)}",
        f"{seconds:.0f} s",
    ]
    if tally.recovery:
        last = tally.recovery[-20:]
        lines.append(
            f"from kill to both books one: median {median(tally.recovery):.1f} s, last {median(last):.1f} s"
        )
    if failure:
        lines.append(failure)
    divergence = max(len(tally.problems), 1 if failure else 0)
    lines.append(
        f"events={ours.inputs + drill.broker.answers} kills={tally.kills.total()} divergence={divergence}"
    )
    return "\n".join(lines)


def main() -> int:
    """Run, print what happened, and end with one line ``events=N kills=N divergence=N``."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills.processes", description=main.__doc__)
    parser.add_argument(
        "--seed", type=int, default=None, help="of instants, victims and the market; drawn unless given"
    )
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs at least")
    parser.add_argument("--each", type=int, default=20, help="kills of the gateway in each gap at least")
    parser.add_argument("--outage", type=float, default=60.0, help="seconds that Kafka is away for, once")
    given = parser.parse_args()
    if reason := why_no_trap():
        print(f"error: {reason}", file=sys.stderr)
        return 2
    seed = new_seed() if given.seed is None else given.seed
    print(f"seed={seed}", flush=True)
    (ROOT / "runs").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=ROOT / "runs", prefix="drill-"))
    drill = Drill(
        folder, usual(seed, given.kills, given.each, given.outage), lambda line: print(line, flush=True)
    )
    began = time.monotonic()
    failure = uvloop.run(play(drill))
    print(report(drill, failure, time.monotonic() - began))
    if failure:
        print(f"kept: {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
