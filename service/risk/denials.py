"""Why the gate says no: stable codes, each with the control that it enforces (docs/controls.md)."""

from __future__ import annotations

import enum
from typing import Final, Self

import msgspec

_LONGEST_VALUE: Final = 80


class Code(enum.StrEnum):
    """A denial's stable code; ``control`` is its number in the catalogue of controls."""

    control: str

    def __new__(cls, value: str, control: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.control = control
        return member

    KILLED = "KILLED", "C23"
    KILLED_REDUCE_ONLY = "KILLED_REDUCE_ONLY", "C26"
    NOT_LOGGED_ON = "NOT_LOGGED_ON", "C6"
    UNRECONCILED = "UNRECONCILED", "C35"
    CHECK_FAILED = "CHECK_FAILED", "C6"
    UNKNOWN_INSTRUMENT = "UNKNOWN_INSTRUMENT", "C6"
    NO_LIMIT = "NO_LIMIT", "C6"
    CLOCK_TROUBLE = "CLOCK_TROUBLE", "C47"
    UNKNOWN_PARENT = "UNKNOWN_PARENT", "C19"
    PARENT_CLOSED = "PARENT_CLOSED", "C19"
    PARENT_PAUSED = "PARENT_PAUSED", "C19"
    PARENT_VERSION = "PARENT_VERSION", "C19"
    PARENT_SYMBOL = "PARENT_SYMBOL", "C19"
    PARENT_SIDE = "PARENT_SIDE", "C19"
    PARENT_WINDOW = "PARENT_WINDOW", "C19"
    PARENT_LIMIT_PRICE = "PARENT_LIMIT_PRICE", "C19"
    PARENT_QUANTITY = "PARENT_QUANTITY", "C19"
    UNKNOWN_CHILD = "UNKNOWN_CHILD", "C19"
    CHILD_NOT_WORKING = "CHILD_NOT_WORKING", "C19"
    REQUEST_PENDING = "REQUEST_PENDING", "C19"
    MALFORMED_CHILD_ID = "MALFORMED_CHILD_ID", "C14"
    DUPLICATE_CHILD = "DUPLICATE_CHILD", "C14"
    LOOK_ALIKE = "LOOK_ALIKE", "C14"
    SELF_MATCH = "SELF_MATCH", "C17"
    INVALID_QUANTITY = "INVALID_QUANTITY", "C4"
    MAX_ORDER_QUANTITY = "MAX_ORDER_QUANTITY", "C4"
    MAX_PARENT_QUANTITY = "MAX_PARENT_QUANTITY", "C4"
    INVALID_PRICE = "INVALID_PRICE", "C1"
    PRICE_COLLAR = "PRICE_COLLAR", "C1"
    MAX_ORDER_VALUE = "MAX_ORDER_VALUE", "C3"
    MAX_PARENT_VALUE = "MAX_PARENT_VALUE", "C3"
    SOFT_ORDER_QUANTITY = "SOFT_ORDER_QUANTITY", "C20"
    SOFT_ORDER_VALUE = "SOFT_ORDER_VALUE", "C20"
    SOFT_COLLAR = "SOFT_COLLAR", "C20"
    SOFT_VOLUME = "SOFT_VOLUME", "C20"
    NO_REFERENCE = "NO_REFERENCE", "C16"
    STALE_FEED = "STALE_FEED", "C16"
    STALE_REFERENCE = "STALE_REFERENCE", "C16"
    CROSSED_MARKET = "CROSSED_MARKET", "C16"
    WIDE_MARKET = "WIDE_MARKET", "C16"
    JUMPED_MARKET = "JUMPED_MARKET", "C16"
    LIMIT_UP = "LIMIT_UP", "C18"
    LIMIT_DOWN = "LIMIT_DOWN", "C18"
    NO_BANDS = "NO_BANDS", "C18"
    TRADING_PHASE = "TRADING_PHASE", "C15"
    NO_LOCATE = "NO_LOCATE", "C15"
    RESTRICTED = "RESTRICTED", "C15"
    NOT_PERMITTED = "NOT_PERMITTED", "C10"
    NOT_INTRODUCED = "NOT_INTRODUCED", "C39"
    STAGE_INSTRUMENT = "STAGE_INSTRUMENT", "C39"
    STAGE_VENUE = "STAGE_VENUE", "C39"
    STAGE_ORDER_VALUE = "STAGE_ORDER_VALUE", "C39"
    STAGE_ORDERS = "STAGE_ORDERS", "C39"
    STAGE_POSITION = "STAGE_POSITION", "C39"
    PASSIVE_ONLY = "PASSIVE_ONLY", "C10"
    DRIFT = "DRIFT", "C2"
    TIGHTENED = "TIGHTENED", "C9"
    PARTICIPATION = "PARTICIPATION", "C9"
    CORRELATED = "CORRELATED", "C9"
    MAX_LONG = "MAX_LONG", "C12"
    MAX_SHORT = "MAX_SHORT", "C12"
    MAX_GROSS = "MAX_GROSS", "C12"
    MAX_EXPOSURE = "MAX_EXPOSURE", "C11"
    MAX_CREDIT = "MAX_CREDIT", "C13"
    LOSS_REDUCE_ONLY = "LOSS_REDUCE_ONLY", "C22"
    LOSS_HALTED = "LOSS_HALTED", "C22"
    THROTTLE_TRIPPED = "THROTTLE_TRIPPED", "C8"
    THROTTLED = "THROTTLED", "C8"
    MESSAGE_RATE = "MESSAGE_RATE", "C5"


class Denied(msgspec.Struct, frozen=True, gc=False):
    """The gate's no.

    Attributes:
        detail: ``key=value`` pairs, space-separated; values hold no spaces.
        blocks: Of a soft block, all that the order is past (C20); empty for a hard one.
    """

    code: Code
    detail: str
    blocks: tuple[Code, ...] = ()

    @property
    def control(self) -> str:
        """Number of the control that it enforces, e.g. ``C4``."""
        return self.code.control


def denied(code: Code, **detail: object) -> Denied:
    """A denial with its detail as ``key=value`` pairs."""
    return Denied(code, " ".join(f"{key}={_value(value)}" for key, value in detail.items()))


def _value(value: object) -> str:
    """One word, whatever the value; numbers are short and pass as they are."""
    text = str(value)
    return text if type(value) is int else "_".join(text.split())[:_LONGEST_VALUE]
