"""Maintenance windows in the browser: made with their next openings shown, given to many hosts, drawn on a calendar."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.pages import Person
from tests.system.host import Host, Patch


def test_a_window_is_previewed_as_it_is_typed_and_given_to_many_hosts_at_once(admin: Person) -> None:
    hosts = [admin.demo.managed(Host(hostname=f"windowless-{number}")) for number in (1, 2)]
    page = admin.open("/windows?tab=without&q=windowless")
    expect(admin.rows("Hosts without a window")).to_have_count(2)
    page.get_by_role("button", name="Give all 2 hosts a window").click()
    editor = page.get_by_role("dialog", name="New window for 2 hosts")
    editor.get_by_label("Name").fill("Clocks change")
    editor.get_by_text("Monthly", exact=True).click()
    editor.get_by_role("combobox", name="Which one of the month").click()
    page.get_by_role("option", name="last", exact=True).click()
    editor.get_by_role("combobox", name="Weekday").click()
    page.get_by_role("option", name="Sunday").click()
    editor.get_by_label("Opens at").fill("2:30")
    zone = editor.get_by_role("combobox", name="Time zone")
    zone.fill("Berlin")
    page.get_by_role("option", name="Europe/Berlin").click()
    expect(editor.get_by_test_id("rule-words")).to_have_text("On the last Sunday of the month at 02:30")
    editor.get_by_role("button", name="Give it to 2 hosts").click()
    question = page.get_by_role("dialog", name="Give 2 hosts this window?")
    expect(question).to_contain_text("On the last Sunday of the month at 02:30, open for 3 h, Europe/Berlin.")
    question.get_by_role("button", name="Give it to 2 hosts").click()
    expect(page.get_by_text("2 hosts have a window.")).to_be_visible()
    for host in hosts:
        (window,) = admin.demo.api.get(f"/hosts/{host}/windows")["items"]
        assert (window["nth_weekday"], window["start_time"]) == ({"n": "last", "weekday": 6}, "02:30")

    admin.open(f"/hosts/{hosts[0]}?tab=windows")
    admin.row("Windows of the host", "Clocks change").click()
    openings = page.get_by_role("dialog").get_by_test_id("next-openings")
    expect(openings.get_by_role("listitem")).to_have_count(5)
    page.get_by_role("button", name="Cancel").click()
    # The last Sundays of March and October are the nights on which clocks change there.
    preview = {"kind": "monthly", "nth_weekday": {"n": "last", "weekday": 6}, "start_time": "02:30"}
    length = {"duration_minutes": 180, "timezone": "Europe/Berlin", "count": 12}
    year = admin.demo.api.post("/windows/preview", {**preview, **length}, 200)["items"]
    spring = next(each for each in year if each["opens_at"][5:7] == "03")
    assert spring["opens_at"].endswith("T01:00:00Z")


def test_the_calendar_groups_hosts_that_open_together_and_shows_what_a_freeze_holds(admin: Person) -> None:
    api = admin.demo.api
    first, second = (admin.demo.managed(Host(hostname=f"shared-{number}")) for number in (1, 2))
    once = {"kind": "once", "starts_at": "2031-07-09T10:00", "timezone": "Europe/Berlin", "duration_minutes": 120}
    made = api.post(f"/hosts/{first}/windows", {**once, "name": "Long planned"}, 201)
    api.post(f"/windows/{made['id']}/copy", {"host_ids": [second]}, 201)
    freeze = {"starts_at": "2031-07-09T06:00:00Z", "ends_at": "2031-07-09T12:00:00Z", "reason": "half-year end"}
    frozen = api.post("/freezes", freeze, 201)
    page = admin.open("/windows?day=2031-07-09&zone=Asia/Tokyo")
    block = page.get_by_role("button", name=re.compile("^2 hosts.*frozen: half-year end.*17:00–19:00.*Long planned"))
    expect(block).to_be_visible()
    expect(page.get_by_text("1 opening in a freeze")).to_be_visible()
    block.click()
    expect(admin.rows("Hosts of the opening")).to_have_count(2)
    expect(admin.row("Hosts of the opening", "shared-1")).to_contain_text("half-year end")
    expect(admin.row("Hosts of the opening", "shared-1")).to_contain_text("Wed, 9 Jul 2031, 10:00")
    page.get_by_role("button", name="Close").click()

    admin.open("/windows?tab=freezes")
    admin.row("Freezes", "half-year end").get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove it").click()
    expect(admin.row("Freezes", "half-year end")).to_have_count(0)
    assert frozen["id"] not in {row["id"] for row in api.get("/freezes", past="true")["items"]}
    admin.open("/windows?day=2031-07-09&zone=Asia/Tokyo&view=month")
    expect(page.get_by_role("button", name=re.compile("^17:00 ?2 hosts$"))).to_be_visible()


def test_a_deployment_goes_in_rings_and_offers_a_window_to_who_has_none(admin: Person) -> None:
    hosts = [Host([Patch("openssl", "critical", ("CVE-2026-7001",))], hostname=f"ringed-{n}") for n in (1, 2, 3)]
    ids = [admin.demo.managed(host) for host in hosts]
    page = admin.open("/deploy?q=ringed-&what=security&when=window&rings=1&soak=60&stop=0")
    expect(page.get_by_test_id("plan-words")).to_have_text("3 updates on 3 hosts close 1 CVE; no host reboots.")
    page.get_by_role("button", name="Give the 3 hosts a window").click()
    editor = page.get_by_role("dialog", name="New window for 3 hosts")
    editor.get_by_text("Daily", exact=True).click()
    editor.get_by_label("Opens at").fill("00:00")
    editor.get_by_label("Hours open").fill("24")
    editor.get_by_label("Cutoff in minutes").fill("0")
    editor.get_by_role("button", name="Give it to 3 hosts").click()
    page.get_by_role("dialog").get_by_role("button", name="Give it to 3 hosts").click()
    expect(page.get_by_role("button", name="Give the 3 hosts a window")).to_have_count(0)
    button = page.get_by_test_id("deploy-button")
    expect(button).to_be_enabled()
    button.click()
    question = page.get_by_role("dialog", name="Deploy to 3 hosts?")
    expect(question).to_contain_text("each in its own maintenance window")
    expect(question).to_contain_text("In rings: canary (1 host) and rest (2 hosts), 1 h after each.")
    expect(question).to_contain_text("Nothing more starts at the first failure.")
    question.get_by_role("button", name="Deploy to 3 hosts").dblclick()

    rings = page.get_by_test_id("rings")
    expect(rings.get_by_role("listitem").nth(0)).to_contain_text("soaking", timeout=45_000)
    expect(rings.get_by_role("listitem").nth(1)).to_contain_text("waiting")
    assert sum(not host.patches for host in hosts) == 1
    page.get_by_role("button", name="Start rest now").click()
    page.get_by_role("dialog").get_by_role("button", name="Start it on 2 hosts").click()
    expect(page.get_by_test_id("deployment-words")).to_have_text("3 of 3 hosts succeeded", timeout=45_000)
    expect(admin.rows("Jobs")).to_have_count(3)
    assert admin.demo.api.get("/jobs", host_id=ids[0])["total"] == 1, "a double click makes one deployment"


def test_now_says_how_many_hosts_are_outside_of_their_windows(admin: Person) -> None:
    admin.demo.managed(Host([Patch("curl", "high")], hostname="hurried"))
    page = admin.open("/deploy?q=hurried&what=all")
    expect(page.get_by_test_id("outside-windows")).to_contain_text("1 host is outside of its maintenance window")
    button = page.get_by_test_id("deploy-button")
    expect(button).to_be_enabled()
    button.click()
    question = page.get_by_role("dialog", name="Deploy to 1 host?")
    expect(question).to_contain_text("1 host is outside of its maintenance window and will be touched all the same")
    question.get_by_role("button", name="Cancel").click()
