"""What an operator types, against a real control socket: every answer as text and as JSON."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from service.cli import main
from service.fix.messages import ExecutionReport
from service.gateway import control_client
from service.gateway.control_client import ControlError
from service.gateway.countersign import Countersign
from service.gateway.doors import Control
from service.gateway.inputs import ClockInput
from service.gateway.people import People, read_people
from service.model.orders import OrdStatus
from service.settings import ROOT, control_address
from tests.unit.gateway.driver import LIMITS, PRICE
from tests.unit.gateway.test_shell import Gateway


class Desk:
    """A gateway with one order of P1 at the broker, its control socket, and the command line for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gateway = Gateway(folder / "gateway.journal")
        self.control = Control(
            control_address(folder), "S", lambda: ("r1",), lambda: 0, Countersign(self._people)
        )
        self.control.shell = self.gateway.shell

    def _people(self) -> People:
        return read_people(ROOT / "deploy" / "people.toml", simulator=True)

    async def type(self, *arguments: str, secret: str = "") -> Result:
        command = [*arguments, "--run-dir", str(self.folder)]
        return await asyncio.to_thread(CliRunner().invoke, main, command, input=secret or None)

    async def json(self, *arguments: str, secret: str = "") -> Any:
        done = await self.type(*arguments, "--json", secret=secret)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    built = Desk(tmp_path)
    built.gateway.admit()
    built.gateway.submit()
    await built.gateway.until(lambda: built.gateway.wire.requests)
    await built.control.server.start()
    yield built
    await built.control.server.stop()
    await built.gateway.journal.close()


async def test_status_names_what_works(desk: Desk) -> None:
    assert "P1.1 buy 100 of 100 AURA" in (await desk.type("status")).output
    found = await desk.json("status")
    assert (found["session"], found["logged_on"], found["runners"]) == ("S", True, ["r1"])
    (order,) = found["working"]
    assert (order["side"], order["ord_type"], order["status"]) == ("buy", "limit", "pending_new")
    assert (order["price"], order["leaves_quantity"]) == (PRICE, 100)


async def test_parents_say_how_far_they_have_come(desk: Desk) -> None:
    shown = (await desk.type("parents")).output
    assert "P1  buy AURA twap  0/1,000 0 %" in shown
    assert "P1.1 100 of 100" in shown
    (parent,) = (await desk.json("parents"))["parents"]
    assert (parent["parent"]["id"], parent["status"]) == ("P1", "working")
    assert [child["child_id"] for child in parent["children"]] == ["P1.1"]


async def test_orders_are_shown(desk: Desk) -> None:
    assert "P1.1" in (await desk.type("orders", "show")).output
    (order,) = (await desk.json("orders", "show"))["orders"]
    assert order["child_id"] == "P1.1"


async def test_what_is_asked_or_said_of_orders_is_answered_as_json_too(desk: Desk) -> None:
    (order,) = (await desk.json("orders", "reconcile", "--reason", "drill"))["orders"]
    assert (order["child_id"], order["status"]) == ("P1.1", "pending_new")


async def test_exposure_is_shown_at_every_level(desk: Desk) -> None:
    shown = (await desk.type("exposure")).output
    assert shown.startswith("in USD, limits ")
    assert all(f"\n{level:10}" in shown for level in ("firm", "client", "desk", "trader", "strategy"))
    found = await desk.json("exposure")
    (firm,) = (row for row in found["rows"] if row["level"] == "firm")
    assert (firm["name"], firm["working"], firm["notional"]) == ("SLIPSTREAM", "10000.00", "10000.00")
    (use,) = (use for use in firm["limits"] if use["limit"] == "max_exposure")
    assert (use["control"], use["share"]) == ("C11", 0.00005)


async def test_limits_in_force_are_shown_as_they_were_written(desk: Desk) -> None:
    assert (await desk.type("limits", "show")).output == LIMITS
    found = await desk.json("limits", "show")
    assert found["version"] == desk.gateway.core.state.gate.limits.version
    assert found["limits"]["currency"] == "USD"


async def test_a_kill_says_what_it_did(desk: Desk) -> None:
    killed = await desk.json("kill", "--scope", "parent=P1", "--reason", "drill", "--wait", "0")
    assert (killed["scope"], killed["durable"], killed["detail"]) == ("parent=P1", True, "")
    assert (killed["asked"], [order["child_id"] for order in killed["working"]]) == (["P1.1"], ["P1.1"])


async def test_what_still_works_after_a_kill_is_named_and_no_success(desk: Desk) -> None:
    done = await desk.type("kill", "--reason", "drill", "--wait", "0.2")
    assert done.exit_code == 1
    assert "after 0.2 s these still work: P1.1 (cancel)" in done.output


async def test_a_kill_waits_for_the_brokers_word(desk: Desk) -> None:
    typed = asyncio.create_task(desk.type("kill", "--reason", "drill", "--wait", "60"))
    order = desk.gateway.core.state.ledger.orders["P1.1"]
    await desk.gateway.until(lambda: order.canceling)
    desk.gateway.shell.report(
        ExecutionReport(
            cl_ord_id=order.cancel_id,
            orig_cl_ord_id=order.cl_ord_id,
            order_id="B-1",
            exec_id="E-1",
            exec_type="4",
            ord_status=OrdStatus.CANCELED,
            symbol="AURA",
            side=order.side,
            cum_quantity=0,
            leaves_quantity=0,
        )
    )
    done = await typed
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "nothing in its scope works")


async def test_a_scope_that_nobody_understands_kills_everything_and_says_so(desk: Desk) -> None:
    done = await desk.type("kill", "--scope", "nonsense", "--reason", "drill", "--wait", "0")
    assert done.output.splitlines()[0] == "'nonsense' is not understood: killed everything"
    assert desk.gateway.core.state.killed


async def test_a_kill_may_let_out_what_reduces_and_is_released_by_its_name(desk: Desk) -> None:
    killed = await desk.json(
        "kill", "--scope", "desk=EQUITIES", "--reduce-only", "--reason", "drill", "--wait", "0"
    )
    assert (killed["scope"], killed["detail"], killed["asked"]) == ("reduce-only desk=EQUITIES", "", ["P1.1"])
    scope = ["--scope", "reduce-only desk=EQUITIES"]
    proposed = await desk.json(
        "release", "propose", *scope, "--as", "carol", "--reason", "over", secret="carol in development\n"
    )
    assert (proposed["proposal"], proposed["target"]) == ("1", "reduce-only desk=EQUITIES")
    # One process is not two people, with the file for development either.
    refused = await desk.type("release", "approve", "1", "--as", "dave", secret="dave in development\n")
    assert "that is not two people" in refused.output


async def test_where_the_limits_allow_no_reduce_only_kill_it_is_a_full_one_and_says_so(desk: Desk) -> None:
    desk.gateway.core.state.change_limits(LIMITS.replace("reduce_only_kill = true", ""))
    done = await desk.type("kill", "--scope", "reduce-only all", "--reason", "drill", "--wait", "0")
    assert done.output.splitlines()[0] == "the limits allow no reduce-only kill: nothing is let out"
    assert desk.gateway.core.state.killed


def test_nobody_is_told_that_nobody_reads_on() -> None:
    """The reader leaves before the first line."""
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "policies"],
        stdout=writes,
        stderr=subprocess.PIPE,
        check=False,
        cwd=ROOT,
        timeout=120,
    )
    os.close(writes)
    assert (done.returncode, done.stderr) == (1, b"")


async def test_one_person_alone_books_nothing(desk: Desk) -> None:
    """The command line has no such option any more; the gateway refuses it from any tool."""
    with pytest.raises(ControlError, match="takes two people: `slipstream book order`"):
        await control_client.explain(desk.folder, "P1.1", OrdStatus.FILLED, 100, PRICE, "telephone")
    desk.gateway.wire.logged_on = False
    desk.gateway.shell.session("S", False, "cut")
    terms = ["--status", "filled", "--cum", "100", "--price", str(PRICE)]
    who = ["--as", "carol", "--reason", "telephone"]
    proposed = await desk.json("book", "order", "P1.1", *terms, *who, secret="carol in development\n")
    assert proposed["target"] == f"order P1.1 status=filled cum=100 price={PRICE}"


async def test_status_says_that_the_clock_denies_orders(desk: Desk) -> None:
    assert (await desk.json("status"))["clock"] == ""
    desk.gateway.shell.feed(ClockInput(trouble="unsynchronised", blocks=True))
    assert "clock      unsynchronised: new orders are denied" in (await desk.type("status")).output
