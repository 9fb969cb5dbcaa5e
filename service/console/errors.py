"""Every error of the control API as problem details (RFC 9457): what, where, what to do."""

from __future__ import annotations

import logging
from typing import Any, Final

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from service.console.accounts import AccountsError
from service.console.desk import DeskError, Unanswered
from service.console.parameters import ParameterError
from service.console.sessions import LoginRefused
from service.console.state import Console
from service.gateway.control_client import ControlError, GatewayAway

log = logging.getLogger(__name__)

PROBLEM_JSON: Final = "application/problem+json"
TITLES: Final = {
    400: "The request cannot be understood",
    401: "Not logged in",
    403: "Not allowed",
    404: "Not there",
    405: "No such method here",
    409: "Things have changed meanwhile",
    413: "Too large",
    422: "Refused",
    429: "Too fast",
    500: "Our mistake",
    503: "Not available",
}


class Conflict(HTTPException):
    """What the person saw when they pressed is not how it is any more."""

    status_code = 409


class Refusal(HTTPException):
    """It was understood, and refused; the detail says why."""

    status_code = 422


def _answered(
    request: Request[Any, Any, Any], status: int, detail: str, **more: Any
) -> Response[dict[str, Any]]:
    """The answer to a request that failed; a press that was not put on record until now is, here."""
    console: Console = request.app.state.console
    console.turned_away(request, detail)
    return problem(status, detail, request.url.path, **more)


def problem(status: int, detail: str, where: str, **more: Any) -> Response[dict[str, Any]]:
    """An answer of media type ``application/problem+json``."""
    return Response(
        {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status, "detail": detail}
        | {"instance": where}
        | more,
        status_code=status,
        media_type=PROBLEM_JSON,
    )


def _http(request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
    more: dict[str, Any] = {}
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        more["errors"] = error.extra
    status = error.status_code
    detail = error.detail if status != 500 else "see the console's log"
    return _answered(request, status, detail, **more)


def _login(request: Request[Any, Any, Any], error: LoginRefused) -> Response[dict[str, Any]]:
    answer = _answered(request, 429 if error.wait else 401, error.reason)
    if error.wait:
        answer.set_header("Retry-After", str(int(error.wait) + 1))
    return answer


def _too_deep(request: Request[Any, Any, Any], _: RecursionError) -> Response[dict[str, Any]]:
    return _answered(request, 400, "brackets stand too deep in each other; send what /schema shows")


def _refused(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    return _answered(request, 422, str(error))


def _unavailable(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    return _answered(request, 503, str(error))


def _ours(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    # A request's body may hold a secret, so that neither it nor the frames' variables are logged.
    log.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__, exc_info=error)
    return problem(500, "see the console's log", request.url.path)


HANDLERS: Final[Any] = {
    HTTPException: _http,
    LoginRefused: _login,
    ParameterError: _refused,
    DeskError: _refused,
    Unanswered: _unavailable,
    ControlError: _refused,
    GatewayAway: _unavailable,
    AccountsError: _unavailable,
    RecursionError: _too_deep,
    Exception: _ours,
}
