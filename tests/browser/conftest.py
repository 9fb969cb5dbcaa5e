"""A real Chromium, and the whole service with its console. Missing Chromium: skipped, or failed in CI."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from service.demo.processes import Roles
from service.transport.kafka_probe import free_port
from service.transport.kafka_process import KafkaProcess

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 60_000


def chromium() -> str:
    """Path of the browser."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (path := shutil.which(name)) is not None:
            return path
    reason = "chromium is not installed; on Debian: apt-get install chromium"
    if os.environ.get("SLIPSTREAM_REQUIRE_CHROMIUM") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


class Desk:
    """A running service, and pages of people on it."""

    def __init__(self, browser: Browser, roles: Roles, address: str) -> None:
        self.browser = browser
        self.roles = roles
        self.address = address
        self.errors: list[str] = []
        self.elsewhere: list[str] = []

    async def page(self, name: str) -> Page:
        """The page of somebody who has logged in."""
        context = await self.browser.new_context(viewport={"width": 1280, "height": 800})
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.errors.append(f"{name}: {error}"))
        page.on("request", lambda request: self._asked(request.url))
        await page.goto(f"http://{self.address}/")
        await page.fill("#name", name)
        await page.fill("#password", f"{name} in development")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#kill")
        return page

    def _asked(self, url: str) -> None:
        if not url.startswith((f"http://{self.address}/", f"ws://{self.address}/", "data:")):
            self.elsewhere.append(url)


@pytest.fixture
async def desk(kafka: KafkaProcess, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """Roles on the synthetic market at ten times real time, a console, and a browser."""
    path = chromium()
    run_dir, port = tmp_path / "run", free_port()
    roles = Roles(run_dir)
    common = ["--run-dir", str(run_dir), "--kafka", kafka.bootstrap, "--topic-prefix", topic_prefix]
    try:
        await roles.start("gateway", [*common, "--broker", f"127.0.0.1:{port}"])
        await roles.start("runner", common)
        await roles.start("broker-sim", [*common, "--port", str(port)])
        await roles.start("feed", [*common, "--speed", "10"])
        await roles.start("console", [*common, "--port", "0"])
        for role in ("feed", "broker-sim", "gateway", "runner", "console"):
            await roles.ready(role)
        address = (run_dir / "ready" / "console.address").read_text().strip()
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
            try:
                yield Desk(browser, roles, address)
            finally:
                await browser.close()
    finally:
        async with asyncio.timeout(100):
            await roles.stop_all(("feed", "console", "runner", "gateway", "broker-sim"))
