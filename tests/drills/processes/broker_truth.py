"""What the broker knows, from its own files: what reached it, what it answered, what it filled.

Reads text and JSON with code of its own; imports nothing of ``service``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

_FIELD: Final = re.compile("\x01([0-9]+)=([^\x01]*)")
_NEW, _REPLACE = "D", "G"
_CLIENT: Final = "SLIPSTREAM"


class Fill(NamedTuple):
    """One execution: side 1 buy, 2 sell; lots; price units."""

    cl_ord_id: str
    symbol: str
    side: int
    quantity: int
    price: int


@dataclass(slots=True)
class _Order:
    parent: str
    cum: int = 0
    leaves: int = 0


class Lines:
    """The whole lines of a file that grows, each once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0

    def new(self) -> list[str]:
        """Those since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        return whole.decode(errors="replace").splitlines()


def requests(lines: list[str], sender: str = _CLIENT) -> list[tuple[str, dict[str, str]]]:
    """Orders and replaces of a message log that ``sender`` sent: MsgType and fields."""
    found = []
    for line in lines:
        if f"\x0149={sender}\x01" in line and ("\x0135=D\x01" in line or "\x0135=G\x01" in line):
            fields = dict(_FIELD.findall(line.replace("\x01", "\x01\x01")))
            found.append((fields["35"], fields))
    return found


class Broker:
    """The broker's book as its files tell it.

    Attributes:
        fills: By ExecID.
        received: How often each ClOrdID of an order or replace came in.
        problems: What must never be: a ClOrdID or child twice, a parent with too much.
        most_in_flight: Orders with something open, at most at once.
    """

    def __init__(self, folder: Path) -> None:
        self._answers = Lines(folder / "orders.jsonl")
        self._fill_log = Lines(folder / "fills.jsonl")
        self._messages = Lines(folder / "log" / f"FIX.4.4-BROKERSIM-{_CLIENT}.messages.current.log")
        self._orders: dict[str, _Order] = {}
        self._parents: dict[str, str] = {}
        self._children: set[str] = set()
        self._exposed: Counter[str] = Counter()
        self.quantities: dict[str, int] = {}
        self.fills: dict[str, Fill] = {}
        self.received: Counter[str] = Counter()
        self.problems: list[str] = []
        self.answers = 0

    @property
    def in_flight(self) -> int:
        """Orders with something open."""
        return sum(order.leaves > 0 for order in self._orders.values())

    def read(self) -> None:
        """Take in what is new."""
        fills = self._fill_log.new()
        answers = self._answers.new()
        # Last: whatever the broker answered had come in before.
        for kind, fields in requests(self._messages.new()):
            self._request(kind, fields)
        for line in answers:
            self._answer(json.loads(line))
        for line in fills:
            self._fill(json.loads(line))

    def _request(self, kind: str, fields: dict[str, str]) -> None:
        cl_ord_id = fields["11"]
        self.received[cl_ord_id] += 1
        if self.received[cl_ord_id] > 1:
            self.problems.append(f"ClOrdID {cl_ord_id} reached the broker {self.received[cl_ord_id]} times")
        if kind == _NEW:
            child = fields["526"]
            if child in self._children:
                self.problems.append(f"child {child} reached the broker twice, now as {cl_ord_id}")
            self._children.add(child)
            self._parents[cl_ord_id] = fields["583"]

    def _answer(self, answer: dict[str, Any]) -> None:
        if answer["type"] != "outcome" or answer.get("order_id", "NONE") == "NONE":
            return
        self.answers += 1
        order = self._orders.get(answer["order_id"])
        if order is None:
            parent = self._parents[answer["order_cl_ord_id"]]
            order = self._orders[answer["order_id"]] = _Order(parent)
        cum, leaves = answer.get("cum", 0), answer.get("leaves", 0)
        self._exposed[order.parent] += cum + leaves - order.cum - order.leaves
        order.cum, order.leaves = cum, leaves
        allowed = self.quantities.get(order.parent, 0)
        if self._exposed[order.parent] > allowed:
            self.problems.append(
                f"parent {order.parent} of {allowed} lots has {self._exposed[order.parent]} done and open"
            )

    def _fill(self, fill: dict[str, Any]) -> None:
        if fill["exec_id"] in self.fills:
            self.problems.append(f"the broker's log has {fill['exec_id']} twice")
        self.fills[fill["exec_id"]] = Fill(
            fill["cl_ord_id"], fill["symbol"], fill["side"], fill["quantity"], fill["price"]
        )
