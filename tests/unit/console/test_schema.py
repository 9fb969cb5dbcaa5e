"""The API against its own description: whatever is sent, no fault of ours and nothing undeclared."""

from __future__ import annotations

import itertools
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from litestar.testing import TestClient
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.console.app import build
from service.console.state import Console
from tests.unit.console.conftest import ALL_TOKEN

_COMMANDS = itertools.count()
_EXAMPLES = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
_CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_no_request_is_answered_by_a_fault_of_ours(console: Console) -> None:
    console.wait = 0.001
    schema = schemathesis.openapi.from_asgi("/schema/openapi.json", build(console))
    seen: dict[str, set[int]] = {}

    def try_it(case: Any) -> None:
        headers = {"authorization": f"Bearer {ALL_TOKEN}", "x-command-id": f"schema-{next(_COMMANDS):08}"}
        answer = case.call(headers=headers)
        case.validate_response(answer, checks=_CHECKS)
        # 503: no gateway answers here.
        assert answer.status_code < 500 or answer.status_code == 503, answer.text
        seen.setdefault(case.operation.label, set()).add(answer.status_code)
        if answer.status_code >= 400:
            assert answer.headers["content-type"][0].startswith("application/problem+json"), answer.text

    for found in schema.get_all_operations():
        operation = found.ok()
        _EXAMPLES(given(case=operation.as_strategy())(try_it))()
    assert len(seen) > 25
    # It got past the door: not only what cannot be understood was tried.
    assert all(statuses - {401, 403} for statuses in seen.values()), seen


def test_every_operation_declares_its_errors_as_problem_details(console: Console) -> None:
    app = build(console)
    with TestClient(app) as client:
        paths = client.get("/schema/openapi.json").json()["paths"]
    for path, item in paths.items():
        for method, operation in item.items():
            errors = {s: a for s, a in operation["responses"].items() if int(s) >= 400}
            expected = {"500"} if path == "/api/health" else {"401", "403", "500", "503"}
            assert expected <= errors.keys(), (method, path)
            assert method == "get" or "413" in errors
            for answer in errors.values():
                assert answer["content"] == {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                }
    assert {"404", "409", "422"} <= paths["/api/parents/{parent_id}/change"]["post"]["responses"].keys()
    assert "429" in paths["/api/session"]["post"]["responses"]
