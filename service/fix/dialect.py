"""What is tolerated from which counterparty, as data: ``fix_configs/dialects.toml``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

import msgspec

from service.fix.messages import FixConfigError

NEVER_OPTIONAL: Final = frozenset({17, 55, 150})
"""Without ExecID, Symbol or ExecType a report cannot be applied once, converted or understood."""


FIRST_OF_THEIR_OWN: Final = 5000
"""User-defined tags begin here; what is below is the standard's, and the engine's to send."""

_LONGEST_GRACE: Final = 3_600


class Dialect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one kind of counterparty departs from FIX 4.4, and what it can be asked.

    Attributes:
        optional: Tags that FIX 4.4 (or a fill) requires and this counterparty may leave out.
        legacy_exec_type: ExecType 1 and 2, told apart by ExecTransType (20), as in FIX 4.2.
        order_ids_reused: OrderID (37) names more than one order in time, or the same for several: orders are
            told apart by ClOrdID alone, and we never send it.
        ignored: Message types that are dropped without an alarm.
        order_status: What it answers about orders: ``mass`` (OrderMassStatusRequest, and OrderStatusRequest
            for the rest), ``single`` (OrderStatusRequest), or ``none``.
        mass_cancel: It takes OrderMassCancelRequest, of all orders and of all in one instrument.
        drop_copy_golden: Of a drop copy session: what it alone tells is booked, after the tolerance.
        cancel_on_disconnect: ``broker``: it cancels our orders when the line drops. Never assumed, checked at
            every reconnect (C28).
        cancel_on_disconnect_grace: Seconds that it gives us to come back before that.
        logon_fields: Tags of the counterparty's own and their values, in our Logon: how it is asked for that.
    """

    description: str = ""
    optional: frozenset[int] = frozenset()
    legacy_exec_type: bool = False
    order_ids_reused: bool = False
    ignored: frozenset[str] = frozenset()
    order_status: Literal["mass", "single", "none"] = "single"
    mass_cancel: bool = False
    drop_copy_golden: bool = False
    cancel_on_disconnect: Literal["none", "broker"] = "none"
    cancel_on_disconnect_grace: float = 0.0
    logon_fields: dict[int, str] = {}

    def __post_init__(self) -> None:
        if refused := sorted(self.optional & NEVER_OPTIONAL):
            raise ValueError(f"optional: tag {refused[0]} can never be left out")
        if not 0 <= self.cancel_on_disconnect_grace <= _LONGEST_GRACE:
            raise ValueError(f"cancel_on_disconnect_grace: 0 to {_LONGEST_GRACE} seconds")
        for tag, value in self.logon_fields.items():
            if tag < FIRST_OF_THEIR_OWN or not re.fullmatch(r"[ -~]+", value):
                raise ValueError(
                    f"logon_fields: {tag}={value!r}: tags from {FIRST_OF_THEIR_OWN} on, printable ASCII"
                )


STRICT: Final = Dialect(description="FIX 4.4 as written")


def load_dialect(path: Path, name: str) -> Dialect:
    """The dialect of that name.

    Raises:
        FixConfigError: If the file cannot be used or has no such table.
    """
    try:
        dialects = msgspec.toml.decode(path.read_bytes(), type=dict[str, Dialect])
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise FixConfigError(f"dialects file {path}: {error}") from error
    except RecursionError:
        what = "brackets stand too deep in each other"
        raise FixConfigError(f"dialects file {path}: cannot be read: {what}") from None
    try:
        return dialects[name]
    except KeyError:
        raise FixConfigError(
            f"dialects file {path}: no table [{name}]; it has {', '.join(sorted(dialects))}"
        ) from None
