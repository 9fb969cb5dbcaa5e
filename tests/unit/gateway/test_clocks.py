"""The clocks: what the kernel says, how far the broker's is, and what follows from it (C47)."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from service.fix.timestamps import utc_text
from service.gateway.clocks import BrokerDifference, ClockWatch, KernelClock, read_kernel_clock
from service.gateway.inputs import ClockInput
from service.model.events import Alarm, ChildDenied
from service.model.time import MILLISECOND, SECOND
from service.telemetry.clocks import ClockSensor
from tests.unit.gateway.driver import UTC, Driver
from tests.unit.gateway.test_shell import Gateway

GOOD = KernelClock(synchronised=True, offset=1_000, estimated_error=100_000, max_error=5 * MILLISECOND)
BAD = GOOD._replace(synchronised=False)


class Told(ClockSensor):
    def __init__(self) -> None:
        self.kernel: KernelClock | None = None
        self.difference: int | None = None
        self.trouble = False

    def on_kernel(self, *, synchronised: bool, offset: int, estimated_error: int, max_error: int) -> None:
        self.kernel = KernelClock(synchronised, offset, estimated_error, max_error)

    def on_broker(self, difference: int | None) -> None:
        self.difference = difference

    def on_trouble(self, trouble: bool) -> None:
        self.trouble = trouble


class Watched:
    """A watch on a real gateway; what kernel and broker say is the test's."""

    def __init__(self, folder: Path, *, blocks: bool = True) -> None:
        self.gateway = Gateway(folder / "gateway.journal")
        self.kernel: KernelClock | OSError = GOOD
        self.heard: list[tuple[str, int]] = []
        self.told = Told()
        self.watch = ClockWatch(
            self.gateway.shell,
            self._take,
            blocks=blocks,
            max_error=MILLISECOND,
            max_difference=250 * MILLISECOND,
            sensor=self.told,
            read=self._read,
        )

    def _take(self) -> list[tuple[str, int]]:
        heard, self.heard = self.heard, []
        return heard

    def _read(self) -> KernelClock:
        if isinstance(self.kernel, OSError):
            raise self.kernel
        return self.kernel

    def look(self, seconds: int = 1, each: Callable[[], object] = lambda: None) -> None:
        for _ in range(seconds):
            self.gateway.utc += SECOND
            each()
            self.watch.look(self.gateway.utc)

    def hear(self, difference: int, latency: int = MILLISECOND) -> None:
        arrived = self.gateway.utc
        self.heard.append((utc_text(arrived - difference - latency, 6), arrived))

    @property
    def alarms(self) -> list[str]:
        return [alarm.detail for alarm in self.gateway.events(Alarm) if alarm.code == "CLOCK_TROUBLE"]

    @property
    def blocked(self) -> str:
        return self.gateway.core.state.clock_trouble


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    built = Watched(tmp_path)
    yield built
    await built.gateway.journal.close()


async def test_a_clock_that_is_well_is_no_news(watched: Watched) -> None:
    before = watched.gateway.shell.seq
    watched.look(100, lambda: watched.hear(0))
    assert (watched.gateway.shell.seq, watched.alarms) == (before, [])
    assert (watched.told.kernel, watched.told.difference) == (GOOD, MILLISECOND)
    assert not watched.told.trouble


TROUBLES: dict[str, tuple[KernelClock | OSError, str, str]] = {
    "nobody disciplines it": (BAD, "unsynchronised", "estimated_error_ms=0.100"),
    "its error is too large": (
        GOOD._replace(estimated_error=MILLISECOND + 1), "estimated_error", "estimated_error_ms=1.000",
    ),
    "it cannot be asked": (OSError("not permitted"), "unreadable", "error=not_permitted"),
}  # fmt: skip


@pytest.mark.parametrize(("kernel", "trouble", "detail"), TROUBLES.values(), ids=TROUBLES)
async def test_a_kernel_clock_not_to_be_trusted_is_an_alarm_and_denies(
    watched: Watched, kernel: KernelClock | OSError, trouble: str, detail: str
) -> None:
    watched.kernel = kernel
    watched.look(30)
    assert watched.alarms == [f"trouble={trouble} blocks=yes {detail}"]
    assert (watched.blocked, watched.told.trouble) == (trouble, True)
    watched.gateway.market()
    watched.gateway.admit()
    watched.gateway.submit()
    (denied,) = watched.gateway.events(ChildDenied)
    assert (denied.control, denied.code, denied.detail) == ("C47", "CLOCK_TROUBLE", f"trouble={trouble}")


async def test_an_error_at_its_limit_is_none(watched: Watched) -> None:
    watched.kernel = GOOD._replace(estimated_error=MILLISECOND)
    watched.look(3)
    assert watched.alarms == []


async def test_where_it_only_warns_orders_go_out(tmp_path: Path) -> None:
    watched = Watched(tmp_path, blocks=False)
    watched.kernel = BAD
    watched.look()
    assert watched.alarms == ["trouble=unsynchronised blocks=no estimated_error_ms=0.100"]
    assert watched.blocked == ""
    await watched.gateway.journal.close()


async def test_it_is_over_after_ten_seconds_without_trouble(watched: Watched) -> None:
    watched.kernel = BAD
    watched.look()
    for _ in range(3):  # at the edge: well and bad in turn is one trouble
        watched.kernel = GOOD
        watched.look(9)
        assert watched.blocked
        watched.kernel = BAD
        watched.look()
    assert len(watched.alarms) == 1
    watched.kernel = GOOD
    watched.look(9)
    assert (watched.blocked, watched.told.trouble) == ("unsynchronised", True)
    watched.look(2)
    assert (watched.blocked, watched.told.trouble) == ("", False)


async def test_a_second_trouble_is_told_at_once(watched: Watched) -> None:
    watched.kernel = BAD
    watched.look()
    watched.look(1, lambda: watched.hear(-SECOND))
    assert [alarm.split()[0] for alarm in watched.alarms] == [
        "trouble=unsynchronised",
        "trouble=unsynchronised,broker_differs",
    ]


@pytest.mark.parametrize(("difference", "far"), [(251, True), (-252, True), (249, False), (-250, False)])
async def test_a_broker_whose_clock_is_far_from_ours_is_told_and_blocks_nothing(
    watched: Watched, difference: int, far: bool
) -> None:
    watched.look(1, lambda: watched.hear(difference * MILLISECOND))
    assert bool(watched.alarms) is far
    assert watched.told.difference == (difference + 1) * MILLISECOND
    assert watched.blocked == ""


async def test_a_slow_message_is_no_difference(watched: Watched) -> None:
    watched.look(3, lambda: watched.hear(0))
    watched.look(3, lambda: watched.hear(0, latency=5 * SECOND))
    assert watched.told.difference == MILLISECOND
    assert watched.alarms == []


def test_the_smallest_of_a_minute_counts_and_a_silent_minute_says_nothing() -> None:
    difference = BrokerDifference()
    assert difference.look([]) is None
    assert difference.look([(utc_text(UTC, 6), UTC + 5), ("soon", UTC), (utc_text(UTC, 6), UTC + 3)]) == 3
    for _ in range(59):
        assert difference.look([]) == 3
    assert difference.look([]) is None


async def test_it_looks_once_a_second_and_after_a_step_back_of_the_clock(watched: Watched) -> None:
    watched.look()
    watched.kernel = BAD
    watched.watch.look(watched.gateway.utc + SECOND - 1)
    assert watched.alarms == []
    watched.watch.look(watched.gateway.utc - 3600 * SECOND)
    assert len(watched.alarms) == 1


def test_a_restart_forgets_the_trouble_and_replays_it() -> None:
    desk = Driver()
    desk.feed(ClockInput(trouble="unsynchronised", blocks=True))
    desk.admit()
    assert desk.submit() == "CLOCK_TROUBLE"
    assert desk.replayed().state.clock_trouble == "unsynchronised"
    desk.cancel()
    desk.start()
    assert desk.core.state.clock_trouble == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="adjtimex is of Linux")
def test_the_kernel_answers() -> None:
    clock = read_kernel_clock()
    assert clock.max_error >= 0
    assert isinstance(clock.synchronised, bool)
