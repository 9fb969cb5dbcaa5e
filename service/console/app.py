"""The control API and the page as one ASGI application."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from litestar import Litestar, Response, get
from litestar.datastructures import State
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.static_files import create_static_files_router

from service.console.description import Description
from service.console.errors import HANDLERS
from service.console.push import live
from service.console.routes_gateway import AlarmRoutes, GatewayRoutes, MarketRoutes
from service.console.routes_hands import HandRoutes
from service.console.routes_parents import ParentRoutes
from service.console.routes_session import SessionRoutes
from service.console.routes_staging import StagingRoutes
from service.console.state import COOKIE, CSRF_HEADER, Authenticate, Console

STATIC: Final = Path(__file__).parent / "static"

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@get("/", exclude_from_auth=True, include_in_schema=False)
async def page() -> Response[bytes]:
    """The page itself holds nothing that is secret; everything in it comes from the API."""
    return Response((STATIC / "index.html").read_bytes(), media_type="text/html; charset=utf-8")


@get(
    "/api/health", exclude_from_auth=True, summary="Whether the console has read the record", tags=["health"]
)
async def health(state: State) -> dict[str, bool]:
    """For a supervisor: says nothing about trading."""
    console: Console = state.console
    return {"ready": console.hub.blotter.live}


def _add_headers(response: Response[Any]) -> Response[Any]:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def build(console: Console) -> Litestar:
    """The application of a running console."""
    return Litestar(
        route_handlers=[
            page,
            health,
            SessionRoutes,
            ParentRoutes,
            HandRoutes,
            StagingRoutes,
            GatewayRoutes,
            AlarmRoutes,
            MarketRoutes,
            live,
            create_static_files_router(
                path="/static", directories=[STATIC], opt={"exclude_from_auth": True}, include_in_schema=False
            ),
        ],
        middleware=[DefineMiddleware(Authenticate, exclude="^/(static|schema)")],
        exception_handlers=HANDLERS,
        after_request=_add_headers,
        state=State({"console": console}),
        request_max_body_size=512 * 1024,
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="Slipstream control API",
            version="1",
            path="/schema",
            render_plugins=[Description()],
            description=(
                "Parents, kill and what takes two people. Errors are problem details (RFC 9457). A person's "
                f"changes bring the session's cookie, the header {CSRF_HEADER}, and x-command-id, an id of "
                "their own; a machine's bring a bearer token and x-command-id."
            ),
            components=Components(
                security_schemes={
                    "session": SecurityScheme(type="apiKey", name=COOKIE, security_scheme_in="cookie"),
                    "token": SecurityScheme(type="http", scheme="bearer"),
                }
            ),
            security=[{"session": []}, {"token": []}],
        ),
    )
