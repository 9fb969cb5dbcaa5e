"""Runs episodes: seeded steps, then everything is told and answered, then everything is killed."""

from __future__ import annotations

import contextlib
import gc
import itertools
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial, reduce
from pathlib import Path
from typing import NamedTuple

from service.gateway.inputs import KillInput
from service.gateway.order import Order
from service.model.time import MILLISECOND, SECOND
from tests.drills import acts, copied, invariants
from tests.drills.gateway import Killed, prepare
from tests.drills.invariants import Violation
from tests.drills.world import World

LENGTH = 1_000
"""Steps of one episode: short, because every kill folds its whole journal again."""
FULL_CHECK_EVERY = 250
PATIENCE = 400
"""Rounds in which everything must come to rest."""


class Result(NamedTuple):
    """What a drill came to.

    Attributes:
        orders, fills: That reached the broker, and that it made: nothing is proved where nothing is traded.
        places: Kills by where in the way of an input they fell.
        failure: What was broken, with seed and the last events; empty if nothing was.
    """

    events: int
    kills: int
    divergence: int
    orders: int
    fills: int
    places: Counter[str]
    failure: str = ""


def run(seed: int, events: int, first: int = 0, jobs: int = 1) -> Result:
    """Episodes from number ``first`` on, until there were this many events or something broke.

    Args:
        jobs: Processes that share the episodes; what an episode does depends on seed and number alone.
    """
    lengths = [min(LENGTH, events - done) for done in range(0, events, LENGTH)]
    shares = [
        [(first + number, length) for number, length in enumerate(lengths)][job::jobs] for job in range(jobs)
    ]
    if jobs == 1:
        return _share(seed, shares[0])
    with ProcessPoolExecutor(jobs) as pool:
        return reduce(_both, pool.map(partial(_share, seed), shares))


def _both(one: Result, other: Result) -> Result:
    return Result(
        one.events + other.events,
        one.kills + other.kills,
        one.divergence + other.divergence,
        one.orders + other.orders,
        one.fills + other.fills,
        one.places + other.places,
        one.failure or other.failure,
    )


def _share(seed: int, episodes: list[tuple[int, int]]) -> Result:
    """Some episodes, one after the other: number and length."""
    prepare()
    total = Result(0, 0, 0, 0, 0, Counter())
    shared = Path("/dev/shm")
    where = shared if shared.is_dir() else None
    with _no_collector(), tempfile.TemporaryDirectory(dir=where, prefix="drill-") as folder:
        for number, length in episodes:
            path = Path(folder) / "drill.journal"
            path.unlink(missing_ok=True)
            world, failure = World(f"{seed}:{number}", path), ""
            try:
                _episode(world, length)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told with its seed
                failure = _story(world, seed, number, error)
            finally:
                world.close()
            divergence = max(1, world.divergence) if failure else 0
            books = world.broker.orders
            fills = sum(len(order.deals) for order in books.values())
            if number % 16 == 0:
                gc.collect()
            done = Result(world.events, world.kills, divergence, len(books), fills, world.places, failure)
            total = _both(total, done)
            if failure:
                break
    return total


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """The collector looks for cycles all the time and finds them only between episodes."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _story(world: World, seed: int, number: int, error: Exception) -> str:
    what = str(error) if isinstance(error, Violation) else f"{type(error).__name__}: {error}"
    last = "\n".join("  " + " ".join(map(str, words)) for words in world.log)
    return (
        f"the last events:\n{last}\n"
        f"step {world.events} of episode {number} of seed {seed}: {what}\n"
        f"again: python -m tests.drills --seed {seed} --episode {number} --events {LENGTH}"
    )


def _episode(world: World, events: int) -> None:
    rng = world.rng
    given = (*acts.ACTS, *copied.ACTS) if world.copy.enabled else acts.ACTS
    weights = [weight * rng.choice((0.3, 1.0, 1.0, 2.0)) for _, weight in given]
    bounds = list(itertools.accumulate(weights))
    choices = [act for act, _ in given]
    world.begin()
    world.connect()
    acts.new_parent(world)
    while world.events < events:
        step(world, rng.choices(choices, cum_weights=bounds)[0])
        if world.events % FULL_CHECK_EVERY == 0 and world.gateway.alive:
            world.gateway.fuse.light(0)
            world.check_all()
    come_to_rest(world)


def step(world: World, act: acts.Act) -> None:
    """One event, and what follows from it at once."""
    world.events += 1
    world.utc += world.rng.randint(1, 20) * MILLISECOND
    try:
        if world.gateway.alive:
            if world.events % 16 == 0 or act is acts.submit:
                world.refresh()
            act(world)
            world.absorb()
            if world.gateway.alive:
                world.gateway.shell.tick()
                world.settle_turn()
        else:
            if act in acts.WITHOUT_GATEWAY:
                act(world)
                world.absorb()
            if world.rng.random() < 0.2:
                world.note("start")
                world.begin()
    except Killed as killed:
        world.note("killed:", killed)
        world.places[str(killed)] += 1
        world.die(power=world.rng.random() < 0.4)
        world.absorb()
    world.check()


def come_to_rest(world: World) -> None:
    """Faults end. Everything is told, asked and answered; then all is killed; then the books must agree."""
    world.note("COME TO REST")
    gateway = world.gateway
    gateway.fuse.light(0)
    world.disk_stuck = gateway.wire.refuse_orders = 0
    if gateway.alive and (gateway.shell.halted or gateway.wire.fault):
        world.die(power=False)
    if not gateway.alive:
        world.begin()
    copied.everything_is_told(world)
    for order, exec_id in world.lied:
        world.broker.tell_again(order, exec_id)
        world.broker.set_right(order, exec_id)
        order.lies = 0
    world.absorb()
    world.line.said += world.line.late
    world.line.late.clear()
    _rest(world, "with orders working")
    if not world.concealed:
        _agree(world, "with orders working")
    world.note("KILL ALL")
    gateway.shell.feed(KillInput(scope="all", by="carol", reason="end of drill"))
    _rest(world, "after the kill")
    working = [order.child for order in world.broker.live]
    if working:
        raise Violation(f"after the kill the broker still works {working}")
    _agree(world, "after the kill")
    world.utc += copied.PATIENCE
    gateway.shell.tick()
    copied.check(world)
    world.check_all()


def _agree(world: World, when: str) -> None:
    found = invariants.check_quiet(world)
    if found:
        world.divergence = len(found)
        raise Violation(f"{when}, the books disagree:\n    " + "\n    ".join(found))


def _rest(world: World, when: str) -> None:
    """Go on without faults until nothing moves and nothing is open."""
    for turn in range(PATIENCE):
        world.utc += SECOND if turn % 8 == 7 else 30 * MILLISECOND
        world.refresh()
        if not world.line.up:
            world.connect()
        while world.line.to_broker:
            world.arrive(world.line.to_broker.popleft()[1])
        for order in world.broker.live:
            if order.status == "A":
                world.broker.accept(order)
            while order.open and order.asks:
                world.broker.decide(order, True)
        _call(world, turn)
        world.absorb()
        while world.line.said:
            world.line.number(0)
        while world.line.up and world.line.waiting:
            world.take()
        copied.settle(world)
        world.gateway.shell.tick()
        world.settle_turn()
        world.check()
        if _at_rest(world):
            return
    ledger = world.gateway.core.state.ledger
    stuck = [f"{o.child_id} unknown={o.unknown} {o.request!r}" for o in ledger.orders.values() if _open(o)]
    raise Violation(f"{when}, this never comes to rest: {stuck}")


def _call(world: World, turn: int) -> None:
    """Where the gateway says that it does not agree, somebody calls the broker's desk."""
    if turn % 20 != 10:
        return
    ledger = world.gateway.core.state.ledger
    for order in world.broker.orders.values():
        ours = ledger.orders.get(order.child)
        for exec_id in order.deals if ours is not None and ours.unknown else ():
            world.broker.tell_again(order, exec_id)
            world.broker.set_right(order, exec_id)
        if ours is not None and ours.replacing and not order.asks:
            world.broker.refuse_again(order, ours.replace_id)


def _open(order: Order) -> bool:
    """The gateway has something to do about it yet: to be told, or to cancel again."""
    return bool(order.unknown or order.request.value or (order.live and order.insist))


def _at_rest(world: World) -> bool:
    line, ledger = world.line, world.gateway.core.state.ledger
    if line.to_broker or line.said or line.waiting or not line.synced:
        return False
    return not any(_open(order) for order in ledger.orders.values())


def new_seed() -> int:
    return random.SystemRandom().randrange(1 << 32)
