"""Pages walk in step, so that a change is encoded once for all; one that lags gets the newest state."""

import asyncio
import json
from typing import Any

import pytest

from service.console.beats import Beats
from service.console.hub import Hub
from service.console.state import Console
from service.model.events import ParentAdmitted
from tests.unit.console.test_blotter import STATE, fill, submitted


@pytest.fixture
def hub(console: Console) -> Hub:
    console.hub.blotter.apply(ParentAdmitted(command_id="c", state=STATE, ts_event=1, ts_utc=2))
    return console.hub


def lots(document: str) -> list[int]:
    """What each parent in it has filled."""
    rows: dict[str, list[dict[str, Any]]] = json.loads(document)["rows"]
    return [row["filled"] for row in rows.get("parent", [])]


async def beat(beats: Beats, hub: Hub) -> None:
    """Wake whoever watches, and wait until all are a beat further."""
    number = beats.number
    hub.wake()
    async with asyncio.timeout(20):
        await beats.after(number)


async def test_a_change_when_many_pages_are_open_is_encoded_once(hub: Hub) -> None:
    beats = hub_beats = Beats(hub)
    for _ in range(50):
        beats.join()
    first = {beats.document(-1) for _ in range(50)}
    ((rev, document),) = first
    assert (lots(document), hub_beats.made) == ([0], 1)
    hub.blotter.apply(submitted())
    hub.blotter.apply(fill("E1", 10, 10))
    await beat(beats, hub)
    ((_, document),) = {beats.document(rev) for _ in range(50)}
    assert (lots(document), beats.made) == ([10], 2)
    for _ in range(50):
        beats.leave()


async def test_a_page_when_it_lags_gets_the_newest_state_once_and_is_in_step_again(hub: Hub) -> None:
    beats = Beats(hub)
    beats.join()
    start, _ = beats.document(-1)
    quick = start
    hub.blotter.apply(submitted())
    for number in range(1, 4):
        hub.blotter.apply(fill(f"E{number}", 10, 10 * number))
        await beat(beats, hub)
        quick, document = beats.document(quick)
        assert lots(document) == [10 * number]
    slow, document = beats.document(start)
    assert lots(document) == [30]
    assert len(json.loads(document)["rows"]["fill"]) == 3
    assert slow == quick
    beats.leave()


async def test_a_change_within_a_beat_is_not_lost(hub: Hub) -> None:
    beats = Beats(hub)
    beats.join()
    rev, _ = beats.document(-1)
    hub.blotter.apply(submitted())
    hub.blotter.apply(fill("E1", 10, 10))
    # Somebody who comes within the beat has it, and who came before gets it at the next.
    late, document = beats.document(-2)
    assert lots(document) == [10]
    await beat(beats, hub)
    for at in (rev, late):
        assert lots(beats.document(at)[1]) == [10]
    beats.leave()
