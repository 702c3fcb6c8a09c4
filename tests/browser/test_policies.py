"""Standing policies and exclusions: from an empty page to a fleet that is patched by itself, and what is kept out."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.browser.pages import Person
from tests.browser.program import Demo
from tests.system.manager import eventually


def _is_waiting(row: dict[str, Any]) -> bool:
    return bool(row["display_name"].startswith("edge") and row["health"] == "healthy" and row["pending_patches"] > 1)


def _succeeded(demo: Demo, host_id: str) -> Any:
    jobs = demo.api.get(f"/hosts/{host_id}/jobs")["items"]
    return next((job for job in jobs if job["when"] == "window" and job["state"] == "succeeded"), None)


def _window_now(demo: Demo, host_id: str) -> None:
    window = {"kind": "daily", "start_time": "00:00", "duration_minutes": 1440, "timezone": "UTC", "name": "always"}
    assert demo.api.http.post(f"/hosts/{host_id}/windows", json=window).status_code == 201


def test_a_package_is_excluded_and_a_policy_patches_the_rest_in_an_open_window(admin: Person, demo: Demo) -> None:
    host = next(row for row in demo.api.get("/fleet")["hosts"] if _is_waiting(row))
    name = host["display_name"]
    pending = [patch["name"] for patch in demo.api.get(f"/hosts/{host['id']}/patches")["items"]]
    page = admin.open("/deploy")
    page.get_by_role("tab", name="Exclusions").click()
    expect(page.get_by_role("heading", name="Nothing is excluded")).to_be_visible()
    page.get_by_role("button", name="New exclusion").click()
    dialog = page.get_by_role("dialog", name="New exclusion")
    dialog.get_by_label("Package").fill(pending[0])
    dialog.get_by_role("combobox", name="Where").fill(name)
    page.get_by_role("option", name=name).click()
    dialog.get_by_label("Owner").fill("Branch team")
    dialog.get_by_label("Reason").fill("the till needs this version")
    dialog.get_by_role("button", name="Exclude").click()
    expect(admin.row("Exclusions", pending[0])).to_contain_text("Branch team")
    page.get_by_role("tab", name="Standing policies").click()
    expect(page.get_by_role("heading", name="Nothing is patched by itself yet")).to_be_visible()
    page.get_by_role("link", name="New policy").click()
    page.get_by_label("Name").fill("Branch nights")
    page.get_by_role("button", name="Choose hosts…").click()
    dialog = page.get_by_role("dialog", name="Hosts of the policy")
    dialog.get_by_label("Search hosts").fill(name)
    admin.row("Hosts to choose", name).get_by_role("checkbox").click()
    dialog.get_by_role("button", name="Take 1 host").click()
    page.get_by_label("All that is pending").check()
    preview = page.get_by_test_id("policy-preview")
    expect(preview).to_contain_text("1 host, 0 with a window")
    expect(preview).to_contain_text(f"It never starts on {name}")
    page.get_by_role("button", name="Create policy").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Branch nights")
    expect(page.get_by_text("None: no window of its hosts opens again.")).to_be_visible()
    _window_now(demo, host["id"])
    job = eventually("the policy patched its host", lambda: _succeeded(demo, host["id"]), 90)
    admin.open(page.url.removeprefix(demo.url))
    expect(page.get_by_text("1 of 1 host succeeded")).to_be_visible()
    results = {package["name"]: package["result"] for package in job["packages"]}
    assert results[pending[0]] == "excluded"
    assert {result for name, result in results.items() if name != pending[0]} <= {"updated"}
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog", name="Delete Branch nights?").get_by_role("button", name="Delete policy").click()
    expect(page.get_by_role("heading", name="Nothing is patched by itself yet")).to_be_visible()
