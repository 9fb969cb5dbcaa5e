"""Every panel's question, put to a real Prometheus that scraped every sensor there is."""

import asyncio
import sys
from pathlib import Path

from service.settings import ROOT
from tests.integration.deploy.stack import stack
from tests.unit.deploy.supervision import expressions


async def test_panels_when_asked_of_a_prometheus_that_scraped_all_then_each_shows_something(
    tmp_path: Path,
) -> None:
    role = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.unit.deploy.serve_all",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert role.stdin is not None
    assert role.stdout is not None
    try:
        address = f"127.0.0.1:{int(await role.stdout.readline())}"
        async with stack(tmp_path, {"gateway": address}) as supervised:
            await supervised.evaluated(4)
            panels = {
                where: expression.replace("$__rate_interval", "10s")
                for where, expression in expressions().items()
                if not where.startswith("rule ")
            }
            assert len(panels) > 60
            assert [where for where, expression in panels.items() if not supervised.query(expression)] == []
    finally:
        role.stdin.close()
        await role.wait()
