"""The repeated-execution throttle (C8) and the warnings before a limit bites (C34), through the core."""

import pytest

from service.gateway.inputs import ArmInput
from service.model.events import Alarm
from service.model.records import AuditEntry
from service.model.time import SECOND
from tests.unit.gateway.driver import LIMITS, PRICE, Driver, digest

FEW = LIMITS.replace("max_orders_per_minute = 3000", "max_orders_per_minute = 10")


@pytest.fixture
def desk() -> Driver:
    """A strategy that may send ten orders in a minute."""
    desk = Driver(limits=FEW)
    desk.admit(quantity=100_000)
    return desk


def buy(desk: Driver, number: int, parent: str = "P1") -> str:
    return desk.submit(f"{parent}.{number}", quantity=1, price=PRICE - 100 * number)


def tripped() -> Driver:
    desk = Driver(limits=FEW)
    desk.admit(quantity=100_000)
    assert [buy(desk, n) for n in range(1, 11)] == ["approved"] * 10
    assert buy(desk, 11) == "THROTTLE_TRIPPED"
    return desk


def arm(desk: Driver, scope: str = "strategy=twap", by: str = "carol") -> str:
    desk.feed(ArmInput(scope=scope, by=by, reason="the loop is fixed"))
    return desk.events(AuditEntry)[-1].outcome


def test_an_order_too_many_switches_the_strategy_off_for_good() -> None:
    desk = tripped()
    assert desk.denial() == ("C8", "THROTTLE_TRIPPED")
    assert desk.alarms()[-1] == "THROTTLE_TRIPPED"
    assert buy(desk, 12) == "THROTTLED"
    desk.wait(3600 * SECOND - 60 * SECOND)
    desk.refresh()
    assert buy(desk, 13) == "THROTTLED"
    assert desk.alarms().count("THROTTLE_TRIPPED") == 1


def test_another_strategy_goes_on_and_cancels_go_out() -> None:
    desk = tripped()
    desk.admit(parent_id="V1", policy="vwap")
    assert buy(desk, 1, "V1") == "approved"
    desk.cancel("P1.1")
    assert len(desk.cancels_sent) == 1


def test_a_named_person_arms_it_and_it_counts_anew() -> None:
    desk = tripped()
    assert arm(desk) == "armed throttle"
    assert [buy(desk, n) for n in range(12, 22)] == ["approved"] * 10
    assert buy(desk, 22) == "THROTTLE_TRIPPED"


@pytest.mark.parametrize(
    ("scope", "by"),
    [("strategy=twap", ""), ("strategy=twap", " "), ("strategy=vwap", "carol"), ("trader=alice", "carol")],
)
def test_nobody_and_nothing_else_arms_it(scope: str, by: str) -> None:
    desk = tripped()
    assert arm(desk, scope, by) == "nothing to arm"
    assert buy(desk, 12) == "THROTTLED"


def test_it_stays_off_over_a_restart() -> None:
    desk = tripped()
    again = desk.replayed()
    assert digest(again) == digest(desk.core)
    assert list(again.state.throttle.tripped) == ["twap"]
    desk.core = again
    desk.start()
    assert arm(desk) == "armed throttle"


def test_a_minute_that_has_passed_is_forgotten_where_nothing_tripped(desk: Driver) -> None:
    assert [buy(desk, n) for n in range(1, 11)] == ["approved"] * 10
    desk.wait(60 * SECOND)
    desk.refresh()
    assert buy(desk, 11) == "approved"


def test_replaces_count_like_orders(desk: Driver) -> None:
    assert [buy(desk, n) for n in range(1, 10)] == ["approved"] * 9
    desk.acknowledge("P1.1")
    assert desk.replace("P1.1", quantity=2, price=PRICE) == "approved"
    assert buy(desk, 10) == "THROTTLE_TRIPPED"


def test_what_is_denied_for_another_reason_does_not_count(desk: Driver) -> None:
    for number in range(1, 20):
        assert desk.submit(f"P1.{number}", quantity=1, price=PRICE + 1) == "INVALID_PRICE"
    assert buy(desk, 20) == "approved"


# Warnings


def warnings(desk: Driver, limit: str) -> list[str]:
    details = [alarm.detail for alarm in desk.events(Alarm) if alarm.code == "LIMIT_WARNING"]
    return [detail for detail in details if f"limit={limit} " in detail]


def test_a_limit_is_warned_of_at_half_and_at_80_percent_once_each(desk: Driver) -> None:
    for number in range(1, 11):
        buy(desk, number)
    assert warnings(desk, "max_orders_per_minute") == [
        "percent=50 limit=max_orders_per_minute level=strategy name=twap used=5 of=10",
        "percent=80 limit=max_orders_per_minute level=strategy name=twap used=8 of=10",
    ]


def test_a_jump_past_both_steps_is_one_warning() -> None:
    desk = Driver(limits=LIMITS.replace("max_long = 60_000", "max_long = 1000", 1))
    desk.admit(quantity=100_000)
    assert desk.submit("P1.1", quantity=900) == "approved"
    assert warnings(desk, "max_long") == [
        "percent=80 limit=max_long level=instrument name=AURA used=900 of=1000"
    ]
    assert desk.submit("P1.2", quantity=100) == "approved"
    assert len(warnings(desk, "max_long")) == 1


def test_a_crossing_counts_as_another_only_after_a_minute_below(desk: Driver) -> None:
    for number in range(1, 6):
        buy(desk, number)
    desk.wait(60 * SECOND)
    desk.refresh()
    for number in range(6, 11):
        buy(desk, number)
    assert len(warnings(desk, "max_orders_per_minute")) == 1
    desk.wait(61 * SECOND)
    desk.refresh()
    for number in range(11, 16):
        buy(desk, number)
    assert len(warnings(desk, "max_orders_per_minute")) == 2


def test_a_denied_order_warns_of_nothing(desk: Driver) -> None:
    for number in range(1, 5):
        buy(desk, number)
    desk.submit("P1.5", quantity=1, price=PRICE + 1)
    assert warnings(desk, "max_orders_per_minute") == []
