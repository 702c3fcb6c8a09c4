"""The dashboard: what it says, the fleet map by mouse, keyboard and as a table, and that it is live."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import HOSTS
from tests.browser.pages import Person
from tests.browser.program import Demo
from tests.system.host import Host, Patch


def test_the_first_line_says_what_is_wrong_and_leads_to_those_hosts(admin: Person) -> None:
    page = admin.open()
    degraded = page.get_by_test_id("first-line").get_by_role("link", name=re.compile(r"^\d+ hosts? degraded$"))
    number = int(degraded.inner_text().split()[0])
    degraded.click()
    expect(page).to_have_url(admin.demo.url + "/hosts?health=degraded")
    expect(admin.rows("Hosts")).to_have_count(number)
    expect(admin.row("Hosts", "web-009")).to_contain_text("refused")


def test_the_fleet_map_shows_every_host(admin: Person) -> None:
    page = admin.open()
    hosts = admin.demo.api.get("/fleet")["totals"]["hosts"]
    assert hosts >= HOSTS
    expect(page.get_by_role("listbox", name=re.compile(rf"^Fleet map, {hosts} hosts\."))).to_be_visible()
    drawn = page.evaluate(
        """() => {
          const canvas = document.querySelector('[data-testid="fleet-map"] canvas');
          const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          const colours = new Set();
          for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255)
            colours.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
          return colours.size;
        }"""
    )
    assert drawn >= 2  # healthy and degraded cells at least


def test_the_map_as_a_table_has_the_same_numbers(admin: Person) -> None:
    page = admin.open("/?view=table")
    table = page.get_by_role("table", name="Fleet map in numbers")
    expect(table.get_by_role("rowheader")).to_contain_text(["build", "db", "edge", "web"])
    rows = [[cell.inner_text() for cell in row.get_by_role("cell").all()] for row in table.get_by_role("row").all()]
    numbers = [[int(text.replace(",", "")) for text in row] for row in rows if row]
    totals = admin.demo.api.get("/fleet")["totals"]
    assert sum(row[0] for row in numbers) == totals["hosts"]
    assert all(row[0] == sum(row[1:]) for row in numbers)


def test_the_keyboard_leads_from_the_map_to_a_host(admin: Person) -> None:
    page = admin.open()
    fleet_map = page.get_by_test_id("fleet-map")
    for _ in range(60):
        page.keyboard.press("Tab")
        if fleet_map.evaluate("(map) => map === document.activeElement"):
            break
    else:
        pytest.fail("Tab never reaches the fleet map")
    page.keyboard.press("ArrowRight")
    option = fleet_map.get_by_role("option")
    expect(option).to_have_attribute("aria-posinset", "2")
    name = option.inner_text().split(",")[0]
    expect(page.get_by_test_id("map-card")).to_contain_text(name)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def test_the_keyboard_selects_on_the_map_and_enter_deploys(admin: Person) -> None:
    page = admin.open()
    page.get_by_test_id("fleet-map").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.get_by_text("2 hosts selected")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Deploy")
    expect(page.get_by_text("2 hosts", exact=False).first).to_be_visible()


def test_dragging_over_the_map_selects_and_a_click_opens(admin: Person) -> None:
    page = admin.open()
    box = page.get_by_test_id("fleet-map").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2, steps=4)
    page.mouse.up()
    hosts = admin.demo.api.get("/fleet")["totals"]["hosts"]
    expect(page.get_by_text(f"{hosts} hosts selected")).to_be_visible()
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_text("hosts selected")).to_have_count(0)


def test_the_legend_selects_hosts_by_their_look(admin: Person) -> None:
    page = admin.open()
    key = page.get_by_role("group", name="Select hosts by look").get_by_role("button", name="Degraded")
    number = int(re.sub(r"\D", "", key.inner_text()))
    key.click()
    words = f"{number} host{'' if number == 1 else 's'} selected"
    expect(page.get_by_text(words)).to_be_visible()


def test_a_change_on_a_host_reaches_the_page_without_a_reload(admin: Person) -> None:
    host = Host(patches=[Patch("openssl")], hostname="changing")
    host_id = admin.demo.managed(host)
    page = admin.open(f"/hosts/{host_id}")
    page.evaluate("window.notReloaded = true")
    expect(admin.row("Pending patches", "openssl")).to_be_visible()
    host.add(Patch("linux-image", "critical", ("CVE-2026-1000",), reboot=True))
    admin.demo.api.post(f"/hosts/{host_id}/refresh", status=200)
    expect(admin.row("Pending patches", "linux-image")).to_contain_text("CVE-2026-1000")
    expect(page.get_by_test_id("host-facts")).to_contain_text("2, 1 security")
    assert page.evaluate("window.notReloaded")


def test_the_totals_of_the_dashboard_follow_the_fleet(admin: Person) -> None:
    page = admin.open()
    line = page.get_by_test_id("first-line")
    before = admin.demo.api.get("/fleet")["totals"]["hosts"]
    expect(line).to_contain_text(f"{before} hosts")
    admin.demo.managed(Host(hostname="appearing"))
    expect(line).to_contain_text(f"{before + 1} hosts")
    expect(page.get_by_role("listbox", name=re.compile(rf"^Fleet map, {before + 1} hosts"))).to_be_visible()


def test_the_root_certificate_can_be_downloaded(admin: Person, demo: Demo) -> None:
    page = admin.open()
    with page.expect_download() as started:
        page.get_by_test_id("root-certificate").click()
    text = started.value.path().read_text()
    assert text == (demo.directory / "data" / "pki" / "root.pem").read_text()
