"""Counterparties differ: each difference played by a real acceptor, read by its dialect, and folded."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from service.fix.messages import NewOrderSingle, OrderCancelRequest
from service.gateway.order import Order
from service.model.orders import OrdStatus
from tests.integration.fix.broker import Broker, Desk, Fields, config_for
from tests.unit.gateway.driver import Driver


class Trader:
    """The gateway's core behind a real session: what it asks for goes out, what comes is folded."""

    def __init__(self, desk: Desk, broker: Broker) -> None:
        self.desk = desk
        self.broker = broker
        self.core = Driver()
        self.core.admit()

    async def order(self, child_id: str = "P1.1") -> Fields:
        """Submit 100 lots; returns the order as the counterparty got it."""
        self.core.submit(child_id)
        request = self.core.requests[-1]
        assert isinstance(request, NewOrderSingle)
        self.desk.session.send(request)
        return await self.broker.expect("app", "D")

    async def cancel(self, child_id: str = "P1.1") -> Fields:
        self.core.cancel(child_id)
        request = self.core.requests[-1]
        assert isinstance(request, OrderCancelRequest)
        self.desk.session.send(request)
        return await self.broker.expect("app", "F")

    async def hear(self, count: int = 1) -> None:
        for _ in range(count):
            self.core.feed(await self.desk.report())

    def state(self, child_id: str = "P1.1") -> tuple[OrdStatus, int, bool]:
        order: Order = self.core.order(child_id)
        return order.status, order.cum_quantity, order.unknown


@asynccontextmanager
async def trader(tmp_path: Path, broker: Broker, dialect: str) -> AsyncIterator[Trader]:
    async with Desk(config_for(tmp_path, broker.port, dialect=dialect)).trading(broker) as desk:
        yield Trader(desk, broker)


def answer(order: Fields, **tags: str) -> str:
    """An ExecutionReport of exactly these tags, and the four that nobody leaves out."""
    fields = {"35": "8", "11": order["11"], "55": order["55"]} | {
        t.removeprefix("_"): v for t, v in tags.items()
    }
    return "|".join(f"{tag}={value}" for tag, value in fields.items())


async def test_fills_when_no_acknowledgement_comes_before_them_then_they_count(
    tmp_path: Path, broker: Broker
) -> None:
    async with trader(tmp_path, broker, "strict") as on:
        order = await on.order()
        await broker.report(order, "F", "1", "17=X-1|32=40|31=100.00|14=40|151=60")
        await on.hear()
        assert on.state() == (OrdStatus.PARTIALLY_FILLED, 40, False)
        await broker.report(order, "F", "2", "17=X-2|32=60|31=100.00|14=100|151=0")
        await on.hear()
        assert on.state() == (OrdStatus.FILLED, 100, False)
        await broker.report(order, "0", "0", "17=X-3|14=0|151=100")
        await on.hear()
    assert on.state() == (OrdStatus.FILLED, 100, False), "a late acknowledgement takes nothing back"
    assert on.core.alarms() == []


async def test_fills_when_they_are_exec_types_1_and_2_then_they_count_and_corrections_are_told_apart(
    tmp_path: Path, broker: Broker
) -> None:
    async with trader(tmp_path, broker, "fix42-style") as on:
        order = await on.order()
        await broker.report(order, "0", "0", "17=A-1|20=0")
        await broker.report(order, "1", "1", "17=X-1|20=0|32=40|31=100.00|14=40|151=60")
        await on.hear(2)
        assert on.state() == (OrdStatus.PARTIALLY_FILLED, 40, False)
        await broker.report(order, "2", "2", "17=X-2|20=0|32=60|31=100.00|14=100|151=0")
        await on.hear()
        assert on.state() == (OrdStatus.FILLED, 100, False)
        await broker.report(order, "2", "1", "17=X-3|20=1|19=X-2|32=60|31=100.00|14=40|151=60")
        await on.hear()
    assert on.core.order().cum_quantity == 40
    assert on.core.alarms() == ["TRADE_BUSTED"]


async def test_reports_when_tags_are_left_out_then_what_is_there_is_enough(
    tmp_path: Path, broker: Broker
) -> None:
    async with trader(tmp_path, broker, "lenient") as on:
        order = await on.order()
        await broker.send(answer(order, _17="A-1", _150="0", _39="0", _14="0"))
        await broker.send("35=B|148=lunch")
        await broker.send(answer(order, _17="X-1", _150="F", _39="1", _32="40", _31="100.00", _14="40"))
        await on.hear(2)
        assert on.state() == (OrdStatus.PARTIALLY_FILLED, 40, False)
        request = await on.cancel()
        assert "37" not in request
        await broker.send(f"35=9|11={request['11']}|39=1|102=0")
        await on.hear()
        assert on.core.order().live
        await broker.send(answer(order, _17="C-1", _150="4", _39="4", _14="40"))
        await on.hear()
    assert on.state() == (OrdStatus.CANCELED, 40, False)
    assert on.core.alarms() == []


async def test_order_ids_when_they_come_again_then_orders_are_told_apart_by_ours(
    tmp_path: Path, broker: Broker
) -> None:
    async with trader(tmp_path, broker, "reuses-ids") as on:
        first, second = await on.order("P1.1"), await on.order("P1.2")
        for order in (first, second):
            await broker.report(order, "0", "0", f"37=B-1|17=A-{order['11']}")
        await on.hear(2)
        await broker.report(second, "F", "1", "37=B-1|17=X-1|32=40|31=100.00|14=40|151=60")
        await on.hear()
        assert on.state("P1.1")[1] == 0
        assert on.state("P1.2") == (OrdStatus.PARTIALLY_FILLED, 40, False)
        request = await on.cancel("P1.1")
        assert "37" not in request
        assert request["41"] == first["11"]
        stranger = {"11": "NOT-OURS", "55": "AURA", "54": "1"}
        await broker.report(stranger, "F", "1", "37=B-1|17=X-2|32=10|31=100.00|14=10|151=90")
        await on.hear()
    assert (on.state("P1.1")[1], on.state("P1.2")[1]) == (0, 40), "it is not one of ours"
    assert on.core.alarms() == ["FOREIGN_EXECUTION"]


async def test_status_answer_when_it_repeats_no_request_id_then_it_is_taken(
    tmp_path: Path, broker: Broker
) -> None:
    async with trader(tmp_path, broker, "lenient") as on:
        order = await on.order()
        await broker.report(order, "0", "0", "17=A-1")
        await on.hear()
        on.core.log_off()
        assert on.core.order().unknown
        on.core.log_on()
        on.core.tick()
        (question,) = on.core.questions_sent
        on.desk.session.send(question)
        asked = await broker.expect("app", "H")
        assert "790" not in asked
        await broker.report(asked, "I", "0", "17=0|14=0|151=100")
        await on.hear()
    assert on.state() == (OrdStatus.NEW, 0, False)
