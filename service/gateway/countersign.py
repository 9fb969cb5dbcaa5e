"""The door for what needs two people: finds out who somebody is before the core hears what they want.

A secret comes in over the control socket, is compared with its salted hash away from the loop, and goes no
further: not to a log, not to the journal, not to the record.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import math
import secrets
import time
from collections.abc import Callable
from typing import Final

from service.gateway import authority
from service.gateway.control import (
    Approve,
    ApproveReply,
    Challenge,
    ControlReply,
    Credentials,
    Propose,
    ProposeReply,
    Refused,
)
from service.gateway.inputs import Approval, Proposed, Unauthorised
from service.gateway.orders import APPROVED
from service.gateway.people import NOBODY, May, People, PeopleFileError, Person, matches
from service.gateway.proofs import ROUNDS, Numbers, verify
from service.gateway.proposals import LIFE, LIMITS, OVERRIDE, RELEASE
from service.gateway.shell import Shell
from service.model.time import SECOND

log = logging.getLogger(__name__)

_SALT: Final = secrets.token_bytes(16)
_MOST_WAITING: Final = 8
_LONGEST_TEXT: Final = 256 * 1024
_FREE_TRIES: Final = 3
_LONGEST_LOCK: Final = 300.0


class Countersign:
    """Verifies people, and has the core do what two of them want.

    Args:
        people: Reads the file of people; asked each time, so that a change counts at once.
        clock: Seconds, for the lock after wrong secrets.
        allowed: Why a release would be in vain (the kill's file still lies there), by scope; empty if not.
    """

    def __init__(
        self,
        people: Callable[[], People],
        *,
        allowed: Callable[[str], str] = lambda _: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._people = people
        self._allowed = allowed
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0
        self._wrong: dict[tuple[str, str], tuple[int, float]] = {}
        self._numbers = Numbers(clock)
        self._tasks: set[asyncio.Task[None]] = set()

    def challenge(self, name: str) -> Challenge | Refused:
        """What a page needs for one proof. It does not tell who is in the file of people."""
        try:
            person = self._people().by_name.get(name)
        except PeopleFileError as error:
            return Refused(reason=str(error))
        stored = person.key if person is not None else ""
        salt = stored.split("$")[2] if stored else _made_up_salt(name)
        rounds = int(stored.split("$")[1]) if stored else ROUNDS
        return Challenge(number=self._numbers.give(name), salt=salt, rounds=rounds)

    def take(
        self,
        shell: Shell,
        request: Propose | Approve,
        user: str,
        pid: int,
        reply: Callable[[ControlReply], None],
    ) -> None:
        """Verify who asks, away from the loop, and then do it; ``reply`` is called once it is on disk.

        Args:
            user: Operating-system user at the other end, as the kernel has it; empty if it does not know.
            pid: The process there.
        """
        if not user:
            reply(Refused(reason="this takes a known user on the Unix socket"))
        elif self._waiting >= _MOST_WAITING:
            reply(Refused(reason="too many people ask at once; try again"))
        else:
            self._waiting += 1
            task = asyncio.create_task(self._take(shell, request, user, pid, reply))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _take(
        self,
        shell: Shell,
        request: Propose | Approve,
        user: str,
        pid: int,
        reply: Callable[[ControlReply], None],
    ) -> None:
        try:
            async with self._one_at_a_time:
                answer = await self._judge(shell, request, user, pid)
        except Exception as error:  # noqa: BLE001 - with its traceback the secret might be logged
            log.error("a request for two people failed: %s", type(error).__name__)
            answer = Refused(reason=f"internal error: {type(error).__name__}")
        finally:
            self._waiting -= 1
        shell.when_synced(lambda durable: reply(answer if durable else _lost(shell, answer)))

    async def _judge(self, shell: Shell, request: Propose | Approve, user: str, pid: int) -> ControlReply:
        try:
            people = self._people()
        except PeopleFileError as error:
            return Refused(reason=str(error))
        station = f"{user} process {pid}" if people.development else user
        if request.who.number:
            # Whoever could make this proof is the person: what stands between is only a messenger.
            station = f"{user} with the key of {request.who.person[:64]}"
        action, target = request.action, _target(request)
        left = self._wrong.get((request.who.person, user), (0, 0.0))[1] - self._clock()
        if left > 0:
            return Refused(reason=f"too many wrong secrets: wait {math.ceil(left)} s")
        if request.who.number:
            why = self._verify_proof(people, request, user)
        else:
            why = await self._verify(people, request.who, user, action)
        if why:
            shell.feed(
                Unauthorised(
                    action=action, target=target, by=request.who.person[:64], station=station, why=why
                )
            )
            log.warning("%s as %r from %s: %s", action, request.who.person[:64], station, why)
            return Refused(reason=why)
        if shell.halted:
            return Refused(reason=f"trading has stopped: {shell.halted}; restart the gateway first")
        if action == RELEASE and (why := self._allowed(target)):
            return Refused(reason=why)
        if isinstance(request, Propose):
            return _propose(shell, request, target, station)
        return _approve(shell, request, station)

    async def _verify(self, people: People, who: Credentials, user: str, action: str) -> str:
        """Why this is not somebody who may do this; empty if it is."""
        person = people.by_name.get(who.person)
        right = await asyncio.to_thread(matches, who.secret, person.secret if person else NOBODY)
        at_home = person is not None and (people.development or f"os:{person.user}" == user)
        if person is None or not right or not at_home:
            if person is not None:
                self._note_wrong(person.name, user)
            return "name, secret or operating-system user is wrong"
        self._wrong.pop((who.person, user), None)
        return _may_not(person, action)

    def _verify_proof(self, people: People, request: Propose | Approve, user: str) -> str:
        """Why this is not the proof of somebody who may do this; empty if it is."""
        who = request.who
        person = people.by_name.get(who.person)
        if not people.development and user.removeprefix("os:") not in people.consoles:
            return f"{user} is no console: `consoles` in the file of people does not name it"
        fresh = self._numbers.take(who.number, who.person)
        if not fresh or person is None or not verify(person.key, request, who.number, who.proof):
            if person is not None:
                self._note_wrong(person.name, user)
            return "name or secret is wrong, or the proof is not for this, was used, or is too old"
        self._wrong.pop((who.person, user), None)
        return _may_not(person, request.action)

    def _note_wrong(self, name: str, user: str) -> None:
        """Guesses from one user lock that user out, and nobody else who would be this person."""
        count = self._wrong.get((name, user), (0, 0.0))[0] + 1
        lock = 0.0 if count < _FREE_TRIES else min(_LONGEST_LOCK, 2.0 ** min(count - _FREE_TRIES, 10))
        self._wrong[name, user] = count, self._clock() + lock


def _may_not(person: Person, action: str) -> str:
    if action not in {one.value for one in May} or May(action) not in person.may:
        return f"{person.name} may not do this: {action} is not in the file of people"
    return ""


def _made_up_salt(name: str) -> str:
    """The same for the same name, as a real one would be."""
    return base64.b64encode(hashlib.sha256(_SALT + name.encode()).digest()[:16]).decode()


def version_of(text: str) -> str:
    """Version of a limits file's text, as the gate has it."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _target(request: Propose | Approve) -> str:
    if isinstance(request, Propose) and request.action == LIMITS:
        return version_of(request.text)
    return request.target[:200]


def _propose(shell: Shell, request: Propose, target: str, station: str) -> ControlReply:
    if len(request.text) > _LONGEST_TEXT:
        return Refused(reason=f"a limits file has at most {_LONGEST_TEXT} characters")
    state = shell.core.state
    given = Proposed(
        action=request.action,
        target=target,
        by=request.who.person,
        station=station,
        reason=request.reason[:500],
        text=request.text,
    )
    why = authority.may_not_propose(state, given)
    known = set(state.proposals.open)
    shell.feed(given)
    new = [proposal for proposal in state.proposals.open if proposal not in known]
    if why or not new:
        return Refused(reason=why or "internal error")
    log.warning("proposal %s of %s: %s %s: %s", new[0], given.by, given.action, target, given.reason)
    return ProposeReply(proposal=new[0], action=given.action, target=target, seconds=LIFE // SECOND)


def _approve(shell: Shell, request: Approve, station: str) -> ControlReply:
    given = Approval(
        proposal=request.proposal[:20],
        action=request.action,
        target=request.target[:200],
        by=request.who.person,
        station=station,
        reason=request.reason[:500],
    )
    state = shell.core.state
    if given.action == OVERRIDE and (blocked := state.blocked.find(given.target, shell.now().utc)):
        shell.refresh(blocked.command.symbol)
    why = authority.may_not_approve(state, given, shell.now())
    outcome = shell.feed(given)
    if not why and given.action == OVERRIDE and outcome != APPROVED:
        why = f"it was approved, and the gate denies it now: {outcome}"
    if why or given.proposal in state.proposals.open:
        return Refused(reason=why or "internal error")
    log.warning("proposal %s approved by %s: %s %s", given.proposal, given.by, given.action, given.target)
    return ApproveReply(proposal=given.proposal, action=given.action, target=given.target)


def _lost(shell: Shell, answer: ControlReply) -> ControlReply:
    if isinstance(answer, Refused):
        return answer
    return Refused(reason=f"it cannot be put on record: {shell.journal.failed}")
