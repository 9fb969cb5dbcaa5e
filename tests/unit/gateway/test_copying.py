"""The drop copy session as it is configured, and what people may say of a break at the gateway's door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service.fix.messages import ExecutionReport, FixConfigError
from service.gateway.control import BreaksReply, ControlReply, ExplainBreakRequest, Refused
from service.gateway.copying import breaks_reply, explain_break
from service.gateway.inputs import DropCopy
from service.gateway.role import GatewaySettings, drop_copy_config
from service.model.orders import OrdStatus, Side
from service.model.time import SECOND
from tests.unit.gateway.driver import PRICE
from tests.unit.gateway.test_shell import Gateway


def configured(tmp_path: Path, **given: Any) -> Any:
    return drop_copy_config(GatewaySettings(run_dir=tmp_path, **given))


def test_drop_copy_when_nothing_names_it_then_there_is_none(tmp_path: Path) -> None:
    assert configured(tmp_path) is None
    assert configured(tmp_path, drop_copy="") is None


def test_drop_copy_when_only_its_address_is_given_then_the_table_of_that_name_says_the_rest(
    tmp_path: Path,
) -> None:
    config = configured(tmp_path, drop_copy="broker.example:1234")
    assert (config.host, config.port) == ("broker.example", 1234)
    assert (config.sender_comp_id, config.target_comp_id) == ("SLIPDROP", "BROKERSIM")
    assert config.credentials == "SLIPSTREAM_DROP_COPY"
    assert config.store_dir == tmp_path / "fix" / "drop-copy" / "store"


def test_drop_copy_when_a_table_is_named_then_options_win_over_it(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        drop_copy_session="drop-copy",
        drop_copy_sender_comp_id="ME",
        drop_copy_target_comp_id="THEM",
    )
    assert (config.host, config.port) == ("127.0.0.1", 9878)
    assert (config.sender_comp_id, config.target_comp_id) == ("ME", "THEM")


def test_drop_copy_when_its_table_is_not_there_then_the_error_names_it(tmp_path: Path) -> None:
    with pytest.raises(FixConfigError, match="no table \\[copy\\]"):
        configured(tmp_path, drop_copy_session="copy")


# People


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    built = Gateway(tmp_path / "gateway.journal")
    yield built
    await built.journal.close()


def broken(gateway: Gateway) -> None:
    """An order of somebody else, filled, of which only the drop copy tells: a break once it is overdue."""
    started = msgspec.structs.replace(gateway.core.state.configured, drop_copy="OURS->COPY")
    gateway.shell.feed(started)
    gateway.shell.session("S", True, "")
    report = ExecutionReport(
        cl_ord_id="THEIRS-1",
        order_id="B7",
        exec_id="X1",
        exec_type="F",
        ord_status=OrdStatus.FILLED,
        symbol="AURA",
        side=Side.BUY,
        last_quantity=10,
        last_price=PRICE,
        cum_quantity=10,
        leaves_quantity=0,
    )
    gateway.shell.feed(DropCopy(report=report))
    gateway.utc += 2 * SECOND
    gateway.shell.tick()


async def answer(gateway: Gateway, who: str, reason: str, number: str = "B1") -> ControlReply:
    replies: list[ControlReply] = []
    explain_break(gateway.shell, ExplainBreakRequest(id=number, reason=reason), who, replies.append)
    await gateway.synced()
    (reply,) = replies
    return reply


async def test_break_when_a_known_person_explains_it_then_it_is_over_once_that_is_on_disk(
    gateway: Gateway,
) -> None:
    broken(gateway)
    (found,) = breaks_reply(gateway.core.state).breaks
    assert (found.id, found.kind, found.claimed, found.ours) == ("B1", "drop_copy_only", 10, "")
    reply = await answer(gateway, "os:carol", "not ours")
    assert isinstance(reply, BreaksReply)
    assert (reply.breaks, reply.found) == ((), 1)


@pytest.mark.parametrize(
    ("who", "reason", "number", "why"),
    [
        ("", "not ours", "B1", "known user"),
        ("os:carol", "not ours", "B2", "no open break B2"),
        ("os:carol", "  ", "B1", "with a reason"),
    ],
)
async def test_break_when_it_cannot_be_explained_so_then_it_stays(
    gateway: Gateway, who: str, reason: str, number: str, why: str
) -> None:
    broken(gateway)
    reply = await answer(gateway, who, reason, number)
    assert isinstance(reply, Refused)
    assert why in reply.reason
    assert len(gateway.core.state.drop_copy.open) == 1
