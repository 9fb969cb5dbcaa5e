"""A driver of the gateway's core that has a drop copy, too."""

from __future__ import annotations

from typing import Any

import msgspec

from service.fix.messages import ExecutionReport
from service.gateway.breaks import BreakKind
from service.gateway.inputs import DropCopy, DropCopySession
from service.model.events import Alarm
from service.model.orders import OrdStatus
from service.model.time import SECOND
from tests.unit.gateway.driver import PRICE, Driver

TOLERANCE = 2 * SECOND


class Copied(Driver):
    """It has sent one child of 100 lots, which the broker has acknowledged."""

    def __init__(self, **started: Any) -> None:
        super().__init__(begin=False)
        given = {"drop_copy": "OURS->COPY", **started}
        self._started = msgspec.structs.replace(self._started, **given)
        self.start()
        self.log_on()
        self.clock()
        self.refresh()
        self.copy_up()
        self.admit()
        self.submit("P1.1", quantity=100)
        self.acknowledge()

    def copy_up(self, up: bool = True) -> None:
        self.feed(DropCopySession(session="OURS->COPY", up=up))

    def made(self, quantity: int, exec_id: str, child_id: str = "P1.1", **changes: Any) -> ExecutionReport:
        """A fill as the broker would tell it, told to nobody yet."""
        order = self.order(child_id)
        cum = order.cum_quantity + quantity
        fields: dict[str, Any] = {
            "cl_ord_id": order.cl_ord_id,
            "order_id": f"B-{child_id}",
            "exec_id": exec_id,
            "exec_type": "F",
            "ord_status": OrdStatus.FILLED if cum >= order.quantity else OrdStatus.PARTIALLY_FILLED,
            "symbol": order.symbol,
            "side": order.side,
            "last_quantity": quantity,
            "last_price": PRICE,
            "cum_quantity": cum,
            "leaves_quantity": max(0, order.quantity - cum),
        }
        return ExecutionReport(**{**fields, **changes})

    def copy(self, report: ExecutionReport, **changes: Any) -> None:
        self.feed(DropCopy(report=msgspec.structs.replace(report, **changes)))

    def submit(self, child_id: str = "P1.1", *, runner: str = "r1", **changes: Any) -> str:
        self.refresh()
        return super().submit(child_id, runner=runner, **changes)

    @property
    def breaks(self) -> list[tuple[BreakKind, str]]:
        return [(found.kind, found.exec_id) for found in self.core.state.drop_copy.open.values()]

    def alarms_of(self, code: str) -> list[Alarm]:
        return [alarm for alarm in self.events(Alarm) if alarm.code == code]
