"""SIGKILLs of real processes with children in flight, and after each of them whether both books are one.

Every kill is followed by what a supervisor does, a start with the same options, and by the question whether
what we hold is what the broker holds. The broker is asked through its own files.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from service.model.orders import NewParent, ParentOrder, Side
from service.model.parameters import Parameters
from service.model.reference import load_reference
from service.settings import ROOT
from service.transport.producer import Producer
from service.transport.topics import PARENTS
from tests.drills.processes.broker_truth import Broker, Lines, requests
from tests.drills.processes.floor import DrillError, Floor, Role
from tests.drills.processes.gaps import PLACED, Gap, Seen, Trap, gap_of
from tests.drills.processes.our_truth import Ours

IN_FLIGHT: Final = 20
"""Children that the broker has at work, at least, when the gateway is killed."""
_NEW_ORDERS: Final = 5
"""Orders and replaces that go out between two kills, at least."""
_PARENTS: Final = (("AURA", Side.BUY), ("BOLT", Side.SELL))
_AT_ONCE: Final = 3
_LOTS: Final = 150
_POLL: Final = 0.03
_TRAP_SECONDS: Final = 6.0
COUNTED: Final = (Gap.BEFORE_SYNC, Gap.BEFORE_SEND, Gap.BEFORE_ANSWER)


@dataclass(slots=True)
class Plan:
    """What is asked of a drill.

    Attributes:
        kills: SIGKILLs at least.
        each: Kills of the gateway in each of the three gaps at least; more are placed until there are.
        outage: Seconds that Kafka is away for, once; 0 leaves it out.
        others: Which kills, counted from 1, are of something else than the gateway.
    """

    seed: int
    kills: int = 200
    each: int = 20
    outage: float = 60.0
    others: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Tally:
    """What happened."""

    kills: Counter[str] = field(default_factory=Counter)
    gaps: Counter[Gap] = field(default_factory=Counter)
    placed: Counter[Gap] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    recovery: list[float] = field(default_factory=list)
    least_in_flight: int = 1 << 30
    doubled: int = 0


OTHERS: Final = ("runner", "broker-sim", "feed", "kafka", "gateway+broker-sim", "gateway+runner", "all")


def usual(seed: int, kills: int, each: int, outage: float) -> Plan:
    """One kill in six is of something else, each kind in turn."""
    others = {number: OTHERS[number // 6 % len(OTHERS)] for number in range(6, kills, 6)}
    return Plan(seed, kills, each, outage, others)


class Drill:
    """One run from its start to its last comparison."""

    def __init__(self, folder: Path, plan: Plan, say: Callable[[str], None] = print) -> None:
        self.plan = plan
        self.floor = Floor(folder, plan.seed)
        self.ours = Ours(self.floor.journal)
        self.broker = Broker(folder / "broker")
        self.tally = Tally()
        self._say = say
        self._chance = random.Random(plan.seed)
        self._logged: set[str] = set()
        name = "FIX.4.4-SLIPSTREAM-BROKERSIM.messages.current.log"
        self._fix_log = Lines(folder / "fix" / "gateway" / "log" / name)
        self._trap = Trap(folder / "strace.log")
        self._parents = 0
        self._handed_in: set[str] = set()
        self._admitting = True
        self._where = ""
        self._died = 0.0
        self._reference = load_reference(ROOT / "deploy" / "reference.toml")

    # What both sides say

    def look(self) -> None:
        """Take in what is new on both sides, ours first: the broker can only be ahead of us."""
        self.ours.read()
        self.broker.quantities.update(self.ours.admitted)
        self.broker.read()
        self._logged.update(fields["11"] for _, fields in requests(self._fix_log.new()))
        self.tally.problems += self.ours.problems + self.broker.problems
        self.ours.problems.clear()
        self.broker.problems.clear()

    async def until(self, condition: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
        """Wait for a condition, looking at both sides and handing in parents meanwhile.

        Raises:
            DrillError: If it does not come true.
        """
        deadline = time.monotonic() + seconds
        while True:
            self.floor.check()
            self.look()
            self._hand_in()
            if condition():
                return
            if time.monotonic() > deadline:
                state = f"in flight {self.broker.in_flight}, denials {self.ours.denials}, {self.ours.alarms}"
                raise DrillError(f"not within {seconds:g} s: {what}; {state}\n{self.floor.gateway.tail()}")
            await asyncio.sleep(_POLL)

    async def agree(self) -> None:
        """Both books are one: what the broker has filled is what we hold, no more and no less.

        Raises:
            DrillError: If they are not, some time after.
        """
        self.look()
        known = set(self.broker.fills)
        with contextlib.suppress(DrillError):
            await self.until(lambda: known <= self.ours.fills.keys(), "our fills to be the broker's", 60.0)
        self.floor.check()
        for exec_id in sorted(known - self.ours.fills.keys()):
            self.tally.problems.append(f"we never heard of {exec_id}: {self.broker.fills[exec_id]}")
        self.compare()
        self.fail_on_problems()

    def compare(self) -> None:
        """Everything that we hold, the broker has filled; it may have filled more since."""
        self.broker.read()
        for exec_id, ours in self.ours.fills.items():
            theirs = self.broker.fills.get(exec_id)
            if theirs is None or theirs[1:] != ours[1:]:
                self.tally.problems.append(f"{exec_id}: ours {ours}, the broker's {theirs}")

    def fail_on_problems(self) -> None:
        """Raise if anything was seen that must never be.

        Raises:
            DrillError: With all of it.
        """
        if self.tally.problems:
            raise DrillError("\n".join(["the books differ:", *self.tally.problems[:20]]))

    # What is traded

    def _hand_in(self) -> None:
        if not self._admitting:
            return
        over = self.ours.closed.keys() | self.ours.refused.keys()
        for symbol, side in _PARENTS:
            mine = [name for name in self._handed_in - over if name.startswith(symbol)]
            for _ in range(_AT_ONCE - len(mine)):
                self._new_parent(symbol, side)

    def _new_parent(self, symbol: str, side: Side) -> None:
        self._parents += 1
        name = f"{symbol}-{self._parents}"
        self._handed_in.add(name)
        order = ParentOrder(
            id=name,
            symbol=symbol,
            side=side,
            quantity=self._chance.randint(_LOTS, 3 * _LOTS),
            policy="ladder",
            account="NW-1",
            trader="alice",
            ts_utc=time.time_ns(),
            parameters=Parameters(seed=self._chance.randrange(1 << 30)),
        )
        command = NewParent(command_id=f"new-{name}", parent=order, by="drill", ts_utc=order.ts_utc)
        self._producer.send(PARENTS, self._reference.by_symbol[symbol].key, command)

    # Kills

    async def run(self) -> None:
        """All of it.

        Raises:
            DrillError: If the books differ, or something does not come back.
        """
        plan = self.plan
        await self.floor.start()
        self._producer = Producer(self.floor.kafka.bootstrap, client="drill")
        await self._producer.start()
        try:
            await self.floor.settled()
            while self._kills < plan.kills or self._lacking() is not None:
                if self._kills > 3 * plan.kills + 20:
                    raise DrillError(f"too few kills fall into the gaps: {self.tally.gaps}")
                await self._one()
                if plan.outage and self._kills >= plan.kills // 2:
                    await self._without_kafka(plan.outage)
                    plan.outage = 0.0
        finally:
            await self._producer.stop()

    @property
    def _kills(self) -> int:
        return self.tally.kills.total()

    def _lacking(self) -> Gap | None:
        """The gap with the fewest kills, while it has too few."""
        least = min(COUNTED, key=lambda gap: self.tally.gaps[gap])
        return least if self.tally.gaps[least] < self.plan.each else None

    async def _one(self) -> None:
        traded = len(self.ours.positions) + _NEW_ORDERS
        await self.until(
            lambda: self.broker.in_flight >= IN_FLIGHT and len(self.ours.positions) >= traded,
            f"{IN_FLIGHT} children in flight, {_NEW_ORDERS} of them new",
        )
        number = self._kills + 1
        self._where = ""
        # A gateway that is killed twice passes a number: what was planned for that one is still to come.
        due = min(self.plan.others, default=number + 1)
        other = self.plan.others.pop(due) if due <= number else ""
        began = self._died = time.monotonic()
        if other == "kafka":
            await asyncio.sleep(self._chance.uniform(0.0, 0.5))
            self.floor.kafka.kill()
            await self.floor.kafka.wait_ready()
            self.tally.kills[other] += 1
        elif other and not other.startswith(("gateway", "all")):
            await asyncio.sleep(self._chance.uniform(0.0, 0.5))
            await self._again([self.floor.roles[other]])
        else:
            await self._gateway_and(other)
        await self.floor.settled()
        await self._back(other)
        await self.agree()
        ended = time.monotonic()
        if not other:
            self.tally.recovery.append(ended - self._died)
        self._say(
            f"{number:4d} {other or 'gateway':20s} {self._where:40s} {ended - began:4.1f} s, "
            f"{ended - self._died:.1f} to agree; {self.ours.inputs} inputs, {len(self.broker.fills)} fills"
        )

    async def _back(self, other: str) -> None:
        """Whoever was killed works again: a runner has to rebuild its parents and offer something."""
        for name in ("broker-sim", "feed", "runner"):
            if name in other or other == "all":
                await self.floor.ready(self.floor.roles[name])
        if "runner" in other or other == "all":
            known = len(self.ours.positions)
            await self.until(lambda: len(self.ours.positions) > known, "the runner offers something")

    async def _gateway_and(self, other: str) -> None:
        """Kill the gateway, somewhere or in a gap, and with it what ``other`` names."""
        gateway = self.floor.gateway
        with_it = [role for role in self.floor.roles.values() if role.name in other or other == "all"]
        lacking = self._lacking()
        seen: Seen | None = None
        self.tally.least_in_flight = min(self.tally.least_in_flight, self.broker.in_flight)
        placed = not other and (self._kills >= self.plan.kills or self._chance.random() < 0.6)
        if placed:
            seen = await self._spring(lacking or self._chance.choice(COUNTED))
        else:
            await asyncio.sleep(self._chance.uniform(0.0, 0.4))
        await asyncio.gather(*(role.kill() for role in {gateway, *with_it}))
        self._died = time.monotonic()
        self.look()
        waiting, unanswered = list(self.ours.waiting), list(self.ours.unanswered)
        await self._again([gateway, *(role for role in with_it if role is not gateway)], dead=True)
        if not other and self._chance.random() < 0.12:
            # And once more, while it is still getting up.
            await asyncio.sleep(self._chance.uniform(0.0, 1.2))
            await self._again([gateway])
        await self.floor.settled()
        self.look()
        self._account(
            gap_of(waiting, unanswered, self.ours.positions, self._logged, self.broker.received, seen)
        )
        if seen is not None:
            self._synced_first(seen)

    def _account(self, gap: Gap) -> None:
        self.tally.gaps[gap] += 1
        self._where = gap.value

    def _synced_first(self, seen: Seen) -> None:
        """No order may go to the socket before the input that it came from is on the disk."""
        for cl_ord_id, synced in seen.sent or ():
            position = self.ours.positions[cl_ord_id]
            # What was written before strace was there has been synced before it was there, or after.
            if synced and position > synced:
                self.tally.problems.append(f"{cl_ord_id} went out at {synced}, and stands before {position}")

    async def _spring(self, gap: Gap) -> Seen | None:
        """Have the gateway killed at the entry of a system call; ``None`` if it did not come to that."""
        gateway = self.floor.gateway
        if await self._trap.set(gateway.pid, PLACED[gap], self._chance.randint(2, 8)):
            try:
                async with asyncio.timeout(_TRAP_SECONDS):
                    await gateway.gone()
            except TimeoutError:
                await self._trap.take_away()
                return None
            await self._trap.take_away()
            self.tally.placed[gap] += 1
            return self._trap.seen()
        return None

    async def _again(self, roles: Iterable[Role], *, dead: bool = False) -> None:
        """Kill roles, unless they are dead already, and start them as a supervisor does."""
        for role in roles:
            if not dead:
                await role.kill()
            self.tally.kills[role.name] += 1
            if role.name == "feed":
                self.floor.market_goes_on(self.ours.core.state.clock)
            await role.start()

    async def _without_kafka(self, seconds: float) -> None:
        """Kafka is killed and stays away, the gateway is killed meanwhile, and all is on record after."""
        kafka = self.floor.kafka
        kafka.kill()
        self.tally.kills["kafka"] += 1
        await kafka.stop()
        await asyncio.sleep(seconds / 2)
        await self._again([self.floor.gateway])
        await self.floor.settled()
        await asyncio.sleep(seconds / 2)
        self.floor.check()
        await kafka.start()
        await self.floor.ready(self.floor.gateway)
        await self.agree()
        self._say(f"     Kafka was away for {seconds:g} s")

    # The end

    async def finish(self, checks: Iterable[Callable[[Drill], Awaitable[None]]]) -> None:
        """The last comparisons, one after the other, with nothing new handed in."""
        self._admitting = False
        for check in checks:
            await check(self)
            self.fail_on_problems()
