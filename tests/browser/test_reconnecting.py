"""A page whose server goes away says so, and goes on by itself when it is back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewPerson
from tests.browser.program import ADMIN, running_demo


def test_a_page_says_that_it_reconnects_and_is_live_again_after_a_restart(
    stranger: NewPerson, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_demo(tmp_path_factory.mktemp("restart") / "demo", 4) as demo:
        at = stranger(demo)
        page = at.sign_in(ADMIN)
        page.evaluate("window.notReloaded = true")
        expect(page.get_by_test_id("first-line")).to_contain_text("4 hosts")
        at.offline = True
        demo.stop()
        state = page.get_by_test_id("live-state")
        expect(state).to_contain_text(re.compile(r"reconnecting, last .+ ago"))
        demo.start()
        at.refused.update({502, 503})
        state.get_by_role("button", name="try now").click()
        at.expect_live()
        # Not only connected: what changes from here on is seen.
        first = demo.api.get("/fleet")["hosts"][0]
        renamed = demo.api.http.patch(f"/hosts/{first['id']}", json={"display_name": "after the restart"})
        assert renamed.status_code == 200, renamed.text
        page.get_by_role("navigation", name="Main").get_by_role("link", name="Hosts").click()
        expect(at.row("Hosts", "after the restart")).to_be_visible()
        assert page.evaluate("window.notReloaded")
