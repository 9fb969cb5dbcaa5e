"""ClOrdIDs: never the same twice, and in a replay by other code those that were on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.fix.messages import OrderCancelRequest
from service.gateway import cancels
from service.gateway.core import Core
from service.gateway.identifiers import Identifiers
from service.gateway.inputs import Frame, decode_frame
from service.gateway.order import Order
from service.gateway.shell import refold
from service.gateway.state import Send, State
from service.model.codec import encode
from service.model.orders import OrdStatus
from service.model.time import MILLISECOND, SECOND, Now
from tests.unit.gateway.driver import PRICE, UTC, Driver, digest

Change = Callable[[pytest.MonkeyPatch], None]


def _cancel_once_more(patch: pytest.MonkeyPatch) -> None:
    """Newer code: whatever is cancelled, the newest order that works is cancelled first."""
    send_cancel = cancels.send_cancel

    def eager(state: State, order: Order, now: Now) -> None:
        newest = list(state.ledger.live.values())[-1]
        if newest is not order and not newest.canceling:
            send_cancel(state, newest, now)
        send_cancel(state, order, now)

    patch.setattr(cancels, "send_cancel", eager)
    patch.setattr("service.gateway.orders.send_cancel", eager)


def _never_cancel_for_a_runner(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("service.gateway.orders.send_cancel", lambda state, order, now: None)


def _as_it_was(_: pytest.MonkeyPatch) -> None:
    """The same code again."""


@pytest.fixture
def desk() -> Driver:
    """A past life: three orders, a replace, a cancel of the first, then two orders more and a kill."""
    desk = Driver()
    desk.admit()
    for number in (1, 2, 3):
        desk.submit(f"P1.{number}")
        desk.acknowledge(f"P1.{number}")
    desk.replace("P1.2", quantity=60)
    desk.cancel("P1.1")
    desk.submit("P1.4")
    desk.kill("symbol=AURA")
    desk.release("symbol=AURA")
    desk.canceled("P1.1")
    desk.tick(SECOND)
    desk.refresh()
    return desk


def on_the_wire(desk: Driver) -> dict[str, str]:
    """Child by ClOrdID, of every request that was handed to FIX."""
    ledger, found = desk.core.state.ledger, {}
    for request in desk.requests:
        order = ledger.find(request.cl_ord_id) if hasattr(request, "transact_time") else None
        if order is not None:
            found[request.cl_ord_id] = order.child_id
    return found


def recovered(desk: Driver) -> Core:
    """The journal, folded by the code as it is now."""
    core = Core()
    for frame in desk.frames:
        refold(core, decode_frame(encode(frame)))
    return core


def begin(desk: Driver, core: Core) -> Driver:
    """Another life, on that core."""
    again = Driver(begin=False)
    again.core, again.utc, again.market = core, desk.utc + SECOND, desk.market + SECOND
    again.start()
    again.log_on()
    again.refresh()
    return again


@pytest.mark.parametrize("change", [_as_it_was, _cancel_once_more, _never_cancel_for_a_runner])
def test_every_request_of_the_past_has_its_order_whatever_the_code_asks_for_now(
    desk: Driver, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    before = on_the_wire(desk)
    assert len(before) >= 9
    change(monkeypatch)
    core = recovered(desk)
    for cl_ord_id, child_id in before.items():
        found = core.state.ledger.find(cl_ord_id)
        assert found is None or found.child_id == child_id
    for child_id in ("P1.1", "P1.2", "P1.3", "P1.4"):
        assert core.state.ledger.orders[child_id].chain[0] == desk.order(child_id).chain[0]


def test_newer_code_that_cancels_more_gives_no_id_of_the_past_again(
    desk: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(on_the_wire(desk))
    _cancel_once_more(monkeypatch)
    again = begin(desk, recovered(desk))
    for number in (2, 3, 4):
        again.report("I", OrdStatus.NEW, f"P1.{number}", cum_quantity=0, order_quantity=100, price=PRICE)
    again.cancel("P1.2")
    again.submit("P1.5")
    given = [request.cl_ord_id for request in again.requests if hasattr(request, "transact_time")]
    assert len(given) >= 3
    assert len(given) == len(set(given))
    assert not before & set(given)
    in_memory = [name for order in again.core.state.ledger.orders.values() for name in order.chain]
    assert len(in_memory) == len(set(in_memory))


def test_reports_of_the_past_find_their_orders_after_newer_code_has_read_the_journal(
    desk: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker confirms the kill's cancels under the ids that they had."""
    sent = {r.orig_cl_ord_id: r.cl_ord_id for r in desk.requests if type(r) is OrderCancelRequest}
    _cancel_once_more(monkeypatch)
    again = begin(desk, recovered(desk))
    for number in (3, 4):
        order = desk.order(f"P1.{number}")
        again.canceled(f"P1.{number}", cl_ord_id=sent[order.cl_ord_id], orig_cl_ord_id=order.cl_ord_id)
        assert again.order(f"P1.{number}").status is OrdStatus.CANCELED
    assert again.order("P1.2").live
    assert "UNKNOWN_ORDER" not in again.alarms()


def test_what_newer_code_only_imagines_is_never_handed_out_nor_taken_for_ours(
    desk: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cancel_once_more(monkeypatch)
    core = recovered(desk)
    imagined = {n for order in core.state.ledger.orders.values() for n in order.chain if "+" in n}
    assert imagined
    assert not imagined & set(on_the_wire(desk))


def test_a_journal_from_before_numbers_were_kept_is_numbered_as_it_was(desk: Driver) -> None:
    core = Core()
    for frame in desk.frames:
        old = Frame(seq=frame.seq, market=frame.market, utc=frame.utc, body=frame.body, outcome=frame.outcome)
        refold(core, decode_frame(encode(old)))
    assert digest(core) == digest(desk.core)


@pytest.mark.parametrize("recorded", [None, {"cancel A": 5, "cancel A'": 6}])
def test_two_ids_for_the_same_purpose_differ(recorded: Any) -> None:
    ids = Identifiers()
    ids.begin_life(UTC)
    ids.begin_input(recorded)
    first, second = ids.next("cancel A"), ids.next("cancel A")
    assert first != second
    assert set(ids.given) == {"cancel A", "cancel A'"}


def test_ids_of_two_lives_within_a_millisecond_differ() -> None:
    ids = Identifiers()
    seen = set()
    for utc in (UTC, UTC, UTC + MILLISECOND, UTC - SECOND):
        ids.begin_life(utc)
        ids.begin_input(None)
        seen.add(ids.next("D"))
    assert len(seen) == 4


def test_an_input_that_asks_for_nothing_gives_nothing(desk: Driver) -> None:
    desk.refresh()
    assert desk.frames[-1].ids == {}
    effects, _ = desk.core.apply(desk.frames[-1].body, Now(desk.market, desk.utc))
    assert not [effect for effect in effects if type(effect) is Send]
