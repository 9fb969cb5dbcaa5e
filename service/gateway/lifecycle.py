"""The life of an order as data: its status is one small table, its pending request is another.

Statuses are FIX OrdStatus (39), less the pending ones, which are the request's. Quantities decide partial
from full (``Order.settle``); real-world races are rows. What is not in a table is illegal: the ledger
raises an alarm and asks the broker; it never crashes and never guesses.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from service.fix.messages import ExecutionReport
from service.model.orders import OrdStatus

PENDING_NEW: Final = OrdStatus.PENDING_NEW
NEW: Final = OrdStatus.NEW
PARTIALLY_FILLED: Final = OrdStatus.PARTIALLY_FILLED
FILLED: Final = OrdStatus.FILLED
CANCELED: Final = OrdStatus.CANCELED
REJECTED: Final = OrdStatus.REJECTED
EXPIRED: Final = OrdStatus.EXPIRED
DONE_FOR_DAY: Final = OrdStatus.DONE_FOR_DAY
SUSPENDED: Final = OrdStatus.SUSPENDED
STOPPED: Final = OrdStatus.STOPPED

LIVE: Final = frozenset((PENDING_NEW, NEW, PARTIALLY_FILLED, SUSPENDED, STOPPED))
CLOSED: Final = frozenset((FILLED, CANCELED, REJECTED, EXPIRED, DONE_FOR_DAY))


class ReportKind(enum.Enum):
    """What a report says, whatever message said it."""

    PENDING_NEW = "pending new"
    ACKNOWLEDGED = "acknowledged"
    TRADED = "traded"
    BUSTED = "busted"
    CORRECTED = "corrected"
    PENDING_CANCEL = "pending cancel"
    CANCELED = "canceled"
    CANCEL_REFUSED = "cancel refused"
    PENDING_REPLACE = "pending replace"
    REPLACED = "replaced"
    REPLACE_REFUSED = "replace refused"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DONE_FOR_DAY = "done for day"
    SUSPENDED = "suspended"
    STOPPED = "stopped"
    RESTATED = "restated"
    FOUND_LIVE = "found live"
    FOUND_FILLED = "found filled"


class Request(enum.StrEnum):
    """What we have asked of the broker about an order and not been answered."""

    NONE = ""
    CANCEL = "cancel"
    REPLACE = "replace"
    BOTH = "cancel and replace"


_K = ReportKind

EXEC_TYPES: Final[Mapping[str, ReportKind]] = {
    "A": _K.PENDING_NEW,
    "0": _K.ACKNOWLEDGED,
    "F": _K.TRADED,
    "H": _K.BUSTED,
    "G": _K.CORRECTED,
    "6": _K.PENDING_CANCEL,
    "4": _K.CANCELED,
    "E": _K.PENDING_REPLACE,
    "5": _K.REPLACED,
    "8": _K.REJECTED,
    "C": _K.EXPIRED,
    "3": _K.DONE_FOR_DAY,
    "9": _K.SUSPENDED,
    "7": _K.STOPPED,
    "D": _K.RESTATED,
}
"""FIX 4.4 ExecType (150), less ``I``, whose meaning is in OrdStatus."""

ANSWERS: Final[Mapping[OrdStatus, ReportKind]] = {
    OrdStatus.PENDING_NEW: _K.FOUND_LIVE,
    OrdStatus.NEW: _K.FOUND_LIVE,
    OrdStatus.PARTIALLY_FILLED: _K.FOUND_LIVE,
    OrdStatus.REPLACED: _K.FOUND_LIVE,
    OrdStatus.PENDING_CANCEL: _K.FOUND_LIVE,
    OrdStatus.PENDING_REPLACE: _K.FOUND_LIVE,
    OrdStatus.SUSPENDED: _K.FOUND_LIVE,
    OrdStatus.STOPPED: _K.FOUND_LIVE,
    OrdStatus.FILLED: _K.FOUND_FILLED,
    OrdStatus.CANCELED: _K.CANCELED,
    OrdStatus.REJECTED: _K.REJECTED,
    OrdStatus.EXPIRED: _K.EXPIRED,
    OrdStatus.DONE_FOR_DAY: _K.DONE_FOR_DAY,
}
"""What an answer to an OrderStatusRequest (ExecType I) says."""


def kind_of(report: ExecutionReport) -> ReportKind | None:
    """What this execution report says; ``None`` if nobody defined it."""
    if report.exec_type == "I":
        return ANSWERS.get(report.ord_status)
    return EXEC_TYPES.get(report.exec_type)


_SAME_WHILE_LIVE: Final = (
    _K.PENDING_NEW,
    _K.PENDING_CANCEL,
    _K.PENDING_REPLACE,
    _K.REPLACED,
    _K.RESTATED,
    _K.FOUND_FILLED,  # the fills themselves are still on their way
)
_ANY_TIME: Final = (_K.BUSTED, _K.CORRECTED)
_TOO_LATE_TO_MATTER: Final = (
    _K.PENDING_NEW,
    _K.ACKNOWLEDGED,
    _K.PENDING_CANCEL,
    _K.PENDING_REPLACE,
)

STATUS: Final[Mapping[tuple[OrdStatus, ReportKind], OrdStatus]] = {
    **{(status, kind): status for status in LIVE for kind in _SAME_WHILE_LIVE},
    **{(status, kind): status for status in LIVE | CLOSED for kind in _ANY_TIME},
    **{(status, kind): status for status in CLOSED for kind in _TOO_LATE_TO_MATTER},
    # acknowledged
    (PENDING_NEW, _K.ACKNOWLEDGED): NEW,
    (NEW, _K.ACKNOWLEDGED): NEW,
    (PARTIALLY_FILLED, _K.ACKNOWLEDGED): PARTIALLY_FILLED,  # the fill overtook it
    (SUSPENDED, _K.ACKNOWLEDGED): NEW,
    (STOPPED, _K.ACKNOWLEDGED): STOPPED,
    # found by asking
    (PENDING_NEW, _K.FOUND_LIVE): NEW,
    (NEW, _K.FOUND_LIVE): NEW,
    (PARTIALLY_FILLED, _K.FOUND_LIVE): PARTIALLY_FILLED,
    (SUSPENDED, _K.FOUND_LIVE): SUSPENDED,
    (STOPPED, _K.FOUND_LIVE): STOPPED,
    (FILLED, _K.FOUND_FILLED): FILLED,
    # traded: quantity decides partial from full
    (PENDING_NEW, _K.TRADED): PARTIALLY_FILLED,  # a venue may fill before it acknowledges
    (NEW, _K.TRADED): PARTIALLY_FILLED,
    (PARTIALLY_FILLED, _K.TRADED): PARTIALLY_FILLED,
    (SUSPENDED, _K.TRADED): SUSPENDED,
    (STOPPED, _K.TRADED): STOPPED,
    (FILLED, _K.TRADED): FILLED,  # after a bust; more than full is an alarm of its own
    (CANCELED, _K.TRADED): CANCELED,  # the fill was on its way: quantity counts, status stays
    (EXPIRED, _K.TRADED): EXPIRED,
    (DONE_FOR_DAY, _K.TRADED): DONE_FOR_DAY,
    # ended
    **{(status, _K.CANCELED): CANCELED for status in LIVE},
    (CANCELED, _K.CANCELED): CANCELED,
    **{(status, _K.EXPIRED): EXPIRED for status in LIVE},
    (EXPIRED, _K.EXPIRED): EXPIRED,
    **{(status, _K.DONE_FOR_DAY): DONE_FOR_DAY for status in LIVE},
    (DONE_FOR_DAY, _K.DONE_FOR_DAY): DONE_FOR_DAY,
    (DONE_FOR_DAY, _K.CANCELED): CANCELED,
    (DONE_FOR_DAY, _K.EXPIRED): EXPIRED,
    (PENDING_NEW, _K.REJECTED): REJECTED,
    (NEW, _K.REJECTED): REJECTED,  # the venue behind the broker refused it
    (SUSPENDED, _K.REJECTED): REJECTED,
    (STOPPED, _K.REJECTED): REJECTED,
    (REJECTED, _K.REJECTED): REJECTED,
    # halted and guaranteed
    **{(status, _K.SUSPENDED): SUSPENDED for status in LIVE},
    **{(status, _K.STOPPED): STOPPED for status in LIVE},
}

_CLOSING: Final = (_K.CANCELED, _K.EXPIRED, _K.DONE_FOR_DAY, _K.REJECTED)
_INDIFFERENT: Final = tuple(
    kind for kind in ReportKind if kind not in (*_CLOSING, _K.REPLACED, _K.CANCEL_REFUSED, _K.REPLACE_REFUSED)
)

REQUEST: Final[Mapping[tuple[Request, ReportKind], Request]] = {
    **{(request, kind): request for request in Request for kind in _INDIFFERENT},
    **{(request, kind): Request.NONE for request in Request for kind in _CLOSING},
    (Request.REPLACE, _K.REPLACED): Request.NONE,
    (Request.BOTH, _K.REPLACED): Request.CANCEL,
    (Request.REPLACE, _K.REPLACE_REFUSED): Request.NONE,
    (Request.BOTH, _K.REPLACE_REFUSED): Request.CANCEL,
    (Request.CANCEL, _K.CANCEL_REFUSED): Request.NONE,
    (Request.BOTH, _K.CANCEL_REFUSED): Request.REPLACE,
}
