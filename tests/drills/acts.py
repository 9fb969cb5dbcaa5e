"""What may happen in a step, each with its weight: the desk, the broker, the line, the disk, the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.gateway.inputs import KillInput, ReleaseInput
from service.model.orders import (
    AmendParent,
    CancelChild,
    CancelParent,
    NewParent,
    OrdType,
    ParentOrder,
    ParentStatus,
    PauseParent,
    ReplaceChild,
    ResumeParent,
    Side,
    SubmitChild,
    TimeInForce,
)
from service.model.parameters import Parameters
from service.model.time import MILLISECOND, SECOND
from tests.drills.broker import BookOrder, deals
from tests.drills.gateway import PLACES, SESSION
from tests.drills.invariants import Violation
from tests.drills.world import FULL, MAX_STUCK, SYMBOLS, World
from tests.unit.gateway.driver import PRICE

SOH = "\x01"
LARGEST = 120
"""Lots of one child."""
MOST_PARENTS = 7

Act = Callable[[World], None]


# The desk


def new_parent(world: World) -> None:
    rng = world.rng
    if len(world.gateway.core.state.open) >= MOST_PARENTS:
        return
    number = sum(isinstance(command, NewParent) for command in world.topic) + 1
    limit = rng.random() < 0.2
    duration = rng.choice((None, None, float(rng.randint(5, 60))))
    order = ParentOrder(
        id=f"P{number}",
        symbol=rng.choice(SYMBOLS),
        side=rng.choice((Side.BUY, Side.SELL)),
        quantity=rng.randint(50, 1_000),
        policy=rng.choice(("twap", "vwap")),
        account="NW-1",
        trader=rng.choice(("alice", "bob")),
        ts_utc=world.utc,
        parameters=Parameters(limit_price=PRICE if limit else None, duration=duration),
    )
    world.topic.append(NewParent(command_id=f"n{number}", parent=order, by="alice", ts_utc=world.utc))
    world.note("new parent", order.id, order.side.name, order.quantity)
    world.read_topic()


def change_parent(world: World) -> None:
    rng, state = world.rng, world.gateway.core.state
    if not state.open:
        return
    parent = rng.choice(list(state.open.values()))
    base: dict[str, Any] = {
        "command_id": f"c{len(world.topic)}",
        "parent_id": parent.order.id,
        "symbol": parent.order.symbol,
        "by": "alice",
        "ts_utc": world.utc,
    }
    paused = parent.status is ParentStatus.PAUSED and rng.random() < 0.8
    kind = "resume" if paused else rng.choice(("pause", "resume", "amend", "amend", "amend", "cancel"))
    if kind == "pause":
        command: Any = PauseParent(**base)
    elif kind == "resume":
        command = ResumeParent(**base)
    elif kind == "amend":
        command = AmendParent(**base, quantity=max(1, parent.order.quantity + rng.randint(-150, 150)))
    else:
        command = CancelParent(**base)
    world.topic.append(command)
    world.note("change parent", kind, parent.order.id)
    world.read_topic()


def _intent(world: World, command: SubmitChild | CancelChild | ReplaceChild) -> None:
    world.note("intent", type(command).__name__, command.child_id, getattr(command, "quantity", ""))
    world.gateway.shell.intent("r1", command)


def submit(world: World) -> None:
    """Mostly what a policy would wish for; now and then an old number, an old version, far too much."""
    rng, state = world.rng, world.gateway.core.state
    if not state.open:
        return
    working = [parent for parent in state.open.values() if parent.status is ParentStatus.WORKING]
    parent = rng.choice(working if working and rng.random() < 0.95 else list(state.open.values()))
    order, version = parent.order, parent.version
    quantity, child_id = rng.randint(1, LARGEST), f"{order.id}.{parent.next_child}"
    odd = rng.random()
    if odd < 0.03:
        child_id = f"{order.id}.{rng.randint(1, parent.next_child)}"
    elif odd < 0.05:
        version -= 1
    elif odd < 0.08:
        quantity = order.quantity + 1
    market = rng.random() < 0.1
    command = SubmitChild(
        child_id=child_id,
        parent_id=order.id,
        parent_version=version,
        symbol=order.symbol,
        side=order.side,
        ord_type=OrdType.MARKET if market else OrdType.LIMIT,
        quantity=quantity,
        price=0 if market else PRICE + 100 * rng.randint(-5, 5),
        time_in_force=TimeInForce.DAY,
        policy=order.policy,
    )
    _intent(world, command)


def _some_live(world: World) -> Any:
    live = [order for order in world.gateway.core.state.ledger.live.values() if order.parent_id]
    return world.rng.choice(live) if live else None


def cancel(world: World) -> None:
    """A cancel of what works is on the wire at once, whatever the limits and the kills."""
    order = _some_live(world)
    if order is None:
        return
    due = order.sent and not order.canceling and world.gateway.wire.logged_on
    orig = order.cl_ord_id
    world.canceled.clear()
    _intent(world, CancelChild(child_id=order.child_id, parent_id=order.parent_id))
    if due and orig not in world.canceled:
        raise Violation(f"{order.child_id}: a cancel was refused")


def replace(world: World) -> None:
    """Mostly of what can be replaced."""
    live = world.gateway.core.state.ledger.live.values()
    able = [o for o in live if o.parent_id and o.order_id and not o.unknown and not o.pending]
    order = world.rng.choice(able) if able and world.rng.random() < 0.9 else _some_live(world)
    if order is None:
        return
    rng, parent = world.rng, world.gateway.core.state.parents[order.parent_id]
    command = ReplaceChild(
        child_id=order.child_id,
        parent_id=order.parent_id,
        parent_version=parent.version,
        quantity=max(1, order.quantity + rng.randint(-40, 40)),
        price=order.price and order.price + 100 * rng.randint(-2, 2),
    )
    _intent(world, command)


def kill(world: World) -> None:
    """A kill of a part or all: every order that works is asked to be cancelled in the same step."""
    state = world.gateway.core.state
    scope = world.rng.choice(("all", f"symbol={SYMBOLS[0]}", "policy=twap", "trader=bob", "nonsense"))
    if state.open and world.rng.random() < 0.3:
        scope = f"parent={world.rng.choice(list(state.open))}"
    world.note("kill", scope)
    world.gateway.shell.feed(KillInput(scope=scope, by="carol", reason="drill"))
    for order in state.ledger.live.values():
        if order.sent and world.gateway.wire.logged_on and not order.canceling and state.kill_covering(order):
            raise Violation(f"{order.child_id} works on under the kill of {scope}")


def release(world: World) -> None:
    state, halted = world.gateway.core.state, world.gateway.shell.halted
    if not state.kills.engaged or halted:
        return
    scope = world.rng.choice(list(state.kills.engaged))
    world.note("release", scope)
    world.gateway.shell.feed(ReleaseInput(scope=scope, by="dave", reason="drill"))


def runner_lost(world: World) -> None:
    world.note("runner lost")
    world.gateway.shell.runner_lost("r1")


# The broker


def _some_open(world: World) -> BookOrder | None:
    live = world.broker.live
    return world.rng.choice(live) if live else None


def accept(world: World) -> None:
    new = [order for order in world.broker.live if order.status == "A"]
    if new:
        order = world.rng.choice(new)
        odd = world.rng.random()
        if odd < 0.04 and not order.deals:
            world.broker.reject(order)
        elif odd < 0.1:
            world.broker.pending(order, "A")
        else:
            world.broker.accept(order)
        world.note("broker accepts", order.child, order.status)


def fill(world: World) -> None:
    order = _some_open(world)
    if order is not None:
        whole = world.rng.random() < 0.25
        quantity = order.leaves if whole else world.rng.randint(1, max(1, order.leaves))
        world.broker.fill(order, quantity, (order.price or PRICE) + world.rng.randint(-50, 50))
        world.note("broker fills", order.child, quantity, "cum", order.cum)


def fill_late(world: World) -> None:
    """A venue's fill comes after the broker has said that the order is over."""
    over = [order for order in world.broker.orders.values() if order.given_up]
    if over:
        order = world.rng.choice(over)
        world.broker.fill(order, world.rng.randint(1, order.given_up), order.price or PRICE)
        world.note("broker fills late", order.child, "cum", order.cum)


def decide(world: World) -> None:
    asked = [order for order in world.broker.live if order.asks]
    if asked:
        order = world.rng.choice(asked)
        odd = world.rng.random()
        world.note("broker decides", order.child, order.asks[0], f"{odd:.2f}")
        if odd < 0.1:
            world.broker.pending(order, "6" if order.asks[0][0] == "F" else "E")
        else:
            world.broker.decide(order, odd < 0.85)


def end(world: World) -> None:
    order = _some_open(world)
    if order is not None:
        exec_type = world.rng.choice("44C3")
        world.note("broker ends", order.child, exec_type)
        world.broker.end(order, exec_type)


def change_deal(world: World) -> None:
    """Bust an execution, or correct its price or quantity."""
    found = list(deals(world.broker.orders))[-20:]
    if not found:
        return
    rng, broker = world.rng, world.broker
    order, exec_id = rng.choice(found)
    deal = order.deals[exec_id]
    if rng.random() < 0.5:
        broker.bust(order, exec_id)
        world.note("broker busts", order.child, exec_id, "cum", order.cum)
    else:
        most = deal.quantity + order.leaves
        broker.correct(order, exec_id, rng.randint(1, most), deal.price + rng.randint(-9, 9))
        world.note("broker corrects", order.child, exec_id, deal.quantity, "cum", order.cum)


def restate(world: World) -> None:
    order = _some_open(world)
    if order is not None and not order.asks and order.leaves > 1 and not order.restated:
        world.broker.restate(order, order.quantity - world.rng.randint(1, order.leaves - 1))
        world.note("broker restates", order.child, order.quantity)


def suspend(world: World) -> None:
    order = _some_open(world)
    if order is not None:
        world.broker.suspend(order)


def tell_again(world: World) -> None:
    """The broker's desk states an execution once more, told before or not."""
    found = list(deals(world.broker.orders))[-20:]
    if found:
        order, exec_id = world.rng.choice(found)
        world.note("broker tells again", order.child, exec_id)
        world.broker.tell_again(order, exec_id)


# The line


def _some(work: Act) -> Act:
    """A few at once."""

    def several(world: World) -> None:
        for _ in range(world.rng.randint(1, 4)):
            work(world)

    return several


def carry_out(world: World) -> None:
    """A request arrives at the broker; or the broker's session loses it and asks for it again in vain."""
    line = world.line
    if not line.to_broker:
        return
    request, raw = line.to_broker.popleft()
    if world.rng.random() < 0.003:
        world.note("lost on the way", type(request).__name__, request.cl_ord_id)
        world.gateway.lost(request)
    else:
        world.arrive(raw)


def number(world: World) -> None:
    """The broker's session takes up what its desks said: in order, or not; twice; falsely; never."""
    line, rng = world.line, world.rng
    if not line.said:
        return
    index = rng.randrange(min(4, len(line.said))) if rng.random() < 0.25 else 0
    if _changes_a_deal(line.said[index][0]):
        index = 0  # busts and corrections of one execution come in their order
    text, order = line.said[index]
    odd = rng.random()
    if odd < 0.03:
        line.number(index)
        line.store.append((text + f"97=Y{SOH}" if rng.random() < 0.5 else text, order))
    elif odd < 0.037 and order is not None:
        _falsify(world, index)
    elif odd < 0.09 and f"{SOH}150=I{SOH}" not in text and not _changes_a_deal(text):
        line.late.append(line.said.pop(index))
    else:
        line.number(index)


def _changes_a_deal(text: str) -> bool:
    return f"{SOH}150=G{SOH}" in text or f"{SOH}150=H{SOH}" in text


def send_late(world: World) -> None:
    """Something that a desk sat on goes out after all."""
    late = world.line.late
    if late:
        world.line.said.append(late.pop(world.rng.randrange(len(late))))


def _falsify(world: World, index: int) -> None:
    """Conceal, garble or alter a report. What it should have said is kept in mind."""
    line, rng = world.line, world.rng
    text, order = line.said.pop(index)
    assert order is not None
    fields = dict(item.split("=", 1) for item in text.split(SOH) if item)
    exec_id, traded = fields.get("17", ""), fields.get("150") == "F"
    kind = rng.choice(("omit", "garble", "stranger", "lie" if traded else "omit"))
    world.note("broker", kind, order.child, exec_id, fields.get("150", ""))
    if kind == "lie":
        deal = order.deals[exec_id]
        false = max(1, deal.quantity + rng.choice((-7, -1, 1, 9)))
        line.store.append((text.replace(f"{SOH}32={fields['32']}{SOH}", f"{SOH}32={false}{SOH}"), order))
        order.lies += 1
        world.lied.append((order, exec_id))
        return
    if traded or fields.get("150") in ("G", "H"):
        world.lied.append((order, order.root(fields.get("19") or exec_id)))
        order.lies += 1
    else:
        world.concealed += 1
    if kind == "garble":
        line.store.append((text.replace(f"{SOH}39=", f"{SOH}39=?"), order))
    elif kind == "stranger":
        line.store.append((text.replace(f"{SOH}54={order.side}", f"{SOH}54={3 - int(order.side)}"), order))


def take(world: World) -> None:
    line = world.line
    if line.up and line.waiting:
        if world.rng.random() < 0.01:
            line.gap()
        world.take()


def connect(world: World) -> None:
    if not world.line.up:
        world.note("connect")
        world.connect()


def disconnect(world: World) -> None:
    if world.line.up:
        world.note("disconnect")
        world.disconnect()


def broker_restart(world: World) -> None:
    """With its numbers, or without: then what we had not taken is never told by the session."""
    if world.line.up:
        world.disconnect()
    if world.rng.random() < 0.5:
        world.line.taken = min(world.line.taken, world.expected - 1)  # the rest would be asked for again
        lost = world.line.renumber()
        world.never_told(lost)
        world.copy.forgotten([text for text, _ in lost])
        world.expected = 1
    world.note("broker restarts", len(world.line.store))


def fault(world: World) -> None:
    """A callback failed: the session takes no orders until a restart, cancels go through."""
    wire = world.gateway.wire
    if wire.logged_on and not wire.fault:
        wire.fault = "drill"
        world.note("fault")
        world.gateway.shell.session(SESSION, False, "stopped trading: drill")


def refuse_orders(world: World) -> None:
    world.gateway.wire.refuse_orders = world.rng.randint(1, 3)


# The disk, the clock, the end


def slow_disk(world: World) -> None:
    world.disk_stuck = world.rng.randint(1, MAX_STUCK)


def full_disk(world: World) -> None:
    world.note("disk full")
    world.gateway.journal.fail(FULL)


def wait(world: World) -> None:
    world.utc += world.rng.choice((MILLISECOND, 300 * MILLISECOND, 2 * SECOND, 6 * SECOND))


def light_fuse(world: World) -> None:
    """Kill at a touch of the outside world to come, wherever that falls."""
    rng = world.rng
    if rng.random() < 0.6:
        world.gateway.fuse.light(1, rng.choice(PLACES))
    else:
        world.gateway.fuse.light(rng.randint(1, 25))


def kill_now(world: World) -> None:
    world.die(power=world.rng.random() < 0.5)


accept_some, fill_some, decide_some = _some(accept), _some(fill), _some(decide)

ACTS: tuple[tuple[Act, float], ...] = (
    (new_parent, 3.0),
    (change_parent, 5.0),
    (submit, 34.0),
    (cancel, 4.0),
    (replace, 12.0),
    (kill, 0.1),
    (release, 4.0),
    (runner_lost, 0.1),
    (accept_some, 10.0),
    (fill_some, 5.0),
    (fill_late, 0.1),
    (decide_some, 6.0),
    (end, 0.3),
    (change_deal, 0.3),
    (restate, 0.2),
    (suspend, 0.2),
    (tell_again, 0.3),
    (_some(carry_out), 26.0),
    (_some(number), 30.0),
    (_some(take), 30.0),
    (send_late, 2.0),
    (connect, 25.0),
    (disconnect, 0.25),
    (broker_restart, 0.06),
    (fault, 0.01),
    (refuse_orders, 0.1),
    (slow_disk, 0.2),
    (full_disk, 0.01),
    (wait, 0.6),
    (light_fuse, 0.7),
    (kill_now, 0.15),
)
WITHOUT_GATEWAY: frozenset[Act] = frozenset(
    (accept_some, fill_some, decide_some, end, change_deal, tell_again, wait)
)
"""What goes on while the gateway is down."""
