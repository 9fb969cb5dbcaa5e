from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.fix.broker import Broker, free_port


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    counterparty = Broker(tmp_path / "broker", free_port())
    await counterparty.start()
    yield counterparty
    await counterparty.kill()
