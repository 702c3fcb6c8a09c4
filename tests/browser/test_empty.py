"""An installation without hosts teaches what to do."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import NewPerson
from tests.browser.program import ADMIN, Demo


def test_every_page_of_an_empty_installation_says_what_to_do(stranger: NewPerson, empty: Demo) -> None:
    at = stranger(empty)
    page = at.sign_in(ADMIN)
    for path in ("/", "/hosts", "/deploy", "/windows"):
        at.open(path)
        expect(page.get_by_role("heading", name="No hosts yet")).to_be_visible()
        for command in ("patch-manager pki issue", "scp ", "curl -X POST"):
            expect(page.get_by_text(command, exact=False)).to_be_visible()
        expect(page.get_by_role("link", name="Root certificate")).to_have_attribute("href", "/api/v1/pki/root.crt")
    page.get_by_role("button", name="Add a host").click()
    expect(page.get_by_role("dialog", name="Add a host")).to_be_visible()
    page.keyboard.press("Escape")
    at.open("/jobs")
    expect(page.get_by_role("heading", name="Nothing was deployed yet")).to_be_visible()
    expect(page.get_by_role("link", name="Deploy patches")).to_be_visible()
    at.open("/jobs?view=failures")
    expect(page.get_by_role("heading", name="No job failed")).to_be_visible()
    at.open("/nowhere")
    expect(page.get_by_role("heading", level=2)).to_be_visible()
