"""Groups: making one, adding hosts, and that operators of another see nothing of it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import HOSTS, NewPerson
from tests.browser.pages import Person
from tests.browser.program import Demo


def test_a_group_is_made_and_given_hosts(admin: Person) -> None:
    page = admin.open("/groups")
    page.get_by_role("button", name="New group").click()
    dialog = page.get_by_role("dialog", name="New group")
    dialog.get_by_label("Name").fill("Canaries")
    dialog.get_by_label("Description").fill("First to get anything")
    dialog.get_by_role("button", name="Create group").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Canaries")
    page.get_by_role("button", name="Add hosts").click()
    dialog = page.get_by_role("dialog", name="Add hosts to Canaries")
    dialog.get_by_label("Search hosts").fill("edge-00")
    admin.row("Hosts to add", "edge-001").get_by_role("checkbox").click()
    admin.row("Hosts to add", "edge-003").get_by_role("checkbox").click()
    dialog.get_by_role("button", name="Add 2 hosts").click()
    expect(admin.rows("Hosts of the group")).to_have_count(2)
    expect(admin.row("Hosts of the group", "edge-003")).to_be_visible()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Groups").click()
    expect(admin.row("Groups", "Canaries")).to_contain_text("First to get anything")


def test_a_group_name_that_is_taken_is_explained_at_its_field(admin: Person) -> None:
    admin.refused.add(409)
    page = admin.open("/groups")
    page.get_by_role("button", name="New group").click()
    dialog = page.get_by_role("dialog", name="New group")
    dialog.get_by_label("Name").fill("WEB")
    dialog.get_by_role("button", name="Create group").click()
    expect(dialog).to_contain_text("a group of that name exists")


def _join(demo: Demo, username: str, group: str) -> None:
    users = {row["username"]: row["id"] for row in demo.api.get("/users")["items"]}
    groups = {row["name"]: row["id"] for row in demo.api.get("/groups")["items"]}
    assert demo.api.http.put(f"/groups/{groups[group]}/users/{users[username]}").is_success


def test_an_operator_sees_nothing_of_another_group(stranger: NewPerson, demo: Demo) -> None:
    _join(demo, "web-operator", "web")
    _join(demo, "db-operator", "db")
    web, db = stranger(demo), stranger(demo)
    for at, username, own, other in ((web, "web-operator", "web", "db"), (db, "db-operator", "db", "web")):
        at.refused.add(404)
        page = at.sign_in(username)
        at.open("/hosts")
        page.get_by_label("Search hosts").fill(f"{own}-0")
        expect(at.rows("Hosts")).to_have_count(HOSTS // 4)
        page.get_by_label("Search hosts").fill(f"{other}-0")
        expect(page.get_by_text("No host matches.", exact=False)).to_be_visible()
        at.open("/groups")
        expect(at.row("Groups", own)).to_be_visible()
        expect(page.get_by_role("link", name=other, exact=True)).to_have_count(0)
        expect(page.get_by_role("button", name="New group")).to_have_count(0)
        foreign = next(row for row in demo.api.get("/fleet")["hosts"] if row["display_name"] == f"{other}-001")
        at.open(f"/hosts/{foreign['id']}")
        expect(page.get_by_role("heading", name="No such host")).to_be_visible()
    admin_sees = {row["display_name"] for row in demo.api.get("/fleet")["hosts"]}
    assert {"web-001", "db-001"} <= admin_sees


def test_what_happens_in_one_group_never_reaches_the_page_of_another(stranger: NewPerson, demo: Demo) -> None:
    at = stranger(demo)
    _join(demo, "late-operator", "db")
    received: list[str] = []
    at.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(str(frame))))
    at.sign_in("late-operator")
    rows = {row["display_name"]: row["id"] for row in demo.api.get("/fleet")["hosts"]}
    mine, theirs = rows["db-003"], rows["web-002"]
    for host_id in (theirs, mine):
        changed = demo.api.http.patch(f"/hosts/{host_id}", json={"fqdn": f"{host_id[:8]}.fleet.example"})
        assert changed.status_code == 200, changed.text
    at.open(f"/hosts/{mine}")
    expect(at.page.get_by_test_id("host-facts")).to_contain_text(f"{mine[:8]}.fleet.example")
    assert not [frame for frame in received if theirs in frame or "web-002" in frame]
