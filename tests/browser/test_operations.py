"""What can be done to one host from its page: hold it, reboot it, undo what a job did."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.pages import Person
from tests.system.host import Host, Patch


def test_a_host_is_held_rebooted_in_its_window_and_rolled_back(admin: Person) -> None:
    demo = admin.demo
    host = Host([Patch("openssl", "critical", current="3.0-1", available="3.0-2")], hostname="operated")
    group_id = demo.api.post("/groups", {"name": "operated"}, 201)["id"]
    host_id = demo.managed(host, group_ids=[group_id])
    deployment = demo.api.deploy(host_id)
    page = admin.open(f"/hosts/{host_id}")

    def choose(item: str) -> None:
        page.get_by_role("button", name="More").click()
        page.get_by_role("menuitem", name=item).click()

    choose("Hold reboots…")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("database primary")
    dialog.get_by_role("button", name="Hold", exact=True).click()
    expect(page.get_by_text("This host is on hold: no job reboots it")).to_be_visible()
    expect(page.get_by_test_id("host-facts")).to_contain_text("on hold")
    choose("Reboot…")
    expect(dialog).to_contain_text("database primary")
    expect(dialog.get_by_role("button", name="Reboot now")).to_be_disabled()
    page.keyboard.press("Escape")
    choose("Lift the reboot hold…")
    dialog.get_by_role("button", name="Lift the hold").click()
    expect(page.get_by_text("This host is on hold: no job reboots it")).to_have_count(0)

    assert demo.api.wait_deployment(deployment)["state"] == "succeeded"
    choose("Reboot…")
    dialog.get_by_label("In the host's next maintenance window").check()
    dialog.get_by_role("button", name="Reboot in the window").click()
    detail = page.get_by_test_id("job-detail")
    expect(detail).to_contain_text("this host has no maintenance window yet")
    page.get_by_role("button", name="Cancel this job").click()
    expect(detail).to_contain_text(re.compile("cancelled by", re.IGNORECASE))
    assert host.reboots == 0

    freeze = {"group_id": group_id, "ends_at": "2031-01-01T00:00:00Z", "reason": "stocktaking"}
    frozen = demo.api.post("/freezes", freeze, 201)["id"]
    (job,) = demo.api.jobs(deployment).values()
    admin.open(f"/hosts/{host_id}?tab=jobs&job={job['id']}")
    page.get_by_role("button", name="Roll back…").click()
    preview = page.get_by_role("dialog", name="Roll back the patching on operated?")
    expect(preview.get_by_role("row", name=re.compile("openssl"))).to_contain_text("3.0-2 → 3.0-1")
    expect(preview).to_contain_text("A freeze holds this host: stocktaking")
    preview.get_by_label("override the freeze").check()
    preview.get_by_role("button", name="Roll back").click()
    expect(detail).to_contain_text("rollback")
    expect(detail).to_contain_text("undoes this job")
    (undoing,) = (row["id"] for row in demo.api.get("/jobs", host_id=host_id)["items"] if row["rollback_of"])
    assert demo.api.wait_job(undoing)["state"] in ("succeeded", "failed")  # it did not wait for the freeze's end
    assert demo.api.http.delete(f"/freezes/{frozen}").status_code == 204
