"""What is compared once a drill's kills are over: after a kill of everything, and on the record."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, defaultdict

from service.gateway import control_client
from service.gateway.state import AUDIT, ORDERS, RISK
from service.settings import ROOT
from service.transport.producer import partition_for
from service.transport.tail import Tail
from tests.drills.processes.drill import Drill
from tests.drills.processes.floor import DrillError


async def nothing_works_after_a_kill(drill: Drill) -> None:
    """``slipstream kill``; then nothing is open at the broker, and a gateway that is killed stays so."""
    floor = drill.floor
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service.cli", "kill", "--reason", "the drill ends",
        "--run-dir", str(floor.run_dir),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    if process.returncode:
        raise DrillError(f"slipstream kill failed: {said.decode()}")
    drill.look()
    if drill.broker.in_flight:
        drill.tally.problems.append(f"{drill.broker.in_flight} orders work after a kill of everything")
    known = len(drill.broker.received)
    await drill.floor.gateway.kill()
    await drill.floor.gateway.start()
    status = await floor.settled()
    await floor.ready(floor.gateway)
    drill.look()
    if [kill.scope for kill in status.kills] != ["all"] or status.working:
        drill.tally.problems.append(f"after a restart: {status.kills}, {len(status.working)} work")
    if len(drill.broker.received) != known:
        drill.tally.problems.append("an order went out after a kill of everything")


async def both_books_are_one(drill: Drill) -> None:
    """Fills as sets, lots by parent, positions and money."""
    await drill.agree()
    ours, broker = drill.ours, drill.broker
    if ours.fills.keys() != broker.fills.keys():
        drill.tally.problems.append(f"fills: {ours.fills.keys() ^ broker.fills.keys()}")
    status = await control_client.status(drill.floor.run_dir)
    parents = (await control_client.parents(drill.floor.run_dir, closed=True)).parents
    lots: Counter[str] = Counter()
    money = 0
    for fill in broker.fills.values():
        lots[fill.symbol] += fill.quantity if fill.side == 1 else -fill.quantity
        money += fill.quantity * fill.price
    held = {symbol: position for symbol, position in status.positions.items() if position}
    if held != dict(lots):
        drill.tally.problems.append(f"positions: ours {held}, the broker's {dict(lots)}")
    # The gateway remembers parents that are over, all of them.
    filled = sum(parent.filled_money for parent in parents)
    if filled != money:
        drill.tally.problems.append(f"money: ours {filled}, the broker's {money}")


async def the_record_is_complete(drill: Drill) -> None:
    """Kafka has every record that follows from the journal, in order; what is there twice is counted."""
    status = await drill.floor.gateway.stop()
    if status:
        drill.tally.problems.append(f"the gateway stopped with status {status}")
    drill.look()
    for topic in (ORDERS, RISK, AUDIT):
        async with Tail(drill.floor.kafka.bootstrap, topic, client="drill") as tail:
            ours: dict[int, list[bytes]] = defaultdict(list)
            for key, value in drill.ours.record.get(topic, ()):
                ours[partition_for(key, tail.partitions)].append(value)
            for partition in range(tail.partitions):
                chunks = [chunk async for chunk in tail.newest_first(partition)]
                kafkas = [value for chunk in reversed(chunks) for value in chunk]
                _compare(drill, f"{topic} partition {partition}", ours[partition], kafkas)


def _compare(drill: Drill, where: str, ours: list[bytes], kafkas: list[bytes]) -> None:
    missing, extra = Counter(ours) - Counter(kafkas), Counter(kafkas) - Counter(ours)
    known = set(ours)
    if missing:
        drill.tally.problems.append(f"{where}: {missing.total()} of {len(ours)} records are missing")
    if strange := [value for value in extra if value not in known]:
        drill.tally.problems.append(f"{where}: {len(strange)} records that no input accounts for")
    drill.tally.doubled += sum(extra.values())
    if list(dict.fromkeys(ours)) != list(dict.fromkeys(kafkas)):
        drill.tally.problems.append(f"{where}: out of order")


CHECKS = (nothing_works_after_a_kill, both_books_are_one, the_record_is_complete)
