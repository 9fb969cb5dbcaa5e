"""What an open page is sent: all rows first, then the newest state of what has changed, and nothing twice."""

import json
from typing import Any

import pytest

from service.console.beats import changes
from service.console.state import Console
from tests.unit.console.conftest import Behind
from tests.unit.gateway.driver import Driver


def ids(document: dict[str, Any]) -> dict[str, list[str]]:
    return {kind: [row["id"] for row in rows] for kind, rows in document["rows"].items()}


@pytest.fixture
def desk(console: Console) -> Driver:
    return Behind(console).desk


def test_a_page_gets_everything_once_and_then_what_it_lacks(console: Console, desk: Driver) -> None:
    desk.admit(quantity=500)
    desk.submit("P1.1")
    for message in desk.published:
        console.hub.blotter.apply(message)
    first = json.loads(changes(console.hub, -1))
    assert ids(first) == {"parent": ["P1"], "child": ["P1.1"]}
    assert first["rev"] == console.hub.blotter.rev
    assert json.loads(changes(console.hub, first["rev"]))["rows"] == {}
    told = len(desk.published)
    desk.acknowledge()
    for message in desk.published[told:]:
        console.hub.blotter.apply(message)
    later = json.loads(changes(console.hub, first["rev"]))
    assert ids(later) == {"child": ["P1.1"]}
    assert later["rows"]["child"][0]["status"] == "new"


def test_a_row_that_changed_often_is_sent_once_as_it_is_now(console: Console, desk: Driver) -> None:
    desk.admit(quantity=500)
    desk.submit("P1.1")
    for lots in (10, 20, 30):
        desk.fill(lots)
    for message in desk.published:
        console.hub.blotter.apply(message)
    document = json.loads(changes(console.hub, -1))
    assert [row["filled"] for row in document["rows"]["parent"]] == [60]
    assert len(document["rows"]["fill"]) == 3
