"""Alerts on their way from a real cause to the webhooks: which arrived, and how long each took."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.integration.deploy.causes import CAUSES
from tests.integration.deploy.stack import Notice, Stack
from tests.integration.gateway.stage import Process
from tests.unit.deploy.supervision import ALERTS

LIMIT = 5.0
"""Seconds from a condition being true to the webhook (C31)."""
PATIENCE = 30.0
"""The same where the machine has more to do than it can: then it is the machine that is measured."""
CROWDED = 4.0
"""Processes that want a core, for each core, from which on it has."""
BUSY = 2.0
"""The same, from which on something may well be late by itself."""
OF_THIS_MACHINE = frozenset(("ClockTrouble", "LoopLate"))
"""May well be true where tests run: a container without NTP, a machine that others use."""
OF_A_BUSY_ONE = frozenset(
    (
        "OrdersWaitForDisk",
        "JournalSlow",
        "OrderPathSlow",
        "BrokerSlow",
        "FeedBehind",
        "FeedStuck",
        "RunnerConflates",
        "RunnerBehind",
    )
)
"""May be true, too, where processes wait for a core: all of them say that something is late."""
OF_A_CROWDED_ONE = frozenset(("RoleDown", "MarketDataStale", "RunnerLost"))
"""May be true, too, where they wait for seconds."""
RULES: dict[str, dict[str, Any]] = {rule["alert"]: rule for rule in ALERTS}
RECEIVERS = {"critical": ("desk", "risk"), "warning": ("desk",), "info": ("desk",)}


def load() -> float:
    """Processes that wanted a core, for each core, in the last minute."""
    return os.getloadavg()[0] / len(os.sched_getaffinity(0))


def crowded() -> bool:
    """Whether this machine has more to do than it can."""
    return load() >= CROWDED


def limit() -> float:
    """Seconds that an alert may take here and now."""
    return PATIENCE if crowded() else LIMIT


async def stop_and_go(process: Process, stop: float, go: float, until: asyncio.Event) -> None:
    """A process that gets no time for a while, then some, over and over."""
    while not until.is_set():
        process.signal(signal.SIGSTOP)
        await asyncio.sleep(stop)
        process.signal(signal.SIGCONT)
        await asyncio.sleep(go)


def metrics_of(folder: Path, *roles: str) -> dict[str, str]:
    """Addresses of the metrics of roles that run on this folder."""
    return {role: (folder / "ready" / f"{role}.metrics").read_text().strip() for role in roles}


class Took(NamedTuple):
    """Seconds to the last webhook: from the cause, if its moment is known, and from the rule that fired."""

    cause: float | None
    rule: float


class Arrivals:
    """Waits for alerts at everyone who must be told of them; nothing else may arrive in the whole run."""

    def __init__(self, on: Stack, run: str) -> None:
        self.run = run
        self.took: dict[str, Took] = {}
        self._on = on
        self._load = load()

    @property
    def _of_the_machine(self) -> frozenset[str]:
        """What may have arrived without a cause of ours: it counts how busy it was at any time of the run."""
        self._load = max(self._load, load())
        late = OF_A_BUSY_ONE if self._load >= BUSY else frozenset()
        return OF_THIS_MACHINE | late | (OF_A_CROWDED_ONE if self._load >= CROWDED else frozenset())

    async def quiet(self) -> None:
        """All is well: everything was scraped and judged a few times, and nothing arrived."""
        await self._on.evaluated(5)
        assert not self._shown() - self._of_the_machine, self._shown()

    async def at_once(self, name: str, since: float) -> None:
        """It arrives, and within the limit of its cause, which came true at ``since``, UTC in seconds."""
        await self._arrives(name, since, PATIENCE, {})
        cause = self.took[name].cause
        assert cause is not None
        assert cause < limit(), f"{name} took {cause:.2f} s"

    async def once_it_lasts(
        self, name: str, since: float = 0.0, seconds: float = 60.0, **labels: str
    ) -> None:
        """It arrives once its cause has lasted as the rule says; the limit counts from then on."""
        await self._arrives(name, since, seconds, labels)

    async def _arrives(self, name: str, since: float, seconds: float, labels: dict[str, str]) -> None:
        self._load = max(self._load, load())
        rule = RULES[name]
        severity = rule["labels"]["severity"]
        notices: list[Notice] = [
            await self._on.webhooks.hears(name, receiver, since, seconds, **labels)
            for receiver in RECEIVERS[severity]
        ]
        for notice in notices:
            assert notice.alert["labels"]["severity"] == severity
            assert notice.alert["annotations"]["runbook"] == rule["annotations"]["runbook"]
            assert "<" not in notice.alert["annotations"]["summary"]
        if severity != "critical":
            assert not [n for n in self._on.webhooks.of(name) if n.receiver == "risk"]
        last = max(notice.at for notice in notices)
        fired = max(datetime.fromisoformat(notice.alert["startsAt"]).timestamp() for notice in notices)
        self.took[name] = Took(last - since if since else None, last - fired)
        assert last - fired < limit(), f"{name} took {last - fired:.2f} s from its rule to the webhook"

    def finished(self, capsys: pytest.CaptureFixture[str], perhaps: frozenset[str] = frozenset()) -> None:
        """What the table says of this run arrived, and nothing else but what ``perhaps`` names."""
        assert set(self.took) == set(CAUSES[self.run])
        more = self._shown() - set(self.took) - self._of_the_machine - perhaps
        assert not more, more
        with capsys.disabled():
            cores = len(os.sched_getaffinity(0))
            print(f"\n{self.run} (load {load() * cores:.0f} on {cores} cores)")
            print("seconds to the last webhook, from the cause and from the rule")
            for name, took in self.took.items():
                cause = "" if took.cause is None else f"{took.cause:.2f}"
                print(f"  {name:22} {cause:>6} {took.rule:6.2f}")

    def _shown(self) -> set[str]:
        return {notice.name for notice in self._on.webhooks.notices}
