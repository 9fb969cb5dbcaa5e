"""Bytes to messages and back: one decoder per topic, built once.

A ``DecodeError`` says what is wrong and where; the caller sends the bytes to ``dead.v1``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar, get_args

import msgspec

from service.model import events, market, orders, records, stream
from service.model.message import Message
from service.model.time import SessionClock

T = TypeVar("T")


class DecodeError(ValueError):
    """These bytes are not a message of this kind."""


class Decoder(Generic[T]):
    """Decodes one union of messages. Refuses unknown tags, unknown fields and wrong types.

    Attributes:
        kinds: The messages of the union.
    """

    __slots__ = ("_decode", "kinds", "name")

    def __init__(self, type_: Any, name: str) -> None:
        self.name = name
        self.kinds: tuple[type[Message], ...] = get_args(type_) or (type_,)
        self._decode = msgspec.msgpack.Decoder(type_).decode

    def __call__(self, data: bytes | memoryview) -> T:
        """Decode one message.

        Raises:
            DecodeError: With what was expected and the path to it.
        """
        try:
            return self._decode(data)  # type: ignore[no-any-return]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
            raise DecodeError(f"{self.name}: {error}") from error


_encoder: Final = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """The message as MessagePack."""
    return _encoder.encode(message)


def marked(kind: type[Message]) -> Callable[[bytes], bool]:
    """Tells whether bytes are an encoded ``kind``, without decoding them. It must have at most 14 fields."""
    tag = str(kind.__struct_config__.tag).encode()
    mark = bytes((0xA0 + len(tag),)) + tag
    end = 1 + len(mark)
    return lambda data: data[1:end] == mark


market_message: Final = Decoder[market.MarketMessage](market.MarketMessage, "md")
reference_message: Final = Decoder[market.ReferenceMessage](market.ReferenceMessage, "ref")
parent_command: Final = Decoder[orders.ParentCommand](orders.ParentCommand, "parents")
order_event: Final = Decoder[events.OrderEvent](events.OrderEvent, "orders")
risk_event: Final = Decoder[events.RiskEvent](events.RiskEvent, "risk")
decision: Final = Decoder[records.DecisionMessage](records.DecisionMessage, "decisions")
signal: Final = Decoder[records.SignalMessage](records.SignalMessage, "signals")
input_batch: Final = Decoder[records.InputBatch](records.InputBatch, "inputs")
audit_entry: Final = Decoder[records.AuditEntry](records.AuditEntry, "audit")
dead_letter: Final = Decoder[records.DeadLetter](records.DeadLetter, "dead")
to_gateway: Final = Decoder[stream.ToGateway](stream.ToGateway, "to gateway")
to_runner: Final = Decoder[stream.ToRunner](stream.ToRunner, "to runner")
inline_input: Final = Decoder[
    stream.ToRunner | records.InlineInput | SessionClock | market.ReferenceSnapshot
](stream.ToRunner | records.InlineInput | SessionClock | market.ReferenceSnapshot, "inline input")

BY_TOPIC: Final[dict[str, Decoder[Any]]] = {
    "md.v1": market_message,
    "ref.v1": reference_message,
    "parents.v1": parent_command,
    "orders.v1": order_event,
    "risk.v1": risk_event,
    "decisions.v1": decision,
    "signals.v1": signal,
    "inputs.v1": input_batch,
    "audit.v1": audit_entry,
    "dead.v1": dead_letter,
}
