"""One session against a real acceptor in a process of its own, which reads with the strict dictionary."""

from pathlib import Path

from service.fix.messages import (
    BusinessReject,
    ExecutionReport,
    Malformed,
    OrderCancelReject,
    OrderCancelRequest,
    OrderStatusRequest,
    SessionReject,
)
from service.model.events import Liquidity
from service.model.orders import OrdStatus, OrdType, Side, TimeInForce
from tests.integration.fix.broker import Broker, Desk, config_for
from tests.unit.fix.support import AURA, TRANSACT, approved_submit, new_order, replace_order

CANCEL = OrderCancelRequest(
    cl_ord_id="O-2",
    orig_cl_ord_id="O-1",
    order_id="B-1",
    instrument=AURA,
    side=Side.BUY,
    quantity=100,
    transact_time=TRANSACT,
    account="NW-1",
)
STATUS = OrderStatusRequest(cl_ord_id="O-1", order_id="B-1", instrument=AURA, side=Side.BUY)


async def test_order_when_acknowledged_and_filled_then_reports_arrive(tmp_path: Path, broker: Broker) -> None:
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        desk.session.send(new_order())
        order = await broker.expect("app", "D")
        await broker.report(order, "0", "0")
        await broker.report(
            order, "F", "1", "17=X-1|32=60|31=187.2450|14=60|151=40|30=XSIM|29=1|851=1|60=20261121-10:00:01.5"
        )
        accepted, fill = await desk.report(), await desk.report()
    assert isinstance(accepted, ExecutionReport)
    assert (accepted.exec_type, accepted.ord_status, accepted.leaves_quantity) == ("0", OrdStatus.NEW, 100)
    assert isinstance(fill, ExecutionReport)
    assert (fill.cl_ord_id, fill.exec_id, fill.last_quantity, fill.last_price) == (
        "O-1",
        "X-1",
        60,
        1_872_450,
    )
    assert (fill.cum_quantity, fill.leaves_quantity, fill.liquidity) == (60, 40, Liquidity.ADDED)
    assert (fill.venue, fill.last_capacity, fill.seq) == ("XSIM", "1", 4)


async def test_every_request_when_read_strictly_then_conforms_to_the_dictionary(
    tmp_path: Path, broker: Broker
) -> None:
    iceberg = approved_submit(display_quantity=10, venue="XNAS", model="imbalance@1", number=3)
    immediate = approved_submit(time_in_force=TimeInForce.IOC, side=Side.SELL, number=4)
    market = approved_submit(ord_type=OrdType.MARKET, price=0, number=2)
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        for request in (
            new_order("O-1"),
            new_order("O-3", market),
            new_order("O-4", iceberg),
            new_order("O-5", immediate),
            CANCEL,
            replace_order(display_quantity=20),
            STATUS,
        ):
            desk.session.send(request)
            assert (await broker.expect("app"))["11"] == request.cl_ord_id
    assert not [fields for event, fields in broker.seen if event == "sent" and fields["35"] in "3j"]


async def test_cancel_when_refused_then_the_reject_names_order_and_request(
    tmp_path: Path, broker: Broker
) -> None:
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        desk.session.send(CANCEL)
        await broker.expect("app", "F")
        await broker.send("35=9|37=B-1|11=O-2|41=O-1|39=2|434=1|102=0|58=too late")
        reject = await desk.report()
    assert isinstance(reject, OrderCancelReject)
    assert (reject.cl_ord_id, reject.orig_cl_ord_id, reject.order_id) == ("O-2", "O-1", "B-1")
    assert (reject.ord_status, reject.cxl_rej_response_to, reject.cxl_rej_reason) == (
        OrdStatus.FILLED,
        "1",
        0,
    )
    assert reject.text == "too late"


async def test_replace_when_confirmed_then_the_report_carries_the_new_order(
    tmp_path: Path, broker: Broker
) -> None:
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        desk.session.send(replace_order())
        request = await broker.expect("app", "G")
        await broker.report(request, "5", "0", "41=O-1|38=80|44=187.26|151=80")
        report = await desk.report()
    assert isinstance(report, ExecutionReport)
    assert (report.exec_type, report.cl_ord_id, report.orig_cl_ord_id) == ("5", "O-2", "O-1")
    assert (report.order_quantity, report.price, report.leaves_quantity) == (80, 1_872_600, 80)


async def test_order_when_rejected_then_the_reason_arrives(tmp_path: Path, broker: Broker) -> None:
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        desk.session.send(new_order())
        await broker.report(await broker.expect("app", "D"), "8", "8", "151=0|103=3|58=order exceeds limit")
        report = await desk.report()
    assert isinstance(report, ExecutionReport)
    assert (report.exec_type, report.ord_status) == ("8", OrdStatus.REJECTED)
    assert (report.ord_rej_reason, report.text) == (3, "order exceeds limit")


async def test_business_reject_when_it_names_no_order_then_the_order_is_found_by_number(
    tmp_path: Path, broker: Broker
) -> None:
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        desk.session.send(new_order("O-7"))
        order = await broker.expect("app", "D")
        await broker.send(f"35=j|45={order['34']}|372=D|380=4|58=not now")
        reject = await desk.report()
        assert desk.session.outstanding == 0
    assert isinstance(reject, BusinessReject)
    assert (reject.cl_ord_id, reject.ref_msg_type, reject.reason) == ("O-7", "D", 4)


async def test_session_reject_when_it_comes_then_the_order_is_found_by_number(
    tmp_path: Path, broker: Broker
) -> None:
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        desk.session.send(new_order("O-8"))
        order = await broker.expect("app", "D")
        await broker.send(f"35=3|45={order['34']}|371=528|372=D|373=5|58=value is incorrect")
        reject = await desk.report()
        assert desk.session.outstanding == 0
    assert isinstance(reject, SessionReject)
    assert (reject.cl_ord_id, reject.ref_tag_id, reject.reason) == ("O-8", 528, 5)


DAMAGE = {
    "31=abc": "LastPx (31) 'abc' is not a number",
    "31=187.12345": "finer than 10^-4",
    "32=-5": "out of range",
    "32=1.5": "finer than 10^-0",
    "39=Z": "OrdStatus (39) 'Z' is not known here",
    "54=5": "Side (54) '5' is not known here",
    "150=@": "ExecType (150) '@' is not known here",
    "55=NOBODY": "not an instrument",
    "151=": "LeavesQty (151) is missing",
    "17=": "ExecID (17) is missing",
}


async def test_fills_when_a_field_is_damaged_then_each_is_malformed_and_the_session_lives(
    tmp_path: Path, broker: Broker
) -> None:
    order = {"11": "O-1", "55": "AURA", "54": "1"}
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        for damage in DAMAGE:
            await broker.report(order, "F", "1", f"32=60|31=187.25|14=60|151=40|{damage}")
        await broker.report(order, "4", "4", "14=60|151=0")
        damaged = [await desk.report() for _ in DAMAGE]
        canceled = await desk.report()
        assert not desk.session.fault
    assert isinstance(canceled, ExecutionReport)
    for report, reason in zip(damaged, DAMAGE.values(), strict=True):
        assert isinstance(report, Malformed)
        assert reason in report.reason
        assert report.cl_ord_id == "O-1"


async def test_report_when_the_engine_itself_refuses_it_then_it_is_malformed(
    tmp_path: Path, broker: Broker
) -> None:
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        await broker.send("35=8|37=B-1|17=E-1|150=0|39=0|11=O-1|55=AURA|54=1|14=0|151=100|6=0|58=one|58=two")
        report = await desk.report()
    assert isinstance(report, Malformed)
    assert "the engine refused an inbound message" in report.reason


async def test_report_when_it_repeats_parties_then_it_is_read(tmp_path: Path, broker: Broker) -> None:
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        desk.session.send(new_order())
        await broker.expect("app", "D")
        await broker.do("echo_parties")
        report = await desk.report()
    assert isinstance(report, ExecutionReport)
    assert report.exec_id == "E-parties"


async def test_report_when_a_descriptive_field_is_odd_then_it_costs_nothing(
    tmp_path: Path, broker: Broker
) -> None:
    async with Desk(config_for(tmp_path, broker.port)).trading(broker) as desk:
        await broker.report(
            {"11": "O-1", "55": "AURA", "54": "1"},
            "F", "1", "32=60|31=187.25|14=60|151=40|851=9|60=yesterday|103=x|9731=own tag|58=caf\u00e9",
        )  # fmt: skip
        report = await desk.report()
    assert isinstance(report, ExecutionReport)
    assert (report.last_quantity, report.liquidity, report.transact_time) == (60, Liquidity.UNKNOWN, 0)
    assert report.text == "caf\u00e9"
