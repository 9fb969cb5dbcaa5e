"""Log in, log out, who am I."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.datastructures import Cookie, State
from litestar.params import JSONBody

from service.console.accounts import User
from service.console.sessions import LoginRefused, Session
from service.console.state import COOKIE, Console, check_origin


class Login(msgspec.Struct, forbid_unknown_fields=True):
    """Name and password."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]

    def __repr__(self) -> str:
        return f"Login(name={self.name!r})"


class Me(msgspec.Struct):
    """Who is logged in. ``csrf`` goes into the header ``x-csrf-token`` of every change."""

    name: str
    trader: str
    roles: list[str]
    rights: list[str]
    csrf: str


def _me(user: User, csrf: str) -> Me:
    return Me(
        name=user.name,
        trader=user.trader,
        roles=[role.value for role in user.roles],
        rights=sorted(right.value for right in user.rights),
        csrf=csrf,
    )


class SessionRoutes(Controller):
    """Sessions are cookies that scripts cannot read; each change brings a CSRF token besides."""

    path = "/api/session"
    tags = ("session",)

    @post("/", exclude_from_auth=True, status_code=200, summary="Log in")
    async def login(
        self, request: Request[Any, Any, Any], data: JSONBody[Login], state: State
    ) -> Response[Me]:
        console: Console = state.console
        check_origin(console, request.headers.get("origin"))
        address = request.client.host if request.client is not None else "unknown"
        try:
            session = await console.sessions.login(data.name, data.password, address)
        except LoginRefused as refused:
            console.note_login(data.name, address, f"refused: {refused.reason}")
            raise
        console.note_login(data.name, address, "done")
        cookie = Cookie(
            key=COOKIE,
            value=session.key,
            httponly=True,
            secure=console.secure,
            samesite="strict",
            path="/",
        )
        return Response(_me(session.user, session.csrf), cookies=[cookie])

    @get("/", summary="Who is logged in")
    async def who(self, request: Request[User, Session, Any]) -> Me:
        return _me(request.user, request.auth.csrf)

    @post("/end", status_code=204, summary="Log out")
    async def logout(self, request: Request[User, Session, Any], state: State) -> Response[None]:
        console: Console = state.console
        console.sessions.close(request.auth.key)
        answer: Response[None] = Response(None, status_code=204)
        answer.delete_cookie(COOKIE)
        return answer
