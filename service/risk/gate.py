"""The gate: judges every new child order and every replace, and mints the only thing that FIX will send.

Checks are pure, cheap ones first, one reason each. Anything that goes wrong inside a check is a denial.
A cancel never comes here: there is nothing that could refuse it.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn, final

from service.model.orders import OrdType, ReplaceChild, Side, SubmitChild, TimeInForce
from service.model.reference import Reference
from service.model.time import Now
from service.risk import (
    admission,
    bands,
    borrowing,
    calm,
    exposure,
    introduction,
    liquidity,
    market,
    permission,
    repetition,
    soft,
    standing,
)
from service.risk.compiled import Compiled
from service.risk.denials import Code, Denied, denied
from service.risk.judged import Check, Judged
from service.risk.limits import Level, Limits, LossStage
from service.risk.snapshots import Facts
from service.risk.uses import Use

_SEAL: Final = object()


class ForgedApproval(Exception):
    """An approval that the gate did not give."""


@final
class Approved:
    """One order as the gate let it through. Only the gate makes one, and nobody copies or changes it.

    Attributes:
        command: The ``SubmitChild`` or ``ReplaceChild`` that was judged.
        symbol, side, ord_type, time_in_force: Of the order.
        uses: Limits of which it takes half or more (C34).
    """

    __slots__ = ("_seal", "command", "ord_type", "side", "symbol", "time_in_force", "uses")

    command: SubmitChild | ReplaceChild
    symbol: str
    side: Side
    ord_type: OrdType
    time_in_force: TimeInForce
    uses: tuple[Use, ...]

    def __init__(self, seal: object, order: Judged) -> None:
        if seal is not _SEAL:
            raise ForgedApproval("only the gate approves orders; hand it the order instead")
        _seal(self, seal)
        _command(self, order.command)
        _symbol(self, order.symbol)
        _side(self, order.side)
        _ord_type(self, order.ord_type)
        _time_in_force(self, order.time_in_force)
        _uses(self, order.uses)

    @property
    def quantity(self) -> int:
        """OrderQty in lots; of a replace the new total, filled part included."""
        return self.command.quantity

    @property
    def price(self) -> int:
        """Price units; 0 for a market order."""
        return self.command.price

    @property
    def display_quantity(self) -> int:
        """Shown part in lots; 0 shows all."""
        return self.command.display_quantity if isinstance(self.command, SubmitChild) else 0

    @property
    def venue(self) -> str:
        """Preferred venue, or empty."""
        return self.command.venue if isinstance(self.command, SubmitChild) else ""

    def verify(self) -> None:
        """Prove that the gate made this.

        Raises:
            ForgedApproval: If it did not.
        """
        if getattr(self, "_seal", None) is not _SEAL:
            raise ForgedApproval("this approval was not minted by the gate")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise ForgedApproval(f"an approval does not change: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise ForgedApproval(f"an approval does not change: {name}")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise ForgedApproval("an approval is neither copied nor stored")

    def __init_subclass__(cls, **kwargs: Any) -> NoReturn:
        raise ForgedApproval("an approval has no subclasses")


# Straight into the slots: nothing else may set them, and by name it takes twice as long.
_seal, _command, _symbol, _side, _ord_type, _time_in_force, _uses = (
    vars(Approved)[name].__set__
    for name in ("_seal", "command", "symbol", "side", "ord_type", "time_in_force", "uses")
)


class Gate:
    """Judges orders against one set of limits. Holds no state but that.

    Args:
        limits: Missing and zero limits deny. What exceeds a ceiling is cut to it.
        reference: Instruments, for tick and money.
    """

    __slots__ = ("_compiled", "_limits")

    def __init__(self, limits: Limits, reference: Reference) -> None:
        self._limits = limits
        self._compiled = Compiled(limits, reference)

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self._limits

    @property
    def alike_window(self) -> int:
        """Nanoseconds of UTC over which orders that look the same are counted (C14)."""
        return self._compiled.alike_window

    def loss_stage(self, level: Level, name: str, loss: int) -> LossStage:
        """How far the day's loss of ``name`` has come, ``loss`` in units of value (C22)."""
        return self._compiled.at(level, name).loss_stage(loss)

    def admissible(self, symbol: str, policy: str, quantity: int, price: int) -> Denied | None:
        """Why a parent of so many lots is not taken on, at this reference price; ``None`` if it may be.

        Args:
            price: Price units; 0 where the market is not known yet: its value is judged once it is.
        """
        try:
            return admission.admissible(self._compiled, symbol, policy, quantity, price)
        except Exception as error:  # noqa: BLE001 - the gate fails closed, whatever went wrong (C6)
            return denied(Code.CHECK_FAILED, check="admissible", error=type(error).__name__)

    def on_trial(self, policy: str, model: str) -> tuple[str, ...]:
        """What of an order's policy and model is still being introduced, for its facts (C39)."""
        return self._compiled.on_trial(policy, model)

    def check(self, command: SubmitChild | ReplaceChild, facts: Facts, now: Now) -> Approved | Denied:
        """Judge one new child order, or one replace, against every limit in force. Changes nothing.

        Args:
            command: Prices in price units, quantities in lots.
            facts: What the gateway knows; market facts come from ``ref.v1``, never from a policy.
            now: Market time and UTC, nanoseconds since the epoch.

        Returns:
            ``Approved``, for the ledger to commit with the journal, or ``Denied`` with the first control
            that the order breaks. A failure inside a check is a denial (C6), never an exception.
        """
        order = Judged()
        order.command, order.facts, order.now, order.limits = command, facts, now, self._compiled
        order.uses = ()
        check = CHECKS[0]
        try:
            for check in CHECKS:
                verdict = check(order)
                if verdict is not None:
                    return verdict
            return Approved(_SEAL, order)
        except Exception as error:  # noqa: BLE001 - the gate fails closed, whatever went wrong (C6)
            return denied(Code.CHECK_FAILED, check=check.__name__, error=type(error).__name__)


CHECKS: Final[tuple[Check, ...]] = (
    standing.halted,
    standing.parent,
    standing.terms,
    permission.limits_exist,
    permission.restricted,
    standing.matches_parent,
    permission.permitted,
    market.quantity,
    standing.parent_quantity,
    market.price,
    market.market_data,
    bands.bands,
    permission.passive,
    market.collar,
    market.value,
    introduction.introduced,
    exposure.reduce_only,
    exposure.position,
    borrowing.located,
    exposure.self_match,
    exposure.levels,
    calm.drift,
    calm.tightened,
    liquidity.participation,
    liquidity.correlated,
    repetition.alike,
    repetition.rate,
    repetition.throttle,
    soft.soft_blocks,
)
"""In the order in which they are asked: cheap ones first, and each may rely on those before it."""
