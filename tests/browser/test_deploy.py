"""Deploying: preview, one confirm in numbers, progress, results, and what failed and why."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.pages import Person
from tests.system.host import Failure, Host, Patch

FAILURE = Failure("DEPENDENCY_CONFLICT", "held packages are in the way", 100, "E: Unmet <b>dependencies</b>")


def _choose(at: Person, *names: str) -> Page:
    """The deploy page with these hosts ticked in its list."""
    page = at.open("/deploy")
    search = page.get_by_label("Search hosts")
    for name in names:
        search.fill(name)
        at.row("Hosts to deploy to", name).get_by_role("checkbox").click()
    search.fill("")
    return page


def _confirm(page: Page) -> Locator:
    button = page.get_by_test_id("deploy-button")
    expect(button).to_be_enabled()
    button.click()
    return page.get_by_role("dialog", name=re.compile("^Deploy to"))


def test_a_deployment_is_previewed_confirmed_in_numbers_and_followed_to_its_end(admin: Person) -> None:
    openssl = Patch("openssl", "critical", ("CVE-2026-4001",))
    kernel = Patch("linux-image", "high", ("CVE-2026-4002",), reboot=True)
    admin.demo.managed(Host([openssl, Patch("vim", "low")], hostname="deploy-one"))
    admin.demo.managed(Host([openssl, kernel], hostname="deploy-two", away_seconds=0.5))
    page = _choose(admin, "deploy-one", "deploy-two")
    words = page.get_by_test_id("plan-words")
    expect(words).to_have_text("3 updates on 2 hosts close 2 CVEs; no host reboots.")
    page.get_by_role("radio", name="Everything pending").click()
    expect(words).to_have_text("4 updates on 2 hosts close 2 CVEs; no host reboots.")
    page.get_by_role("radio", name="Reboot if required").click()
    expect(words).to_have_text("4 updates on 2 hosts close 2 CVEs; 1 host reboots.")
    expect(admin.row("Preview", "deploy-two")).to_contain_text("reboots")

    question = _confirm(page)
    expect(question).to_contain_text("4 updates on 2 hosts")
    expect(question).to_contain_text("deploy-one and deploy-two")
    expect(question).to_contain_text("1 host reboots: deploy-two.")
    question.get_by_role("button", name="Deploy to 2 hosts").click()

    progress = page.get_by_test_id("deployment-words")
    expect(progress).to_contain_text("of 2 hosts succeeded")
    expect(progress).to_have_text("2 of 2 hosts succeeded", timeout=45_000)
    admin.row("Jobs", "deploy-two").click()
    detail = page.get_by_test_id("job-detail")
    expect(detail.get_by_role("row", name=re.compile("^openssl"))).to_contain_text("updated")
    expect(detail.get_by_role("row", name=re.compile("^linux-image"))).to_contain_text("updated")
    expect(detail).to_contain_text("rebooting")


def test_a_failing_host_shows_code_exit_status_and_output_and_is_gathered_by_cause(admin: Person) -> None:
    host = Host([Patch("curl", "high", ("CVE-2026-4003",))], hostname="failing", failures=[FAILURE])
    admin.demo.managed(host)
    admin.demo.managed(Host([Patch("curl", "high", ("CVE-2026-4003",))], hostname="working"))
    page = _choose(admin, "failing", "working")
    _confirm(page).get_by_role("button", name="Deploy to 2 hosts").click()
    expect(page.get_by_test_id("deployment-words")).to_have_text("1 of 2 hosts succeeded, 1 failed", timeout=45_000)
    cause = page.get_by_test_id("failure-cause")
    expect(cause).to_have_count(1)
    expect(cause).to_contain_text("DEPENDENCY_CONFLICT")
    expect(cause).to_contain_text("1 host")
    cause.get_by_role("link", name="failing").click()
    detail = page.get_by_test_id("job-detail")
    for text in ("DEPENDENCY_CONFLICT", "Exit status", "100"):
        expect(detail).to_contain_text(text)
    expect(detail.get_by_role("region", name="stderr of attempt 1")).to_have_text("E: Unmet <b>dependencies</b>")
    page.get_by_role("button", name="Close").click()

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Jobs").click()
    page.get_by_role("tab", name="Failures by cause").click()
    expect(page.get_by_test_id("failure-cause").filter(has_text="DEPENDENCY_CONFLICT")).to_contain_text("failing")
    admin.open()
    expect(page.get_by_role("link", name="failing").first).to_be_visible()


def test_packages_chosen_on_a_host_are_the_only_ones_deployed(admin: Person) -> None:
    host = Host([Patch("bash", "medium"), Patch("zlib", "high")], hostname="choosy")
    host_id = admin.demo.managed(host)
    page = admin.open(f"/hosts/{host_id}")
    admin.row("Pending patches", "bash").get_by_role("checkbox").click()
    page.get_by_role("button", name="Deploy 1 package").click()
    expect(page.get_by_test_id("plan-words")).to_have_text("1 update on 1 host; no host reboots.")
    _confirm(page).get_by_role("button", name="Deploy to 1 host").click()
    expect(page.get_by_test_id("deployment-words")).to_have_text("1 of 1 host succeeded", timeout=45_000)
    assert [patch.name for patch in host.patches] == ["zlib"]


def test_a_large_deployment_asks_for_its_number_and_cancelling_sends_nothing(admin: Person) -> None:
    before = admin.demo.api.get("/deployments")["total"]
    page = admin.open("/deploy?is=security&what=all&reboot=if_required")
    expect(page.get_by_test_id("plan-words")).to_contain_text(re.compile(r"\d+ hosts reboot\."))
    question = _confirm(page)
    button = question.get_by_role("button", name=re.compile("^Deploy to"))
    expect(button).to_be_disabled()
    field = question.get_by_role("textbox")
    field.fill("1")
    expect(button).to_be_disabled()
    number = re.findall(r"\d+", button.inner_text())[0]
    field.fill(number)
    expect(button).to_be_enabled()
    question.get_by_role("button", name="Cancel").click()
    assert admin.demo.api.get("/deployments")["total"] == before
