"""Every page, light and dark: no error in the console, nothing against the content security policy, accessible."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPerson
from tests.browser.pages import Person
from tests.browser.program import Demo
from tests.system.host import Failure, Host, Patch

AXE = Path(__file__).resolve().parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = {"serious", "critical"}
# Changes of style become transitions in the next frame; colours halfway through one are nobody's.
_STILL = """async () => {
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  await Promise.allSettled(document.getAnimations()
    .filter((each) => each.effect.getComputedTiming().iterations !== Infinity).map((each) => each.finished));
}"""
COLOUR_RULES = ("color-contrast", "link-in-text-block")


@pytest.fixture(scope="package")
def axe() -> str:
    """The accessibility checker's source; evaluated over the debugger, so that the page's policy stays in force."""
    if not AXE.is_file():
        pytest.fail(f"{AXE} is missing: run `make setup`")
    return AXE.read_text(encoding="utf-8")


@pytest.fixture(scope="package")
def story(demo: Demo) -> dict[str, str]:
    """Ids of something to look at: a host, a deployment that failed, its job, a group."""
    failure = Failure("DEPENDENCY_CONFLICT", "held packages are in the way", 100, "E: Unmet dependencies\n" * 40)
    patches = [Patch("curl", "critical", ("CVE-2026-5001",)), Patch("vim", "low")]
    host = Host(patches, hostname="seen", failures=[failure])
    host_id = demo.managed(host)
    deployment_id = demo.api.deploy(host_id)
    demo.api.wait_deployment(deployment_id)
    job_id = demo.api.get("/jobs", deployment_id=deployment_id)["items"][0]["id"]
    group_id = demo.api.get("/groups")["items"][0]["id"]
    rule = {"name": "Nightly", "kind": "daily", "start_time": "01:00", "duration_minutes": 90, "timezone": "Asia/Tokyo"}
    demo.api.post(f"/hosts/{host_id}/windows", rule, 201)
    freeze = {"group_id": group_id, "starts_at": "2031-02-01T00:00:00Z", "ends_at": "2031-02-03T00:00:00Z"}
    demo.api.post("/freezes", {**freeze, "reason": "stocktaking"}, 201)
    return {"host": host_id, "deployment": deployment_id, "job": job_id, "group": group_id}


PAGES = (
    "/",
    "/?colour=age&by=os",
    "/?colour=job&view=table",
    "/hosts",
    "/hosts?q=nothing-is-called-that",
    "/hosts/{host}",
    "/hosts/{host}?tab=jobs",
    "/deploy",
    "/deploy?q=web-00&is=security&what=chosen",
    "/jobs",
    "/jobs?view=failures",
    "/jobs?view=jobs",
    "/jobs/{deployment}",
    "/jobs/{deployment}?job={job}",
    "/windows",
    "/windows?view=month&day=2031-02-01",
    "/windows?tab=list",
    "/windows?tab=freezes",
    "/hosts/{host}?tab=windows",
    "/groups",
    "/groups/{group}",
    "/settings",
    "/nowhere",
)


def violations(page: Page, axe: str, *rules: str) -> list[str]:
    """What the checker finds grave on the page as it is, one line each; only of ``rules``, when given."""
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(axe)
    page.evaluate(_STILL)
    found: list[dict[str, Any]] = page.evaluate(
        """async (rules) => (await axe.run(document, {
          resultTypes: ["violations"], ...(rules.length ? {runOnly: {type: "rule", values: rules}} : {}),
        })).violations""",
        list(rules),
    )
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:160]}: {node['failureSummary']}"
        for each in found
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]


def violations_in_both_schemes(page: Page, axe: str) -> dict[str, list[str]]:
    """The same in light and dark; what does not depend on colour is looked at once."""
    found: dict[str, list[str]] = {}
    schemes: tuple[tuple[Literal["light", "dark"], tuple[str, ...]], ...] = (("light", ()), ("dark", COLOUR_RULES))
    for scheme, rules in schemes:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", scheme)
        found[scheme] = violations(page, axe, *rules)
    return found


CLEAN: dict[str, list[str]] = {"light": [], "dark": []}


@pytest.mark.parametrize("path", PAGES)
def test_the_page_has_no_grave_accessibility_fault_and_no_error(
    admin: Person, story: dict[str, str], axe: str, path: str
) -> None:
    page = admin.open(path.format(**story))
    assert violations_in_both_schemes(page, axe) == CLEAN


def test_dialogs_and_menus_have_no_grave_accessibility_fault(admin: Person, axe: str) -> None:
    page = admin.open("/hosts?q=web-002")
    page.get_by_role("button", name="Add host").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert violations_in_both_schemes(page, axe) == CLEAN
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page = admin.open("/windows?tab=without&q=web-00")
    page.get_by_role("button", name="Give all").click()
    expect(page.get_by_test_id("next-openings").get_by_role("listitem")).to_have_count(5)
    assert violations_in_both_schemes(page, axe) == CLEAN
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search hosts, pages and actions").fill("web")
    expect(page.get_by_role("option").first).to_be_visible()
    assert violations_in_both_schemes(page, axe) == CLEAN
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Theme").click()
    expect(page.get_by_role("menuitem", name="Dark")).to_be_visible()
    assert violations_in_both_schemes(page, axe) == CLEAN


def test_signing_in_has_no_grave_accessibility_fault(stranger: NewPerson, demo: Demo, axe: str) -> None:
    at = stranger(demo)
    at.page.goto(demo.url)
    expect(at.page.get_by_label("Username")).to_be_visible()
    assert violations_in_both_schemes(at.page, axe) == CLEAN
    at.give_password("looker")
    expect(at.page.get_by_label("Authentication code")).to_be_visible()
    assert violations_in_both_schemes(at.page, axe) == CLEAN


def test_the_theme_can_be_chosen_and_stays(admin: Person) -> None:
    page = admin.open("/hosts")
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("menuitem", name="Dark").click()
    scheme = page.locator("html")
    expect(scheme).to_have_attribute("data-mantine-color-scheme", "dark")
    page.reload()
    expect(scheme).to_have_attribute("data-mantine-color-scheme", "dark")
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("menuitem", name="As the system").click()


@pytest.mark.parametrize(
    "path", ["/", "/hosts", "/hosts/{host}", "/deploy", "/jobs/{deployment}", "/windows", "/groups", "/settings"]
)
def test_no_page_scrolls_sideways(admin: Person, story: dict[str, str], path: str) -> None:
    page = admin.open(path.format(**story))
    for width in (768, 1024, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        excess = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert excess <= 0, f"{excess} px too wide at {width} px"
