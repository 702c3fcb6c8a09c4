"""Signing in and out, and what a reload keeps."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import NewPerson
from tests.browser.pages import Person
from tests.browser.program import Demo, code, wrong_code
from tests.system.manager import PASSWORD


def test_password_and_code_lead_to_the_dashboard(stranger: NewPerson, demo: Demo) -> None:
    page = stranger(demo).sign_in("first")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    expect(page).to_have_title("Dashboard · Linux Patch Manager")


def test_a_wrong_password_and_a_wrong_code_say_so_and_can_be_mended(stranger: NewPerson, demo: Demo) -> None:
    at = stranger(demo)
    page = at.page
    page.goto(demo.url)
    at.give_password("wrong", "not the password")
    expect(page.get_by_text("the user name or the password is wrong", exact=False)).to_be_visible()
    at.give_password("wrong")
    field = page.get_by_label("Authentication code")
    field.fill(wrong_code())
    expect(page.get_by_text("the code is wrong or was used before", exact=False)).to_be_visible()
    expect(field).to_have_value("")
    field.fill(code())
    at.expect_live()


def test_a_new_user_sets_the_authenticator_up(stranger: NewPerson, demo: Demo) -> None:
    import pyotp

    demo.api.post("/users", {"username": "newcomer", "password": PASSWORD, "role": "operator"}, 201)
    at = stranger(demo)
    at.page.goto(demo.url)
    at.give_password("newcomer")
    secret = at.page.get_by_test_id("totp-secret")
    expect(secret).not_to_have_text("…")
    expect(at.page.get_by_role("img")).to_be_visible()
    at.page.get_by_label("Authentication code").fill(pyotp.TOTP(secret.inner_text().replace(" ", "")).now())
    at.expect_live()


def test_a_reload_and_a_second_tab_keep_the_session(stranger: NewPerson, demo: Demo) -> None:
    at = stranger(demo)
    page = at.sign_in("keeper")
    page.reload()
    at.expect_live()
    with page.context.expect_page() as opened:
        page.evaluate("window.open('/hosts')")
    second = opened.value
    expect(second.get_by_role("heading", name="Hosts")).to_be_visible()
    expect(second.get_by_test_id("live-state")).to_have_text("live")


def test_leaving_a_page_while_it_renews_the_session_keeps_the_session(admin: Person) -> None:
    # Its refresh token is spent when the server has seen it, whoever hears the answer.
    page = admin.page
    for _ in range(6):
        with page.expect_request(lambda request: request.url.endswith("/auth/refresh")):
            page.goto(admin.demo.url + "/groups", wait_until="commit")
    admin.offline = True  # the requests of a page that is left fail
    admin.open("/groups")


def test_sign_out_ends_the_session_in_every_tab(stranger: NewPerson, demo: Demo) -> None:
    at = stranger(demo)
    page = at.sign_in("leaver")
    second = page.context.new_page()
    second.goto(demo.url + "/hosts")
    expect(second.get_by_test_id("live-state")).to_have_text("live")
    page.get_by_role("button", name="Me: leaver").click()
    page.get_by_role("menuitem", name="Sign out").click()
    for tab in (page, second):
        expect(tab.get_by_label("Username")).to_be_visible()
    page.goto(demo.url + "/hosts")
    expect(page.get_by_label("Username")).to_be_visible()
    expect(page.get_by_role("grid")).to_have_count(0)


def test_an_address_opened_while_signed_out_is_shown_after_signing_in(stranger: NewPerson, demo: Demo) -> None:
    at = stranger(demo)
    at.page.goto(demo.url + "/hosts?health=healthy")
    at.give_password("looker")
    at.page.get_by_label("Authentication code").fill(code())
    expect(at.page.get_by_role("heading", name="Hosts")).to_be_visible()
    expect(at.page).to_have_url(demo.url + "/hosts?health=healthy")


def test_the_keyboard_alone_reaches_every_page(admin: Person) -> None:
    page = admin.open()
    for key, title in (("h", "Hosts"), ("p", "Deploy"), ("j", "Jobs"), ("g", "Groups"), ("d", "Dashboard")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search hosts, pages and actions").fill("web-002")
    expect(page.get_by_role("option", selected=True)).to_contain_text("web-002")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("web-002")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
