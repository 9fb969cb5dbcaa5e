"""What one parent may be at most, by its quantity and its value (C3, C4)."""

from decimal import Decimal

import msgspec
import pytest

from service.risk import Gate, Limits, ceilings
from tests.unit.risk.orders import LIMITS, POLICY, PRICE, REFERENCE, limits, policy


def under(quantity: int = 5_000, value: Decimal = Decimal(400_000)) -> Limits:
    return msgspec.structs.replace(
        limits(max_parent_quantity=quantity), strategies=policy(max_parent_value=value).strategies
    )


def verdict(given: Limits, quantity: int, price: int = PRICE, symbol: str = "AURA") -> str:
    denial = Gate(given, REFERENCE).admissible(symbol, "twap", quantity, price)
    return "" if denial is None else f"{denial.control} {denial.code} {denial.detail}"


@pytest.mark.parametrize(("quantity", "price"), [(4_000, PRICE), (5_000, 0), (5_000, PRICE * 8 // 10)])
def test_a_parent_up_to_its_limits_is_taken_on(quantity: int, price: int) -> None:
    assert verdict(under(), quantity, price) == ""


def test_a_parent_of_too_many_lots_is_refused_by_the_limit_s_name() -> None:
    assert verdict(under(), 999_999_999, 0) == (
        "C4 MAX_PARENT_QUANTITY quantity=999999999 max_parent_quantity=5000 symbol=AURA"
    )
    assert verdict(under(), 5_001, 1).startswith("C4 MAX_PARENT_QUANTITY")


def test_a_parent_of_too_much_value_is_refused_by_the_limit_s_name() -> None:
    assert verdict(under(), 4_001) == (
        "C3 MAX_PARENT_VALUE quantity=4001 value=4001000000 max_parent_value=4000000000 strategy=twap"
    )


@pytest.mark.parametrize(
    ("quantity", "value", "missing"),
    [(0, Decimal(1), "max_parent_quantity"), (1, Decimal(0), "max_parent_value")],
)
def test_a_limit_that_nobody_set_refuses(quantity: int, value: Decimal, missing: str) -> None:
    expected = f"C6 NO_LIMIT limit={missing} symbol=AURA strategy=twap"
    assert verdict(under(quantity, value), 1, 1) == expected


def test_what_has_no_limits_at_all_is_refused() -> None:
    assert verdict(under(), 1, symbol="NONE") == "C6 NO_LIMIT symbol=NONE"
    nobody = msgspec.structs.replace(LIMITS, strategies={"pov": POLICY})
    assert verdict(nobody, 1) == "C10 NOT_PERMITTED strategy=twap execution_policy=none"


def test_a_strategy_with_a_row_of_its_own_goes_by_that_row() -> None:
    own = msgspec.structs.replace(POLICY, max_parent_value=Decimal(100_000))
    both = msgspec.structs.replace(under(), strategies={**under().strategies, "twap": own})
    assert verdict(both, 1_000) == ""
    assert verdict(both, 1_001).startswith("C3 MAX_PARENT_VALUE")


def test_an_error_inside_refuses() -> None:
    broken = Gate(under(), REFERENCE).admissible("AURA", "twap", 1, None)  # type: ignore[arg-type]
    assert broken is not None
    assert (broken.code, broken.detail) == ("CHECK_FAILED", "check=admissible error=TypeError")


def test_the_loosest_configuration_is_still_refused_by_the_ceilings() -> None:
    loose = under(1 << 60, Decimal(1 << 60))
    assert verdict(loose, ceilings.MAX_PARENT_QUANTITY, 1) == ""
    assert verdict(loose, ceilings.MAX_PARENT_QUANTITY + 1, 1).startswith("C4 MAX_PARENT_QUANTITY")
    assert verdict(loose, int(ceilings.MAX_PARENT_VALUE) // 100) == ""
    assert verdict(loose, int(ceilings.MAX_PARENT_VALUE) // 100 + 1).startswith("C3 MAX_PARENT_VALUE")
