"""The console as it runs: people over HTTP, a real gateway and Kafka behind it, every press on record."""

from pathlib import Path

import pytest

from service.gateway import control_client
from service.model.events import ChildAccepted, ChildCanceled, ChildDenied, ChildFilled, ParentAdmitted
from service.model.orders import Side
from service.transport.kafka_process import KafkaProcess
from tests.integration.console.desk import desk
from tests.integration.gateway.stage import PRICE, until

pytestmark = pytest.mark.timeout(400)

TICKET = {"symbol": "AURA", "side": "buy", "quantity": 1000, "policy": "twap", "account": "NW-1"}
BROKER = ("--drop-copy", "SLIPDROP", "--drop-copy-delay-ms", "20", "--drop-copy-omit-rate", "1.0")
GATEWAY = ("--drop-copy-session", "drop-copy", "--drop-copy", "127.0.0.1:PORT")


async def test_a_parent_is_handed_in_fills_and_is_steered_and_every_press_is_on_record(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with desk(kafka, topic_prefix, tmp_path) as at:
        runner, alice = at.on.runner, await at.person("alice")
        ticket = TICKET | {"parameters": {"duration": 900}, "reason": "morning list"}
        made = await alice.press("/api/parents", ticket)
        assert (made["status"], made["version"]) == ("working", 1)
        parent = made["parent"]
        await until(lambda: parent in runner.parents)
        runner.submit(f"{parent}.1", 100, PRICE + 200)
        runner.submit(f"{parent}.2", 100, PRICE - 500)
        await runner.hears(ChildAccepted, f"{parent}.2")
        # Its parts come on partitions of their own.
        page = await alice.sees(
            f"/api/parents/{parent}",
            lambda page: page["parent"]["filled"] == 100 and page["fills"] and len(page["children"]) == 2,
        )
        assert sum(fill["quantity"] for fill in page["fills"]) == 100
        assert {child["id"] for child in page["children"]} == {f"{parent}.1", f"{parent}.2"}

        assert (await alice.change(parent, "amend", quantity=800))["version"] == 2
        assert (await alice.change(parent, "pause"))["status"] == "paused"
        await runner.hears(ChildCanceled, f"{parent}.2")
        assert (await alice.change(parent, "resume", catch_up="skip"))["status"] == "working"
        stale = {"action": "amend", "version": 1, "quantity": 500, "reason": "what I saw"}
        assert "look again" in await alice.refused(f"/api/parents/{parent}/change", stale, 409)
        eve = await at.person("eve")
        asked = {"action": "pause", "version": 1, "reason": "curious"}
        assert "may not do this" in await eve.refused(f"/api/parents/{parent}/change", asked, 403)
        assert (await alice.change(parent, "cancel"))["status"] == "canceling"
        await alice.sees(f"/api/parents/{parent}", lambda page: page["parent"]["status"] == "canceled")
        await at.on_record(
            ("alice", "login", "127.0.0.1", "", "done"),
            ("alice", "new parent buy 1000 AURA by twap", parent, "morning list", "done"),
            ("alice", "amend parent", parent, "amend", "done"),
            ("alice", "pause parent", parent, "pause", "done"),
            ("alice", "resume parent", parent, "resume", "done"),
            ("alice", "cancel parent", parent, "cancel", "done"),
            ("alice", "change", f"/api/parents/{parent}/change", "", f"refused: {parent} is at version 4"),
            ("eve", "change", f"/api/parents/{parent}/change", "", "refused: eve (viewer) may not do this"),
        )


async def test_a_kill_at_the_console_is_lifted_by_the_proofs_of_two_people(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with desk(kafka, topic_prefix, tmp_path) as at:
        alice, carol, dave = [await at.person(name) for name in ("alice", "carol", "dave")]
        await at.on.admit()
        at.on.runner.submit("P1.1", 100, PRICE - 500)
        await at.on.runner.hears(ChildAccepted, "P1.1")
        # What it asks twice a second is how many orders work, and not which.
        status = await control_client.status(tmp_path, brief=True)
        assert (status.works, status.working) == (1, ())
        await alice.sees("/api/gateway", lambda head: head["working"] == 1)
        kill = {"scope": "all", "typed": "al", "reason": "drill"}
        assert "type all to confirm" in await alice.refused("/api/gateway/kill", kill, 422)
        done = await alice.press("/api/gateway/kill", kill | {"typed": "all"})
        assert (done["scope"], done["durable"]) == ("all", True)
        await at.on.runner.hears(ChildCanceled, "P1.1")
        await carol.sees("/api/gateway", lambda head: head["kills"])
        at.on.runner.submit("P1.2", 100, PRICE - 500)
        assert (await at.on.runner.hears(ChildDenied, "P1.2")).code == "KILLED"

        # A trader lifts nothing; nobody approves their own proposal, nor with another's name or a used proof.
        asked = await carol.proposal("release", "all", "drill over")
        assert "may not do this" in await alice.refused("/api/gateway/proposals", asked, 403)
        forged = asked | {"proof": asked["proof"] | {"person": "dave"}}
        assert "name or secret is wrong" in await carol.refused("/api/gateway/proposals", forged, 422)
        made = await carol.propose("release", "all", "drill over")
        path = f"/api/gateway/proposals/{made['proposal']}/approve"
        own = await carol.approval(made["proposal"], "release", "all")
        assert "another person has to approve" in await carol.refused(path, own, 422)
        assert (await at.on.status()).kills
        given = await dave.approval(made["proposal"], "release", "all")
        await dave.press(path, given)
        assert not (await at.on.status()).kills
        await dave.refused(path, given, 422)
        await at.on_record(
            ("alice", "kill", "/api/gateway/kill", "", "refused: type all to confirm"),
            ("alice", "kill", "all", "drill", "done"),
            ("alice", "propose", "/api/gateway/proposals", "", "refused: alice (trader) may not do this"),
            ("carol", "propose release", "all", "drill over", "refused: the gateway refused"),
            ("carol", "propose release", "all", "drill over", "done"),
            ("carol", "approve release", "all", "", "refused: the gateway refused"),
            ("dave", "approve release", "all", "", "done"),
        )


async def test_a_kill_may_let_out_what_makes_holdings_smaller(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with desk(kafka, topic_prefix, tmp_path) as at:
        alice = await at.person("alice")
        await at.on.admit()
        await at.on.admit("P2", side=Side.SELL)
        at.on.runner.submit("P1.1", 100, PRICE + 200)
        await at.on.runner.hears(ChildFilled, "P1.1")
        kill = {"scope": "all", "typed": "all", "reason": "too long", "reduce_only": True}
        assert (await alice.press("/api/gateway/kill", kill))["scope"] == "reduce-only all"
        at.on.runner.submit("P1.2", 100, PRICE - 500)
        # It has nothing to reduce, and is paused.
        assert (await at.on.runner.hears(ChildDenied, "P1.2")).code == "PARENT_PAUSED"
        at.on.runner.submit("P2.1", 50, PRICE + 500)
        await at.on.runner.hears(ChildAccepted, "P2.1")
        await alice.press("/api/gateway/kill", kill | {"reduce_only": False})
        await at.on.runner.hears(ChildCanceled, "P2.1")
        await at.on_record(
            ("alice", "kill, reduce only", "all", "too long", "done"),
            ("alice", "kill", "all", "too long", "done"),
        )


async def test_limits_are_tightened_and_a_held_order_is_let_go_by_two_people(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with desk(kafka, topic_prefix, tmp_path) as at:
        carol, dave = await at.person("carol"), await at.person("dave")
        runner = at.on.runner
        await at.on.admit(quantity=5000)
        before = await carol.get("/api/gateway/limits")
        text = before["text"].replace("soft_order_quantity = 900\n", "soft_order_quantity = 50\n", 1)
        assert text != before["text"]
        made = await carol.propose("limits", "", "a calm afternoon", text)
        (waits,) = (await dave.sees("/api/gateway", lambda head: head["proposals"]))["proposals"]
        assert (waits["action"], waits["target"], waits["by"]) == ("limits", made["target"], "carol")
        assert (await dave.get(f"/api/gateway/limits?proposal={made['proposal']}"))["text"] == text
        await dave.approve(made)
        assert (await dave.get("/api/gateway/limits"))["text"] == text

        # What was no question before waits for two people now: one is let go, one is dismissed.
        runner.submit("P1.1", 60, PRICE - 600)
        (held,) = await carol.sees("/api/gateway/held", lambda held: held)
        asked = await carol.propose("override", held["terms"], "it is meant")
        bare = await dave.approval(asked["proposal"], "override", held["terms"])
        path = f"/api/gateway/proposals/{asked['proposal']}/approve"
        assert "it takes a reason" in await dave.refused(path, bare, 422)
        await dave.approve(asked, "so it is")
        await runner.hears(ChildAccepted, "P1.1")
        runner.submit("P1.2", 70, PRICE - 700)
        await carol.sees("/api/gateway/held", lambda held: held)
        dismissed = {"comment": "not this one"}
        assert await carol.press("/api/gateway/held/P1.2/dismiss", dismissed) == {"left": 0}
        assert not runner.all(ChildAccepted, "P1.2")
        await at.on_record(
            ("carol", "propose limits", "", "a calm afternoon", "done"),
            ("dave", "approve limits", made["target"], "", "done"),
            ("carol", "propose override", held["terms"], "it is meant", "done"),
            ("dave", "approve override", held["terms"], "so it is", "done"),
            ("carol", "dismiss held order", "P1.2", "not this one", "done"),
        )


async def test_a_break_with_the_drop_copy_is_seen_and_explained(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with desk(kafka, topic_prefix, tmp_path, broker=BROKER, gateway=GATEWAY) as at:
        carol, alice = await at.person("carol"), await at.person("alice")
        runner = at.on.runner
        await at.on.admit()
        runner.submit("P1.1", 100, PRICE + 200)
        await runner.hears(ChildFilled, "P1.1")
        (found,) = await carol.sees("/api/gateway/breaks", lambda breaks: breaks)
        assert (found["kind"], found["child_id"], found["theirs"]) == ("trading_only", "P1.1", "")
        runner.submit("P1.2", 100, PRICE - 200)
        assert (await runner.hears(ChildDenied, "P1.2")).code == "UNRECONCILED"
        path = f"/api/gateway/breaks/{found['id']}/explain"
        assert "may not do this" in await alice.refused(path, {"comment": "they lost it"}, 403)
        assert await carol.press(path, {"comment": "they lost it"}) == {"left": 0}
        assert "no open break" in await carol.refused(path, {"comment": "again"}, 422)
        assert await carol.get("/api/gateway/breaks") == []
        assert await carol.press("/api/gateway/reconcile", {"comment": "to be sure"}) == {"orders": 0}
        await at.on_record(
            ("alice", "explain", path, "", "refused: alice (trader) may not do this"),
            ("carol", "explain break", found["id"], "they lost it", "done"),
            ("carol", "explain break", found["id"], "again", "refused: the gateway refused"),
            ("carol", "reconcile", "all", "to be sure", "done"),
        )


async def test_the_gateway_goes_on_when_the_console_is_not_there(
    kafka: KafkaProcess, topic_prefix: str, tmp_path: Path
) -> None:
    async with desk(kafka, topic_prefix, tmp_path) as at:
        alice = await at.person("alice")
        made = await alice.press("/api/parents", TICKET | {"parameters": {"duration": 900}})
        parent = made["parent"]
        await until(lambda: parent in at.on.runner.parents)
        at.console.kill()
        await at.console.gone()
        at.on.runner.submit(f"{parent}.1", 100, PRICE + 200)
        await at.on.runner.hears(ChildFilled, f"{parent}.1")
        # It comes back knowing what it has missed; whoever was logged in is not any more.
        await at.console.start()
        again = await at.person("alice")
        page = await again.get(f"/api/parents/{parent}")
        assert page["parent"]["filled"] == 100
        assert [one.state.parent.id for one in at.on.runner.all(ParentAdmitted)] == [parent]
