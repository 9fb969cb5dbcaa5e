"""An approval comes from the gate alone: every other way to have one fails."""

import copy
import pickle
import re
from pathlib import Path

import pytest

from service.risk import Approved, Denied, ForgedApproval
from service.risk import gate as gate_module
from tests.unit.risk.orders import judge

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def approved() -> Approved:
    verdict = judge()
    assert not isinstance(verdict, Denied)
    return verdict


def test_the_gates_own_approval_verifies(approved: Approved) -> None:
    approved.verify()


def test_constructing_one_elsewhere_raises(approved: Approved) -> None:
    with pytest.raises(ForgedApproval, match=r"^only the gate approves orders; hand it the order instead$"):
        Approved(object(), approved)  # type: ignore[arg-type]


def test_one_made_without_its_constructor_does_not_verify() -> None:
    empty = object.__new__(Approved)
    with pytest.raises(ForgedApproval, match=r"^this approval was not minted by the gate$"):
        empty.verify()


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_it_is_neither_copied_nor_pickled(approved: Approved, duplicate) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ForgedApproval, match=r"^an approval is neither copied nor stored$"):
        duplicate(approved)


def test_copy_replace_raises(approved: Approved) -> None:
    replace = getattr(copy, "replace", None)
    if replace is None:  # Python 3.13 has it
        assert not hasattr(approved, "__replace__")
    else:
        with pytest.raises((ForgedApproval, TypeError)):
            replace(approved, symbol="BOLT")


@pytest.mark.parametrize("name", ["symbol", "command", "price", "quantity", "_seal", "anything"])
def test_it_does_not_change(approved: Approved, name: str) -> None:
    with pytest.raises(ForgedApproval, match=f"^an approval does not change: {name}$"):
        setattr(approved, name, 1)
    with pytest.raises(ForgedApproval, match=f"^an approval does not change: {name}$"):
        delattr(approved, name)


def test_it_has_no_subclasses() -> None:
    with pytest.raises(ForgedApproval, match=r"^an approval has no subclasses$"):
        type("Forged", (Approved,), {})


def test_unpickling_a_crafted_stream_gives_none_that_verifies() -> None:
    """What ``copyreg.__newobj__`` would do for an attacker who writes the pickle by hand."""
    crafted = b"\x80\x02cservice.risk.gate\nApproved\n)\x81."
    forged = pickle.loads(crafted)
    with pytest.raises(ForgedApproval):
        forged.verify()


def test_nobody_but_the_gate_names_the_seal() -> None:
    naming = [
        path.relative_to(ROOT)
        for path in (ROOT / "service").rglob("*.py")
        if re.search(r"\b_SEAL\b", path.read_text())
    ]
    assert naming == [Path(gate_module.__file__).relative_to(ROOT)]
