"""What something that is being introduced has sent and holds counts, and survives everything (C39)."""

import tomllib

from service.gateway.countersign import version_of
from service.gateway.inputs import Intent
from service.gateway.limits_file import load_limits
from service.model.events import Alarm, ChildDenied
from service.model.orders import OrdStatus, ReplaceChild, Side
from service.model.reference import load_reference
from service.model.time import SECOND
from service.runner.reports import size_cap
from tests.unit.gateway.driver import LIMITS, PRICE, ROOT, Driver, child, digest

DAY = 86_400 * SECOND
MODEL = "m@1"
TIGHT = LIMITS.replace("max_orders_per_day = 2000", "max_orders_per_day = 4", 1).replace(
    "max_position = 5_000", "max_position = 300", 1
)


def desk(limits: str = TIGHT, **changes: str) -> Driver:
    built = Driver(limits=limits)
    built.admit(quantity=5_000, **changes)
    return built


def counted(driver: Driver, key: str = f"model={MODEL}") -> tuple[int, int, int, int]:
    """Orders of the day, lots held, buying, selling."""
    (facts,) = driver.core.state.ledger.trials.facts((key,), "AURA", driver.market)
    return facts.orders, facts.lots, facts.buying, facts.selling


def again(driver: Driver, n: int) -> str:
    """The model's order at another price."""
    command = ReplaceChild(
        child_id="P1.1",
        parent_id="P1",
        parent_version=1,
        quantity=10,
        price=PRICE - 100 * n,
        model=MODEL,
    )
    return driver.feed(Intent(runner="r1", command=command))


def test_what_is_introduced_in_full_is_not_counted() -> None:
    driver = desk()
    for n in range(1, 7):
        assert driver.submit(f"P1.{n}", price=PRICE - 100 * n) == "approved"
    assert not driver.core.state.ledger.trials.all
    assert driver.order("P1.1").trials == ()


def test_a_new_version_of_a_model_is_held_to_the_first_stage_and_the_policy_goes_on() -> None:
    driver = desk()
    assert driver.submit("P1.1", model=MODEL, quantity=300) == "approved"
    assert driver.submit("P1.2", model=MODEL, quantity=1) == "STAGE_POSITION"
    assert driver.submit("P1.3", quantity=500) == "approved"
    assert driver.denial() == ("C39", "STAGE_POSITION")


def test_a_policy_that_nobody_knows_starts_at_the_first_stage() -> None:
    driver = desk(policy="stranger")
    assert driver.submit("P1.1", quantity=501) == "STAGE_ORDER_VALUE"
    assert driver.submit("P1.2", quantity=301) == "STAGE_POSITION"
    assert driver.submit("P1.3", quantity=300) == "approved"
    assert driver.order("P1.3").trials == ("policy=stranger",)
    assert counted(driver, "policy=stranger") == (1, 0, 300, 0)


def test_an_order_too_large_for_its_stage_teaches_the_runner_its_clip() -> None:
    driver = desk(policy="stranger")
    driver.submit(quantity=600)
    (denial,) = driver.events(ChildDenied)
    assert denial.code == "STAGE_ORDER_VALUE"
    assert size_cap(denial, PRICE) == 500


def test_its_position_is_what_its_own_orders_hold_and_work() -> None:
    driver = desk()
    driver.submit("P1.1", model=MODEL, quantity=200)
    assert counted(driver) == (1, 0, 200, 0)
    driver.acknowledge()
    driver.fill(150)
    assert counted(driver) == (1, 150, 50, 0)
    driver.cancel()
    driver.canceled()
    assert counted(driver) == (1, 150, 0, 0)
    assert driver.submit("P1.2", model=MODEL, quantity=151) == "STAGE_POSITION"
    driver.admit(parent_id="P2", side=Side.SELL, quantity=5_000)
    assert driver.submit("P2.1", model=MODEL, quantity=400, price=PRICE + 100) == "approved"
    assert counted(driver) == (2, 150, 0, 400)
    assert digest(driver.replayed()) == digest(driver.core)


def test_a_fill_that_is_taken_back_is_taken_back_here_too() -> None:
    driver = desk()
    driver.submit("P1.1", model=MODEL, quantity=200)
    driver.acknowledge()
    driver.fill(200, exec_id="E-first")
    driver.report("H", OrdStatus.NEW, exec_ref_id="E-first", cum_quantity=0, leaves_quantity=200)
    assert counted(driver)[1] == 0


def test_replaces_count_as_orders_and_another_day_begins_anew() -> None:
    driver = desk()
    driver.submit("P1.1", model=MODEL, quantity=10)
    driver.acknowledge()
    for n in range(1, 4):
        assert again(driver, n) == "approved"
        driver.replaced()
    assert counted(driver)[0] == 4
    assert driver.submit("P1.2", model=MODEL, quantity=10) == "STAGE_ORDERS"
    driver.market += DAY
    assert counted(driver)[0] == 0
    driver.market -= DAY
    assert counted(driver)[0] == 4


def test_half_of_a_stage_is_warned_of() -> None:
    driver = desk()
    driver.submit("P1.1", model=MODEL, quantity=150)
    details = [alarm.detail for alarm in driver.events(Alarm)]
    assert details == [f"percent=50 limit=max_position level=model name={MODEL} used=150 of=300"]


def test_two_people_widen_it_and_a_restart_keeps_what_it_has_done() -> None:
    driver = desk()
    driver.submit("P1.1", model=MODEL, quantity=300)
    driver.acknowledge()
    wider = f'{TIGHT}\n[[introductions]]\nmodel = "{MODEL}"\nstage = "pilot"\n'
    driver.propose("limits", target=version_of(wider), text=wider)
    driver.approve(action="limits", target=version_of(wider))
    assert driver.submit("P1.2", model=MODEL, quantity=900, price=PRICE - 100) == "approved"
    driver.start()
    driver.log_on()
    assert counted(driver) == (2, 0, 1_200, 0)
    assert digest(driver.replayed()) == digest(driver.core)


def test_limits_from_before_there_were_introductions_let_nothing_new_through() -> None:
    before = LIMITS[: LIMITS.index("[[stages]]")] + LIMITS[LIMITS.index("# Drift is") :]
    driver = Driver(limits=before)
    driver.admit()
    assert driver.submit() == "NOT_INTRODUCED"


def test_an_old_journal_is_folded_as_it_was() -> None:
    """The gate of then had never heard of introductions."""
    before = LIMITS[: LIMITS.index("[[stages]]")] + LIMITS[LIMITS.index("# Drift is") :]
    driver = Driver(limits=before)
    driver.admit()
    assert driver.feed(Intent(runner="r1", command=child()), recorded="approved") == "approved"
    assert driver.core.state.ledger.progress("P1").working == 100


def test_every_shipped_policy_and_model_is_introduced() -> None:
    """A model that is trained again has another hash, and then this file has to say how far it may go."""
    limits = load_limits(ROOT / "deploy" / "limits.toml", load_reference(ROOT / "deploy" / "reference.toml"))
    for name in ("twap", "vwap", "pov", "is", "timing"):
        assert limits.introductions[f"policy={name}"] == "full"
    for manifest in (ROOT / "policies" / "models").glob("*/manifest.toml"):
        read = tomllib.loads(manifest.read_text())
        assert f"model={read['name']}@{read['sha256'][:8]}" in limits.introductions
