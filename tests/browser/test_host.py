"""One host's page: facts, patches with their reasons, refresh, and what the actor does in words."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.pages import Person
from tests.system.host import Host, Patch

MARKUP = "<img src=x onerror=window.pwned=1>"


def test_a_host_page_tells_facts_and_patches_with_cve_priority_and_reason(admin: Person) -> None:
    patches = [
        Patch("libfoo", "low"),
        Patch("openssl", "critical", ("CVE-2026-3001", "CVE-2026-3002"), reboot=True, available="3.0-2"),
    ]
    host_id = admin.demo.managed(Host(patches, hostname="telling", kernel="6.1.0-99-amd64"))
    page = admin.open(f"/hosts/{host_id}")
    facts = page.get_by_test_id("host-facts")
    for text in ("Debian 12", "6.1.0-99-amd64", "x86_64", "2.5.5", "2, 1 security"):
        expect(facts).to_contain_text(text)
    first = admin.rows("Pending patches").first
    expect(first).to_contain_text("openssl")
    expect(first).to_contain_text("critical")
    expect(first).to_contain_text("1.0-1 → 3.0-2")
    expect(first.get_by_role("link", name="CVE-2026-3001")).to_have_attribute("href", re.compile("CVE-2026-3001"))
    patch = admin.demo.api.get(f"/hosts/{host_id}/patches")["items"][0]
    expect(first).to_contain_text(str(patch["priority"]))
    assert patch["priority_reason"]
    expect(first).to_contain_text(patch["priority_reason"])
    expect(admin.rows("Pending patches").last).to_contain_text("libfoo")


def test_refresh_asks_the_host_at_once(admin: Person) -> None:
    host = Host(hostname="refreshed")
    host_id = admin.demo.managed(host)
    page = admin.open(f"/hosts/{host_id}")
    expect(page.get_by_text("Nothing is pending.", exact=False)).to_be_visible()
    host.add(Patch("bash", "medium"))
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_text("Asked refreshed.")).to_be_visible()
    expect(admin.row("Pending patches", "bash")).to_be_visible()


def test_an_unreachable_host_says_why_and_when_it_is_tried_again(admin: Person) -> None:
    page = admin.open("/hosts?q=web-009")
    admin.row("Hosts", "web-009").get_by_role("link", name="web-009").click()
    expect(page.get_by_test_id("host-health")).to_contain_text(re.compile("refused", re.IGNORECASE))
    expect(page.get_by_test_id("host-activity")).to_contain_text(re.compile("next try|now", re.IGNORECASE))


def test_an_unknown_host_is_explained(admin: Person) -> None:
    page = admin.open("/hosts/00000000-0000-0000-0000-000000000000")
    expect(page.get_by_role("heading", name="No such host")).to_be_visible()
    expect(page.get_by_role("link", name="All hosts")).to_be_visible()


def test_markup_in_names_and_in_what_agents_say_is_shown_as_text(admin: Person) -> None:
    patches = [Patch("curl", "high", available=MARKUP)]
    host = Host(patches, hostname=MARKUP, os=MARKUP, kernel=MARKUP, version=MARKUP)
    agent = admin.demo.agent(host)
    host_id = admin.demo.api.post("/hosts", {"address": agent.address, "display_name": MARKUP}, 201)["id"]
    admin.demo.api.wait_health(host_id)
    page = admin.open("/hosts?q=onerror")
    expect(admin.rows("Hosts")).to_have_count(1)
    expect(admin.rows("Hosts").first.get_by_role("link")).to_have_text(MARKUP)
    admin.open(f"/hosts/{host_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text(MARKUP)
    expect(page.get_by_test_id("host-facts")).to_contain_text(MARKUP)
    expect(admin.row("Pending patches", "curl")).to_contain_text(MARKUP)
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("onerror")
    expect(page.get_by_role("option").filter(has_text=MARKUP)).to_be_visible()
    page.keyboard.press("Escape")
    admin.open("/?by=os")
    page.get_by_test_id("fleet-map").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("window.pwned") is None
    assert page.locator("img[src=x]").count() == 0
    admin.demo.api.http.delete(f"/hosts/{host_id}")
