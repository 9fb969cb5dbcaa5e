"""A day at the console in a real browser: trade, steer, stop, and two people who let it go on.

With ``SLIPSTREAM_SCREENSHOTS=FOLDER`` it leaves pictures there; those of the documents are made so.
"""

import os
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import PATIENCE_MS, Desk

pytestmark = pytest.mark.timeout(400)
expect.set_options(timeout=PATIENCE_MS)


async def picture(page: Page, name: str) -> None:
    """In light and in dark, where pictures are asked for; both themes work either way."""
    folder = os.environ.get("SLIPSTREAM_SCREENSHOTS")
    if folder:
        await page.wait_for_timeout(1500)
        await page.screenshot(path=Path(folder) / f"console-{name}.png")
    await page.evaluate("document.getElementById('theme').click()")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    if folder:
        await page.wait_for_timeout(300)
        await page.screenshot(path=Path(folder) / f"console-{name}-dark.png")
    await page.evaluate("document.getElementById('theme').click()")
    await expect(page.locator("html")).to_have_attribute("data-theme", "light")


async def submit(page: Page) -> None:
    await page.click("dialog[open] button[type=submit]")


async def done(page: Page) -> None:
    await expect(page.locator("dialog[open]")).to_have_count(0)


async def state_is(page: Page, state: str) -> None:
    await expect(page.locator(".stat", has=page.get_by_text("state", exact=True)).locator("b")).to_have_text(
        state
    )


async def test_a_day_at_the_console(desk: Desk) -> None:
    trader = await desk.page("alice")

    # A ticket from the declared parameters, with an estimate, by keyboard.
    await trader.keyboard.press("n")
    await trader.fill("#t-quantity", "6000")
    await trader.select_option("#t-policy", "vwap")
    await trader.fill("dialog [name=duration]", "1500")
    await trader.click("#t-price")
    await expect(trader.locator("#t-estimate")).to_contain_text("expected cost, bps")
    await picture(trader, "ticket")
    await submit(trader)
    await done(trader)

    # It fills.
    row = trader.locator(".vrow[data-key^='P-']").first
    await row.click()
    await expect(trader.locator(".vrow", has_text="passive").first).to_be_visible()
    await picture(trader, "blotter")
    await trader.keyboard.press("Enter")
    await expect(trader.locator("main h2").first).to_contain_text("buy 6,000 AURA by vwap")
    await expect(trader.locator(".vrow", has_text="submit").first).to_be_visible()
    await picture(trader, "parent")

    # Its speed is changed, it is paused, and resumed with what was missed asked for.
    await trader.keyboard.press("a")
    await submit(trader)
    await expect(trader.locator("dialog .error")).to_have_text(
        "nothing to amend: give a quantity, a parameter or a policy"
    )
    await trader.fill("dialog [name=duration]", "900")
    await submit(trader)
    await done(trader)
    await expect(trader.locator(".stats").first).to_contain_text("duration=900")
    await trader.keyboard.press("p")
    await submit(trader)
    await done(trader)
    await state_is(trader, "paused")
    await trader.keyboard.press("r")
    await trader.select_option("#c-catch-up", "skip")
    await submit(trader)
    await done(trader)
    await state_is(trader, "working")

    # Another policy takes it up; then a person does, through the same gate, and hands it back.
    await trader.keyboard.press("a")
    await trader.select_option("#a-policy", "twap")
    await expect(trader.locator("dialog[open]")).to_contain_text("vwap's children are cancelled")
    await submit(trader)
    await done(trader)
    await expect(trader.locator("main h2").first).to_contain_text("by twap")
    await trader.keyboard.press("t")
    await submit(trader)
    await done(trader)
    await state_is(trader, "by hand: alice")
    await trader.keyboard.press("o")
    await trader.fill("#h-quantity", "10")
    await trader.fill("#h-price", "1")
    await submit(trader)
    await expect(trader.locator("dialog .error")).to_contain_text("C1 ")
    await trader.fill("#h-price", "")
    await trader.select_option("#h-tif", "ioc")
    await picture(trader, "by-hand")
    await submit(trader)
    await done(trader)
    await expect(trader.locator(".vrow", has_text="by hand of alice").first).to_be_visible()
    await trader.keyboard.press("r")
    await submit(trader)
    await done(trader)
    await state_is(trader, "working")

    # A kill has to be typed. It stops everything, and says so on every page.
    await trader.keyboard.press("K")
    await trader.fill("#k-typed", "al")
    await trader.fill("#k-reason", "drill")
    await submit(trader)
    await expect(trader.locator("dialog .error")).to_contain_text("type all to confirm")
    await trader.fill("#k-typed", "all")
    await submit(trader)
    await done(trader)
    await expect(trader.locator(".banner").first).to_contain_text("KILL all in force")
    await expect(trader.locator(".banner").first).to_contain_text("(0 orders still work)")
    await picture(trader, "killed")

    # A trader lifts nothing; a risk officer proposes, not with a wrong secret, and does not approve it, too.
    await trader.click("#tab-risk")
    await expect(trader.get_by_role("button", name="Propose release")).to_be_disabled()
    carol = await desk.page("carol")
    await carol.click("#tab-risk")
    await carol.click("text=Propose release")
    await carol.fill("#p-secret", "not the secret of carol")
    await carol.fill("#p-reason", "the drill is over")
    await submit(carol)
    await expect(carol.locator("dialog .error")).to_contain_text("name or secret is wrong")
    await carol.fill("#p-secret", "carol in development")
    await submit(carol)
    await done(carol)
    await carol.click("button:has-text('Approve')")
    await carol.fill("#p-secret", "carol in development")
    await submit(carol)
    await expect(carol.locator("dialog .error")).to_contain_text("another person has to approve it")
    await picture(carol, "refused")
    dave = await desk.page("dave")
    await dave.click("#tab-risk")
    await dave.click("button:has-text('Approve')")
    await dave.fill("#p-secret", "dave in development")
    await submit(dave)
    await done(dave)
    await expect(dave.locator(".banner")).to_have_count(0)
    await picture(dave, "risk")

    # Alarms are closed one at a time, with a comment, and stay so.
    await dave.click("#tab-alarms")
    await expect(dave.locator(".vrow:visible")).not_to_have_count(0)
    await dave.locator(".vrow:visible", has_text="KILL_ENGAGED").click()
    await dave.click("#b-close")
    await submit(dave)
    await expect(dave.locator("dialog[open]")).to_have_count(1)  # a comment is needed
    await dave.fill("#al-comment", "a drill")
    await submit(dave)
    await done(dave)
    await expect(dave.locator(".vrow:visible", has_text="KILL_ENGAGED")).to_have_count(0)

    await trader.click("#tab-market")
    await expect(trader.locator("main")).to_contain_text("continuous")
    await picture(trader, "market")
    assert desk.errors == []
    assert desk.elsewhere == []


async def test_a_ticket_is_staged_by_one_and_released_by_another(desk: Desk) -> None:
    head = await desk.page("bob")
    await head.keyboard.press("n")
    await head.fill("#t-quantity", "500")
    await head.select_option("#t-policy", "twap")
    await head.fill("dialog [name=duration]", "1500")
    await head.click("#t-stage")
    await done(head)
    trader = await desk.page("alice")
    await trader.click("#tab-tickets")
    ticket = trader.locator(".vrow[data-key^='S-']").first
    await ticket.click()
    await expect(trader.locator("#s-release")).to_be_disabled()
    await trader.click("#s-claim")
    await expect(ticket).to_contain_text("claimed")
    await picture(trader, "tickets")
    await trader.click("#s-release")
    await trader.click("#tab-parents")
    await expect(trader.locator(".vrow[data-key^='S-']").first).to_contain_text("alice")
    await trader.click("#tab-risk")
    await expect(trader.locator("main")).to_contain_text("Held by a soft limit")
    assert desk.errors == []


async def test_a_page_when_the_console_dies_says_so_and_comes_back(desk: Desk) -> None:
    page = await desk.page("eve")
    await expect(page.locator("#b-new")).to_be_disabled()
    await expect(page.locator("#kill")).to_be_disabled()
    await page.click("#logout")
    await expect(page.locator("#password")).to_be_visible()
    trader = await desk.page("alice")
    await desk.roles.stop("console")
    await expect(trader.locator(".banner").first).to_contain_text("this page has lost the console")
