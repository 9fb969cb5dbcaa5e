"""The API's description of itself, and in it its errors: problem details (RFC 9457), at each operation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from litestar import Litestar, Request
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.routes import HTTPRoute

from service.console.errors import PROBLEM_JSON, TITLES
from service.console.state import fresh

_WORDS: Final = {"type": "string"}
_PROBLEM: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "Problem details (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": _WORDS | {"description": "about:blank: the status says what it is"},
        "title": _WORDS | {"description": "the status in words"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": _WORDS | {"description": "what is wrong, where, and what to do"},
        "instance": _WORDS | {"description": "the path that was asked"},
        "errors": {
            "type": "array",
            "description": "of what cannot be understood: which part, and why",
            "items": {"type": "object"},
        },
    },
}
_LOGIN: Final = (401, 403, 429, 503)


class Description(JsonRenderPlugin):
    """Serves the description; made when somebody asks for it first."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        if "Problem" not in openapi_schema["components"]["schemas"]:
            describe_errors(request.app, openapi_schema)
        return super().render(request, openapi_schema)


def describe_errors(app: Litestar, document: dict[str, Any]) -> None:
    """Declare at each operation what it answers when it fails."""
    document["components"]["schemas"]["Problem"] = _PROBLEM
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        path = document["paths"].get(route.path_format or "/", {})
        for method, (handler, _) in route.route_handler_map.items():
            operation = path.get(method.lower())
            if operation is not None:
                if nothing := operation["responses"].get("204"):
                    nothing.pop("content", None)
                for status in _statuses(method, route.path_format, handler, operation):
                    operation["responses"][str(status)] = _answer(status)


def _statuses(method: str, path: str, handler: HTTPRouteHandler, operation: dict[str, Any]) -> Iterator[int]:
    changes = method != "GET"
    yield 500
    if operation.get("parameters") or operation.get("requestBody"):
        yield 400
    if changes:
        yield 413
    if handler.opt.get("exclude_from_auth"):
        yield from _LOGIN if changes else ()
        return
    yield from (401, 403, 503)
    if "{" in path:
        yield 404
    if handler.guards:
        yield 422
    if fresh in (handler.guards or ()):
        yield 409


def _answer(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": TITLES[status], "content": {PROBLEM_JSON: {"schema": schema}}}
