"""What every request of the control API can reach, and how it finds out who asks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from litestar.connection import ASGIConnection, Request
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, NotAuthorizedException, PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from service.console.accounts import Right, User
from service.console.beats import Beats
from service.console.desk import Unanswered
from service.console.hub import Hub
from service.console.planned import Plans
from service.console.sessions import Session, Sessions, same
from service.gateway.control_client import GatewayAway
from service.model.records import AuditEntry

COOKIE: Final = "slipstream_session"
CSRF_HEADER: Final = "x-csrf-token"
COMMAND_HEADER: Final = "x-command-id"
_ON_RECORD: Final = "on_record"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(slots=True)
class Console:
    """The parts of a running console.

    Attributes:
        hub: The rows, and the way to Kafka and the gateway.
        sessions: Who is logged in.
        origins: Where the page may come from, as browsers write it (``http://127.0.0.1:8060``).
        secure: The cookie goes over TLS alone.
        wait: Seconds to wait for the gateway's answer to a parent command.
        releasing: Tickets whose release is under way.
        plans: Curves that the schedules of parents plan.
        beats: What open pages are sent, and when.
    """

    hub: Hub
    sessions: Sessions
    origins: frozenset[str]
    secure: bool
    wait: float = 10.0
    releasing: set[str] = field(default_factory=set)
    plans: Plans = field(default_factory=Plans)
    beats: Beats = field(init=False)

    def __post_init__(self) -> None:
        self.beats = Beats(self.hub)

    def say(
        self, user: User, action: str, target: str, reason: str, *, detail: str = "", after: int = 0
    ) -> None:
        """Put what somebody does to a row on record; the rows follow from the record.

        Args:
            after: UTC of what was done to it before; this is later, whatever the clock says.
        """
        entry = AuditEntry(
            who=f"console:{user.name}",
            action=action,
            target=target,
            reason=reason,
            outcome="done",
            ts_utc=max(time.time_ns(), after + 1),
            detail=detail,
        )
        self.hub.record(entry)
        self.hub.blotter.apply(entry)
        self.hub.wake()

    @contextlib.contextmanager
    def pressed(
        self, request: Request[User, Session, Any], action: str, target: str, reason: str
    ) -> Iterator[None]:
        """Put what is done inside on record, with its outcome, also when it fails."""
        request.state[_ON_RECORD] = True
        try:
            yield
        except Exception as error:
            detail = error.detail if isinstance(error, HTTPException) else str(error)
            outcome = "unknown" if isinstance(error, (GatewayAway, Unanswered)) else "refused"
            self.audit(request.user, action, target, reason, f"{outcome}: {detail}")
            raise
        self.audit(request.user, action, target, reason, "done")

    def turned_away(self, request: Request[Any, Any, Any], detail: str) -> None:
        """Put a press on record that was refused before it was under way: for its role or form, or too late.

        What only shows is no press, and what nobody has sent that is logged in is on nobody's record.
        """
        user: User | None = request.scope.get("user")
        handler: BaseRouteHandler | None = request.scope.get("route_handler")
        if user is None or handler is None or request.state.get(_ON_RECORD):
            return
        if fresh in (handler.guards or ()):
            self.audit(user, handler.handler_name, request.url.path, "", f"refused: {detail}")

    def note_login(self, name: str, address: str, outcome: str) -> None:
        """Put a login on record; the password never gets here."""
        self.hub.record(
            AuditEntry(
                who=f"console:{name[:32]}",
                action="login",
                target=address,
                reason="",
                outcome=outcome,
                ts_utc=time.time_ns(),
            )
        )

    def audit(self, user: User, action: str, target: str, reason: str, outcome: str) -> None:
        """Put a press on record: who, when, what, why, and what came of it."""
        self.hub.record(
            AuditEntry(
                who=f"console:{user.name}",
                action=action,
                target=target,
                reason=reason,
                outcome=outcome,
                ts_utc=time.time_ns(),
            )
        )


class Authenticate(AbstractAuthenticationMiddleware):
    """Session cookie or bearer token; of a cookie's changes also the page's origin and the CSRF token."""

    async def authenticate_request(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> AuthenticationResult:
        console: Console = connection.app.state.console
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            machine = console.sessions.by_token(token)
            if machine is None:
                raise NotAuthorizedException("this token is nobody's")
            return AuthenticationResult(user=machine.user, auth=machine)
        session = console.sessions.find(connection.cookies.get(COOKIE, ""))
        if session is None:
            raise NotAuthorizedException("log in first")
        socket = connection.scope["type"] == ScopeType.WEBSOCKET
        if socket or connection.scope.get("method") not in _SAFE:
            check_origin(console, connection.headers.get("origin"))
            # A browser gives a socket no headers; that its page is ours says the origin.
            if not socket and not same(connection.headers.get(CSRF_HEADER, ""), session.csrf):
                raise PermissionDeniedException("the CSRF token is missing or wrong; load the page again")
        return AuthenticationResult(user=session.user, auth=session)


def check_origin(console: Console, origin: str | None) -> None:
    """Refuse a change that another site's page sent.

    Raises:
        PermissionDeniedException: If a browser says that it comes from elsewhere, or says nothing.
    """
    if origin not in console.origins:
        raise PermissionDeniedException(f"requests from {origin or 'nowhere'} are not taken here")


def needs(right: Right) -> Any:
    """A guard: only who has this right gets through."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        user: User = connection.user
        if right not in user.rights:
            roles = ", ".join(role.value for role in user.roles)
            raise PermissionDeniedException(f"{user.name} ({roles}) may not do this; it needs {right.value}")

    return guard


def fresh(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: every change has an id of its own, so that none is carried out twice.

    Raises:
        PermissionDeniedException: If there is none, or it was used.
    """
    session: Session = connection.auth
    command_id = connection.headers.get(COMMAND_HEADER, "")
    if not 8 <= len(command_id) <= 64 or not command_id.isascii():
        raise PermissionDeniedException(f"{COMMAND_HEADER} is missing: every change has an id of its own")
    if not session.first_use(command_id):
        raise PermissionDeniedException("this command was sent before; it is not carried out again")
