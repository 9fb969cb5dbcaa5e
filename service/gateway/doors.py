"""The gateway's doors: runners on the local stream, people on the control socket."""

from __future__ import annotations

import grp
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from service.gateway import exposures
from service.gateway.arming import latched
from service.gateway.blocking import blocked_reply, dismiss_one
from service.gateway.control import (
    Approve,
    BlockedRequest,
    BreaksRequest,
    ChallengeRequest,
    ControlReply,
    ControlRequest,
    CutRequest,
    DismissRequest,
    ExplainBreakRequest,
    ExplainRequest,
    ExposureReply,
    ExposureRequest,
    Kill,
    KillInForce,
    KillReply,
    LimitsReply,
    LimitsRequest,
    LineRequest,
    OpenProposal,
    OrdersReply,
    OrdersRequest,
    ParentsReply,
    ParentsRequest,
    Propose,
    ReconcileRequest,
    Refused,
    StatusReply,
    decode_request,
)
from service.gateway.copying import breaks_reply, explain_break
from service.gateway.countersign import Countersign
from service.gateway.cutting import Cutter
from service.gateway.inputs import ExplainInput, ReconcileInput
from service.gateway.kill import REDUCE_ONLY, difference
from service.gateway.killing import covered
from service.gateway.shell import Shell
from service.gateway.triggers import engage, user_name
from service.model.codec import DecodeError, to_gateway
from service.model.events import ChildSnapshot, KillEngaged, ParentAdmitted
from service.model.stream import RunnerHeartbeat, RunnerHello, StreamSynced, ToGateway
from service.transport.stream import Connection, StreamServer
from service.transport.topics import TransportError

log = logging.getLogger(__name__)

_LARGEST_COMMAND: Final = 64 * 1024


def _decode_runner(frame: bytes) -> ToGateway:
    if len(frame) > _LARGEST_COMMAND:
        raise DecodeError(f"to gateway: {len(frame)} bytes; a command has at most {_LARGEST_COMMAND}")
    return to_gateway(frame)


class Runners:
    """Every runner on the stream, what each is told, and whether each is alive (C29).

    Args:
        timeout: Nanoseconds of UTC without a heartbeat after which a runner is lost.
    """

    def __init__(self, address: str, *, timeout: int, utc: Callable[[], int] = time.time_ns) -> None:
        self._timeout = timeout
        self._utc = utc
        self._heard: dict[str, int] = {}
        self._names: dict[Connection, str] = {}
        self.shell: Shell | None = None
        self.server = StreamServer(
            address, _decode_runner, on_message=self._message, on_close=self._closed, on_read=self._read
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Runners that are connected."""
        return tuple(sorted(set(self._names.values())))

    def expect(self, runners: set[str]) -> None:
        """These had orders when the gateway stopped: they are lost unless they come back."""
        now = self._utc()
        self._heard.update(dict.fromkeys(runners, now))

    def tell(self, payload: bytes) -> None:
        """Send a message, which is bytes already, to every runner that has said hello."""
        for connection in self._names:
            connection.send_encoded(payload)

    def check(self) -> None:
        """Find runners that are lost."""
        assert self.shell is not None
        now = self._utc()
        for runner, heard in list(self._heard.items()):
            if now - heard > self._timeout:
                del self._heard[runner]
                self.shell.runner_lost(runner)

    def _message(self, connection: Connection, message: ToGateway) -> None:
        shell = self.shell
        assert shell is not None
        if isinstance(message, RunnerHeartbeat):
            if self._names.get(connection) == message.runner_id:
                self._heard[message.runner_id] = self._utc()
            else:  # a runner that is dead must not look alive because another one says so (C29)
                self._turn_out(connection, f"vouches for {message.runner_id[:64]!r}, which it is not")
        elif isinstance(message, RunnerHello):
            if connection in self._names:
                self._turn_out(connection, "says who it is a second time")
            else:
                self._hello(connection, message.runner_id)
        else:
            runner = self._names.get(connection, "")
            if runner:
                self._heard[runner] = self._utc()
                shell.intent(runner, message)
            else:
                log.error("%s sends commands without having said who it is", connection.name)

    def _read(self) -> None:
        """What runners want is on its way to the disk before the loop turns to anything else."""
        if self.shell is not None:
            self.shell.journal.flush()

    def _turn_out(self, connection: Connection, why: str) -> None:
        if connection.open:
            log.error("%s %s; closing", connection.name, why)
            connection.close()

    def _hello(self, connection: Connection, runner: str) -> None:
        """Tell a runner everything that is open."""
        assert self.shell is not None
        now, state = self.shell.now(), self.shell.core.state
        log.info("runner %s is there", runner)
        connection.name = runner
        self._names[connection] = runner
        self._heard[runner] = now.utc
        for parent in state.open.values():
            admitted = ParentAdmitted(
                command_id="",
                state=state.snapshot(parent),
                ts_event=now.market,
                ts_utc=now.utc,
                restored=True,
            )
            connection.send(admitted)
        for kill in state.kills.engaged.values():
            connection.send(KillEngaged(scope=kill.scope, by=kill.by, reason=kill.reason, ts_utc=kill.utc))
        connection.send(StreamSynced(parents=len(state.open), ts_utc=now.utc))

    def _closed(self, connection: Connection) -> None:
        runner = self._names.pop(connection, "")
        if runner:
            log.warning("runner %s disconnected", runner)


class Control:
    """Carries out what people ask for. The kernel vouches for who they are (SO_PEERCRED).

    Args:
        runners: Names of the runners that are connected.
        pending: Records that Kafka does not have yet.
        countersign: Looks after what needs two people.
    """

    def __init__(
        self,
        address: str,
        session: str,
        runners: Callable[[], tuple[str, ...]],
        pending: Callable[[], int],
        countersign: Countersign,
    ) -> None:
        self._countersign = countersign
        self._session = session
        self._runners = runners
        self._pending = pending
        self.cutter: Cutter | None = None
        self.shell: Shell | None = None
        self.server = StreamServer(address, decode_request, on_message=self._message, on_bad=_bad)

    def _message(self, connection: Connection, request: ControlRequest) -> None:
        shell = self.shell
        assert shell is not None
        who = _user(connection)
        if isinstance(request, Kill):
            self._kill(connection, request, who)
        elif isinstance(request, Propose | Approve):
            known = "" if connection.peer_uid is None else who
            self._countersign.take(shell, request, known, connection.peer_pid or 0, connection.send)
        elif isinstance(request, ChallengeRequest):
            connection.send(self._countersign.challenge(request.person[:64]))
        elif isinstance(request, LimitsRequest):
            connection.send(self._limits(request))
        elif isinstance(request, ParentsRequest):
            connection.send(self._parents(request))
        elif isinstance(request, OrdersRequest):
            connection.send(OrdersReply(orders=self._orders()))
        elif isinstance(request, ReconcileRequest):
            shell.feed(ReconcileInput(by=who, reason=request.reason[:500]))
            connection.send(OrdersReply(orders=self._orders()))
        elif isinstance(request, LineRequest | CutRequest):
            self._line(connection, request, "" if connection.peer_uid is None else who)
        elif isinstance(request, BreaksRequest):
            connection.send(breaks_reply(shell.core.state))
        elif isinstance(request, ExplainBreakRequest):
            explain_break(shell, request, "" if connection.peer_uid is None else who, connection.send)
        elif isinstance(request, ExplainRequest):
            self._explain(connection, request, who)
        elif isinstance(request, BlockedRequest):
            connection.send(blocked_reply(shell.core.state))
        elif isinstance(request, DismissRequest):
            dismiss_one(shell, request, "" if connection.peer_uid is None else who, connection.send)
        elif isinstance(request, ExposureRequest):
            connection.send(self._exposure())
        else:
            connection.send(self._status(request.brief))

    def _kill(self, connection: Connection, request: Kill, who: str) -> None:
        """In force and on the wire before anything is answered; the answer waits for the disk."""
        shell = self.shell
        assert shell is not None
        asked = f"{REDUCE_ONLY} {request.scope}" if request.reduce_only else request.scope
        scope = engage(shell, asked, who, request.reason, "socket")

        def reply(durable: bool) -> None:
            lost = "" if durable else f"in force, but lost if this process ends: {shell.journal.failed}"
            detail = "; ".join(filter(None, (difference(asked, scope), lost)))
            connection.send(
                KillReply(scope=scope, working=self._working(scope), durable=durable, detail=detail)
            )

        shell.when_synced(reply)

    def _line(self, connection: Connection, request: LineRequest | CutRequest, who: str) -> None:
        assert self.shell is not None
        assert self.cutter is not None
        if isinstance(request, CutRequest):
            self.cutter.take(self.shell, request, who, connection.send)
        else:
            connection.send(self.cutter.reply(self.shell))

    def _limits(self, request: LimitsRequest) -> ControlReply:
        assert self.shell is not None
        state = self.shell.core.state
        if not request.proposal:
            assert state.configured is not None
            text = state.approved_limits or state.configured.limits
            return LimitsReply(version=state.gate.limits.version, text=text)
        proposal = state.proposals.open.get(request.proposal)
        if proposal is None or not proposal.text:
            return Refused(reason=f"there is no open proposal {request.proposal} of limits")
        return LimitsReply(version=proposal.target, text=proposal.text)

    def _working(self, scope: str) -> tuple[ChildSnapshot, ...]:
        assert self.shell is not None
        state = self.shell.core.state
        orders = covered(state, scope) if scope else state.ledger.live.values()
        return tuple(order.snapshot() for order in orders)

    def _orders(self) -> tuple[ChildSnapshot, ...]:
        """What works, and what is unknown though it may be over."""
        assert self.shell is not None
        state = self.shell.core.state
        unknown = [o for o in state.chasing.values() if o.unknown and not o.live]
        return tuple(order.snapshot() for order in (*state.ledger.live.values(), *unknown))

    def _explain(self, connection: Connection, request: ExplainRequest, who: str) -> None:
        shell = self.shell
        assert shell is not None
        if connection.peer_uid is None:
            connection.send(Refused(reason="only a known user on the Unix socket may explain an order"))
            return
        if request.price:
            connection.send(Refused(reason="what books lots takes two people: `slipstream book order`"))
            return
        order = shell.core.state.ledger.orders.get(request.child_id)
        if order is None or not (order.unknown or order.sideless):
            connection.send(
                Refused(reason=f"no unknown order {request.child_id}; see `slipstream orders show`")
            )
            return
        explained = ExplainInput(
            child_id=request.child_id,
            status=request.status,
            cum_quantity=request.cum_quantity,
            price=request.price,
            side=request.side,
            by=who,
            reason=request.reason[:500],
        )
        shell.feed(explained)
        shell.when_synced(lambda _: connection.send(OrdersReply(orders=(order.snapshot(),))))

    def _exposure(self) -> ExposureReply:
        assert self.shell is not None
        state, now = self.shell.core.state, self.shell.now()
        return ExposureReply(
            currency=state.gate.limits.currency,
            limits_version=state.gate.limits.version,
            ts_event=now.market,
            ts_utc=now.utc,
            rows=exposures.rows(state),
        )

    def _parents(self, request: ParentsRequest) -> ParentsReply:
        assert self.shell is not None
        state = self.shell.core.state
        shown = state.parents if request.closed else state.open
        return ParentsReply(parents=tuple(state.snapshot(parent) for parent in shown.values()))

    def _status(self, brief: bool) -> StatusReply:
        assert self.shell is not None
        shell, state, now = self.shell, self.shell.core.state, self.shell.now()
        heartbeat = shell.heartbeat
        return StatusReply(
            session=self._session,
            logged_on=state.logged_on,
            halted=shell.halted,
            kills=tuple(
                KillInForce(
                    scope=k.scope,
                    by=k.by,
                    reason=k.reason,
                    ts_utc=k.utc,
                    working=len(covered(state, k.scope)),
                )
                for k in state.kills.engaged.values()
            ),
            working=() if brief else self._working(""),
            unknown=sum(exposure.unknown for exposure in state.ledger.exposures.values()),
            open_parents=len(state.open),
            waiting_parents=sum(len(queue) for queue in state.waiting.values()),
            runners=self._runners(),
            market_time=now.market,
            heartbeat_age=now.utc - heartbeat.ts_utc if heartbeat is not None else -1,
            positions={s: e.position for s, e in state.ledger.exposures.items() if s},
            limits_version=state.gate.limits.version,
            reference_version=state.reference.version,
            journal_seq=shell.seq,
            pending_records=self._pending(),
            proposals=tuple(
                OpenProposal(
                    proposal=p.id,
                    action=p.action,
                    target=p.target,
                    by=p.by,
                    reason=p.reason,
                    ts_utc=p.utc,
                    expires_utc=p.expires,
                )
                for p in state.proposals.open.values()
            ),
            latched=latched(state),
            held=tuple(blocked.terms for blocked in state.blocked.waiting.values()),
            clock=state.clock_trouble,
            works=len(state.ledger.live),
        )


def admit_group(address: str, group: str) -> None:
    """Let the members of an operating-system group use a Unix socket, besides its owner.

    Raises:
        TransportError: If there is no such group, or we may not give it the socket.
    """
    kind, _, path = address.partition(":")
    if kind != "unix" or not group:
        return
    try:
        os.chown(path, -1, grp.getgrnam(group).gr_gid)
        Path(path).chmod(0o660)
    except (KeyError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else "there is no such group"
        raise TransportError(f"{path} cannot be given to group {group}: {reason}") from error


def _bad(connection: Connection, frame: bytes, reason: str) -> None:  # noqa: ARG001
    connection.send(Refused(reason=reason))


def _user(connection: Connection) -> str:
    """Name of the operating-system user at the other end."""
    uid = connection.peer_uid
    return "unknown" if uid is None else user_name(uid)
