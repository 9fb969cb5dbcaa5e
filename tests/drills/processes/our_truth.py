"""What we know: the journal's bytes as they are on the disk, folded as the next gateway will fold them."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from pathlib import Path
from typing import Final

from service.fix.messages import ExecutionReport, OrderCancelReject
from service.gateway.core import Core
from service.gateway.inputs import Frame, Sent, Started, Unsent, decode_frame
from service.gateway.shell import refold
from service.gateway.state import Publish, Send
from service.model.codec import encode
from service.model.events import Alarm, ChildDenied, ChildFill, ParentAdmitted, ParentClosed, ParentRefused
from service.model.orders import Side
from tests.drills.processes.broker_truth import Fill

_FRAME: Final = struct.Struct("<4sIIQ")
_SYNCED: Final = struct.Struct("<Q")
_MAGIC: Final = b"\xf5JF\x01"
_HEADER: Final = 16
_CHUNK: Final = 1 << 16
"""Bytes looked at in one go: behind the last frame the file goes on with zeros for megabytes."""


class Ours:
    """The fold of a journal that grows.

    Attributes:
        inputs: Folded so far.
        fills: By ExecID, as the ledger counted them.
        positions: Offset behind the input that asked for it, by ClOrdID of an order or replace.
        waiting: ClOrdIDs of orders and replaces of this life that the gate let through and that are not known
            to be sent or taken back.
        unanswered: Those that are known to be sent, and of which the broker has said nothing.
        admitted, closed, refused: Parents, by id.
        record: Every record that follows, by topic: key and value.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = _HEADER
        self._names: dict[str, str] = {}
        self.core = Core()
        self.inputs = 0
        self.lives = 0
        self.fills: dict[str, Fill] = {}
        self.positions: dict[str, int] = {}
        self.waiting: dict[str, None] = {}
        self.unanswered: dict[str, None] = {}
        self.admitted: dict[str, int] = {}
        self.closed: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.denials: Counter[str] = Counter()
        self.alarms: Counter[str] = Counter()
        self.problems: list[str] = []
        self.record: dict[str, list[tuple[bytes, bytes]]] = {}

    def read(self) -> None:
        """Fold what is new and whole."""
        if not self._path.exists():
            return
        size = _CHUNK
        with self._path.open("rb") as file:
            while True:
                file.seek(self._at)
                data = file.read(size)
                done = self._fold(data)
                self._at += done
                if not done and len(data) < size:
                    return
                if not done and not data.startswith(_MAGIC):
                    return
                size = _CHUNK if done else 2 * size

    def _fold(self, data: bytes) -> int:
        """Fold the whole frames at the beginning of ``data``; returns their length."""
        at = 0
        while at + _FRAME.size <= len(data):
            magic, size, crc, synced = _FRAME.unpack_from(data, at)
            end = at + _FRAME.size + size
            if magic != _MAGIC or end > len(data):
                break
            payload = data[at + _FRAME.size : end]
            if zlib.crc32(payload, zlib.crc32(_SYNCED.pack(synced))) != crc:
                break
            self._take(decode_frame(payload), self._at + end)
            at = end
        return at

    def _take(self, frame: Frame, position: int) -> None:
        self.inputs += 1
        if frame.seq != self.inputs:
            self.problems.append(f"input {frame.seq} of the journal comes after {self.inputs - 1}")
        body = frame.body
        if isinstance(body, Started):
            self.lives += 1
            self.waiting.clear()
            self.unanswered.clear()
        elif isinstance(body, Sent | Unsent):
            if body.cl_ord_id in self.waiting:
                del self.waiting[body.cl_ord_id]
                if isinstance(body, Sent):
                    self.unanswered[body.cl_ord_id] = None
        elif isinstance(body, ExecutionReport | OrderCancelReject):
            self.unanswered.pop(body.cl_ord_id, None)
            self.waiting.pop(body.cl_ord_id, None)
        for effect in refold(self.core, frame):
            if isinstance(effect, Send):
                if effect.synced:
                    self.waiting[effect.cl_ord_id] = None
                    self.positions[effect.cl_ord_id] = position
            else:
                self._published(effect)

    def _published(self, effect: Publish) -> None:
        message = effect.message
        self.record.setdefault(effect.topic, []).append((effect.key, encode(message)))
        match message:
            case ChildFill():
                if message.exec_id in self.fills:
                    self.problems.append(f"{message.exec_id} was counted twice")
                self.fills[message.exec_id] = Fill(
                    message.cl_ord_id,
                    message.symbol,
                    1 if message.side is Side.BUY else 2,
                    message.last_quantity,
                    message.last_price,
                )
            case ParentAdmitted():
                self.admitted[message.state.parent.id] = message.state.parent.quantity
            case ParentClosed():
                self._closed(message)
            case ParentRefused():
                self.refused[message.parent_id] = f"{message.code} {message.detail}"
            case ChildDenied():
                self.denials[message.code] += 1
            case Alarm():
                self.alarms[message.code] += 1
            case _:
                pass

    def _closed(self, message: ParentClosed) -> None:
        state = message.state
        self.closed[state.parent.id] = state.status.value
        if state.filled_quantity > state.parent.quantity:
            self.problems.append(
                f"parent {state.parent.id} of {state.parent.quantity} has {state.filled_quantity} filled"
            )
