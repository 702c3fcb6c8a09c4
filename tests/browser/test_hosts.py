"""The host list: search, chips and order in the address, selection, adding and removing."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import HOSTS
from tests.browser.pages import Person
from tests.system.host import Host, Patch


def test_search_narrows_the_list_and_is_in_the_address(admin: Person) -> None:
    page = admin.open("/hosts")
    expect(admin.rows("Hosts").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("web-00")
    expect(page.get_by_label("Search hosts")).to_have_value("web-00")
    expect(admin.rows("Hosts")).to_have_count(9)
    expect(page).to_have_url(admin.demo.url + "/hosts?q=web-00")
    page.reload()
    expect(admin.rows("Hosts")).to_have_count(9)
    expect(page.get_by_label("Search hosts")).to_have_value("web-00")
    page.get_by_role("button", name="Clear search").click()
    expect(page).to_have_url(admin.demo.url + "/hosts")


def test_chips_count_what_they_would_show_and_live_in_the_address(admin: Person) -> None:
    page = admin.open("/hosts?q=edge-0")
    chip = page.get_by_role("button", name=re.compile(r"^Nothing pending [1-9]"))
    expect(chip).to_be_visible()
    number = int(re.sub(r"\D", "", chip.inner_text()))
    assert 0 < number < HOSTS
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")
    expect(admin.rows("Hosts")).to_have_count(number)
    expect(page).to_have_url(admin.demo.url + "/hosts?q=edge-0&is=compliant")
    page.get_by_role("button", name="Clear filters").click()
    expect(page).to_have_url(admin.demo.url + "/hosts")


def test_a_column_head_sorts_both_ways_and_the_order_is_in_the_address(admin: Person) -> None:
    page = admin.open("/hosts?q=db-0&health=healthy")
    head = page.get_by_role("columnheader", name="Host", exact=True)
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    expect(admin.rows("Hosts").first).to_contain_text("db-001")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    expect(admin.rows("Hosts").first).to_contain_text("db-020")
    expect(page).to_have_url(re.compile("sort=name(:|%3A)desc"))


def test_j_k_and_x_select_rows_and_the_bulk_action_takes_them_along(admin: Person) -> None:
    page = admin.open("/hosts?q=build-0&sort=name")
    expect(admin.rows("Hosts")).to_have_count(HOSTS // 4)
    for key in ("j", "x", "j", "j", "k", "x"):
        page.keyboard.press(key)
    expect(page.get_by_text("2 selected")).to_be_visible()
    selected = admin.rows("Hosts").and_(page.locator('[aria-selected="true"]'))
    expect(selected).to_have_count(2)
    expect(selected.first).to_contain_text("build-001")
    expect(selected.last).to_contain_text("build-002")
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Deploy")
    expect(page.get_by_text("(build-001 and build-002)")).to_be_visible()


def test_the_selection_survives_in_a_link(admin: Person) -> None:
    page = admin.open("/hosts?q=build-001")
    admin.row("Hosts", "build-001").get_by_role("checkbox").click()
    expect(page).to_have_url(re.compile("#hosts=[0-9a-f]{6,}$"))
    page.reload()
    expect(page.get_by_text("1 selected")).to_be_visible()


def test_columns_can_be_chosen_and_are_in_the_address(admin: Person) -> None:
    page = admin.open("/hosts?q=web-002")
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("checkbox", name="Kernel").click()
    expect(page.get_by_role("columnheader", name="Kernel")).to_be_visible()
    expect(page).to_have_url(re.compile("columns="))


def test_an_address_that_cannot_be_used_is_explained_at_its_field(admin: Person) -> None:
    admin.refused.update({400, 409, 422})
    page = admin.open("/hosts")
    page.get_by_role("button", name="Add host").click()
    dialog = page.get_by_role("dialog", name="Add a host")
    address = dialog.get_by_label("Address")
    address.fill("not an address")
    dialog.get_by_role("button", name="Add host").click()
    expect(address).to_have_attribute("aria-invalid", "true")
    expect(dialog.get_by_text("not an IPv4 or IPv6 address", exact=True)).to_be_visible()
    address.fill("127.16.0.1")  # the demo's first host
    dialog.get_by_role("button", name="Add host").click()
    expect(dialog.get_by_text(re.compile("already", re.IGNORECASE)).first).to_be_visible()


def test_a_host_is_added_polled_and_removed_again(admin: Person) -> None:
    host = Host(patches=[Patch("curl", "high", ("CVE-2026-2000",))], hostname="by-hand")
    agent = admin.demo.agent(host)
    page = admin.open("/hosts")
    page.get_by_role("button", name="Add host").click()
    dialog = page.get_by_role("dialog", name="Add a host")
    dialog.get_by_label("Address").fill(agent.address)
    dialog.get_by_label("Name").fill("by-hand")
    dialog.get_by_role("button", name="Add host").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("by-hand")
    expect(page.get_by_test_id("host-health")).to_contain_text("Healthy")
    expect(admin.row("Pending patches", "curl")).to_contain_text("CVE-2026-2000")

    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Remove…").click()
    question = page.get_by_role("dialog", name="Remove by-hand?")
    expect(question).to_contain_text("Nothing changes on the machines themselves")
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_have_count(0)
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Remove…").click()
    question.get_by_role("button", name="Remove by-hand").click()
    expect(page).to_have_url(re.compile(r"/hosts$"))
    page.get_by_label("Search hosts").fill("by-hand")
    expect(page.get_by_text("No host matches.", exact=False)).to_be_visible()


def test_a_host_removed_by_somebody_else_leaves_the_list_by_itself(admin: Person) -> None:
    host_id = admin.demo.managed(Host(hostname="vanishing"))
    admin.open("/hosts?q=vanishing")
    expect(admin.rows("Hosts")).to_have_count(1)
    assert admin.demo.api.http.delete(f"/hosts/{host_id}").status_code == 204
    expect(admin.rows("Hosts")).to_have_count(0)
