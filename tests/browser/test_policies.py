"""Standing policies and exclusions: from empty pages to a host that is patched by itself, and what is left out."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import expect

from tests.browser.pages import Person
from tests.system.host import Host, Patch
from tests.system.manager import eventually


def test_a_package_is_excluded_and_a_policy_patches_the_rest_in_an_open_window(admin: Person) -> None:
    api = admin.demo.api
    host_id = admin.demo.managed(Host([Patch("curl", "high"), Patch("till-driver", "high")], hostname="till-one"))
    page = admin.open("/deploy")
    page.get_by_role("tab", name="Exclusions").click()
    expect(page.get_by_role("heading", name="Nothing is excluded")).to_be_visible()
    page.get_by_role("button", name="New exclusion").click()
    dialog = page.get_by_role("dialog", name="New exclusion")
    dialog.get_by_label("Package").fill("till-*")
    dialog.get_by_role("combobox", name="Where").fill("till-one")
    page.get_by_role("option", name="till-one").click()
    dialog.get_by_label("Owner").fill("Branch team")
    dialog.get_by_label("Reason").fill("the till needs this version")
    dialog.get_by_role("button", name="Exclude").click()
    expect(admin.row("Exclusions", "till-*")).to_contain_text("Branch team")

    page.get_by_role("tab", name="Standing policies").click()
    expect(page.get_by_role("heading", name="Nothing is patched by itself yet")).to_be_visible()
    page.get_by_role("link", name="New policy").click()
    page.get_by_label("Name").fill("Branch nights")
    page.get_by_role("button", name="Choose hosts…").click()
    dialog = page.get_by_role("dialog", name="Hosts of the policy")
    dialog.get_by_label("Search hosts").fill("till-one")
    admin.row("Hosts to choose", "till-one").get_by_role("checkbox").click()
    dialog.get_by_role("button", name="Take 1 host").click()
    preview = page.get_by_test_id("policy-preview")
    expect(preview).to_contain_text("1 host, 0 with a window")
    expect(preview).to_contain_text("Now it would apply 1 package, leave out 1, and reboot none.")
    expect(preview).to_contain_text("It never starts on till-one")
    page.get_by_role("button", name="Create policy").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Branch nights")
    expect(page.get_by_text("None: no window of its hosts opens again.")).to_be_visible()

    window = {"kind": "daily", "start_time": "00:00", "duration_minutes": 1440, "timezone": "UTC", "name": "always"}
    api.post(f"/hosts/{host_id}/windows", window, 201)

    def ended() -> Any:
        jobs = api.get(f"/hosts/{host_id}/jobs")["items"]
        return next((job for job in jobs if job["finished_at"] is not None), None)

    job = eventually("the policy patched its host", ended, 90)
    assert {package["name"]: package["result"] for package in job["packages"]} == {
        "curl": "updated",
        "till-driver": "excluded",
    }
    admin.open(page.url.removeprefix(admin.demo.url))
    expect(page.get_by_text("1 of 1 host succeeded")).to_be_visible()
    admin.open(f"/hosts/{host_id}")
    expect(page.get_by_text("by Branch team: the till needs this version")).to_be_visible()
    admin.open(f"/hosts/{host_id}?tab=jobs&job={job['id']}")
    expect(page.get_by_test_id("job-detail").get_by_role("row", name=re.compile("^till-driver"))).to_be_visible()
    told = page.get_by_test_id("job-detail").get_by_role("row", name="by Branch team: the till needs this version")
    expect(told).to_be_visible()

    admin.open("/deploy/policies")
    admin.row("Standing policies", "Branch nights").get_by_role("link", name="Branch nights").click()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog", name="Delete Branch nights?").get_by_role("button", name="Delete policy").click()
    expect(page.get_by_role("heading", name="Nothing is patched by itself yet")).to_be_visible()
