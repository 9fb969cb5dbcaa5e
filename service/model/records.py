"""What the runner records of its own doing: decisions, signals, and its numbered inputs."""

from __future__ import annotations

import enum

from service.model.market import FeedHeartbeat
from service.model.message import Message


class Decision(Message, frozen=True, kw_only=True, tag="decision"):
    """One decision of a policy about one parent. ``decisions.v1``.

    Attributes:
        input_seq: Number of the input that it followed.
        action: ``submit``, ``cancel``, ``replace``, ``fallback`` (a model's answer was missing or unusable)
            or ``hold`` (a model said to wait).
        target: Lots that the schedule wants done by now.
        filled, working: Lots at the time.
        score: The model's output, if one was asked; NaN is never recorded.
    """

    runner_id: str
    input_seq: int
    parent_id: str
    symbol: str
    ts_event: int
    ts_utc: int
    action: str
    policy: str
    child_id: str = ""
    quantity: int = 0
    price: int = 0
    target: int = 0
    filled: int = 0
    working: int = 0
    model: str = ""
    score: float | None = None
    reason: str = ""


class FeatureRow(Message, frozen=True, kw_only=True, tag="features"):
    """The row that a model was given. ``signals.v1``.

    Attributes:
        md_seq: ``seq`` of the newest market event in it: with ``symbol`` it names the row in the raw file.
        conflated: Market events of this instrument that the runner has dropped so far under load.
    """

    runner_id: str
    input_seq: int
    model: str
    symbol: str
    parent_id: str
    ts_event: int
    ts_utc: int
    md_seq: int
    values: tuple[float, ...]
    conflated: int = 0


class SignalValue(Message, frozen=True, kw_only=True, tag="signal"):
    """A prediction about an instrument. ``signals.v1``.

    Attributes:
        horizon: Nanoseconds of market time ahead.
        values: The prediction, in the order that the signal declares (value, or quantiles).
    """

    name: str
    symbol: str
    horizon: int
    ts_event: int
    ts_utc: int
    values: tuple[float, ...]
    model: str = ""
    input_seq: int = 0


class ModelAnswer(Message, frozen=True, kw_only=True, tag="model_answer"):
    """What came back of one batch that the core asked a model for: a row of outputs per row of inputs.

    Attributes:
        request: Number that the core gave the batch.
        rows: Outputs, empty when it failed.
        missed: Why there is no answer: ``""``, ``budget``, ``error``, ``not_finite``, ``out_of_range``
            or ``unavailable``.
        elapsed: Nanoseconds that the call took.
    """

    request: int
    rows: tuple[tuple[float, ...], ...]
    missed: str = ""
    elapsed: int = 0


class Timer(Message, frozen=True, kw_only=True, tag="timer"):
    """The runner's tick of the clock."""


class Partitions(Message, frozen=True, kw_only=True, tag="partitions"):
    """The partitions of ``md.v1`` that this runner owns from now on."""

    owned: tuple[int, ...]


class GatewayLink(Message, frozen=True, kw_only=True, tag="gateway_link"):
    """The local stream to the gateway came up or went down."""

    up: bool


class Stale(Message, frozen=True, kw_only=True, tag="stale"):
    """The feed's heartbeat has (or no longer has) passed its allowed age."""

    stale: bool
    age: int


class InputKind(enum.IntEnum):
    """Where the body of a numbered input is."""

    MARKET = 0
    INLINE = 1


class NumberedInput(Message, frozen=True, kw_only=True):
    """One input of the runner's core, as recorded.

    Attributes:
        seq: 1, 2, 3 ... per runner instance.
        market, utc: The ``Now`` that the core was handed.
        partition, offset: Where on ``md.v1`` the event lies; -1 for an inline body.
        body: Encoded message for what is on no topic (reports, timers, answers); else empty.
        digest: Chained CRC-32 over the core's state after this input.
        conflated: The core only took note of this market event (a newer book was waiting).
    """

    seq: int
    market: int
    utc: int
    partition: int
    offset: int
    body: bytes
    digest: int
    conflated: bool = False


class InputBatch(Message, frozen=True, kw_only=True, tag="inputs"):
    """A run of numbered inputs. ``inputs.v1``, keyed by runner instance.

    Attributes:
        instance: One life of one runner process: ``RUNNER_ID-START_UTC``; numbering restarts with it.
        revision: Digest of what the core was started with (reference file, policies, models, settings).
    """

    runner_id: str
    instance: str
    revision: str
    items: tuple[NumberedInput, ...]


class AuditEntry(Message, frozen=True, kw_only=True, tag="audit"):
    """Who did what, when, why, and with which outcome. ``audit.v1``."""

    who: str
    action: str
    target: str
    reason: str
    outcome: str
    ts_utc: int
    detail: str = ""


class DeadLetter(Message, frozen=True, kw_only=True, tag="dead"):
    """A record that could not be decoded. ``dead.v1``; nothing stops for it."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    reason: str
    by: str
    ts_utc: int


DecisionMessage = Decision
SignalMessage = SignalValue | FeatureRow
InlineInput = ModelAnswer | Timer | Partitions | GatewayLink | Stale | FeedHeartbeat
