"""A person's browser: pages that watch themselves for faults, and the ways through them that tests share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Locator, Page, expect

from tests.browser.program import Demo, code
from tests.system.manager import PASSWORD

# The browser itself prints that a request was refused. That is meant where nobody is signed in yet (the page asks for
# a new token with a cookie that is not there: 401) and where a test types something wrong; all else is a fault.
_REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")

_TELL_VIOLATIONS = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.__violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


@dataclass
class Person:
    """Somebody at one page. ``refused``: statuses of requests that are meant to be refused; ``offline``: the server
    is meant to be away."""

    page: Page
    demo: Demo
    refused: set[int] = field(default_factory=set)
    offline: bool = False
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(10_000)
        self.page.add_init_script(_TELL_VIOLATIONS)
        self.page.on("console", self._printed)
        self.page.on("pageerror", self._thrown)

    def _printed(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        refused = _REFUSED.search(message.text)
        if refused is not None and int(refused[1]) in self.refused:
            return
        if self.offline and ("net::ERR_" in message.text or "WebSocket connection" in message.text):
            return
        self.faults.append(f"console {message.type}: {message.text}")

    def _thrown(self, error: Error) -> None:
        self.faults.append(f"uncaught: {error}")

    def assert_no_fault(self) -> None:
        """Nothing was printed as an error, nothing thrown, and the content security policy stopped nothing."""
        violations = self.page.evaluate("window.__violations")
        assert not violations, violations
        assert not self.faults, self.faults

    # The ways through the pages

    def open(self, path: str = "/") -> Page:
        """Open a page anew, as from a bookmark, and wait until it is drawn and live."""
        self.page.goto(self.demo.url + path)
        self.expect_live()
        self.settle()
        return self.page

    def settle(self) -> None:
        """Until everything that was asked for is drawn."""
        expect(self.page.get_by_role("heading").first).not_to_have_text("")
        expect(self.page.locator("[aria-busy=true], .mantine-Skeleton-root")).to_have_count(0)

    def expect_live(self, seconds: float = 15) -> None:
        """The page says that what it shows is live."""
        expect(self.page.get_by_test_id("live-state")).to_have_text("live", timeout=seconds * 1000)

    def give_password(self, username: str, password: str = PASSWORD) -> None:
        """The first step of signing in, as on the page."""
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_role("textbox", name="Password").fill(password)
        self.page.get_by_role("button", name="Continue").click()

    def sign_in(self, username: str) -> Page:
        """Both steps, by form."""
        self.page.goto(self.demo.url)
        self.give_password(username)
        self.page.get_by_label("Authentication code").fill(code())
        expect(self.page.get_by_role("navigation", name="Main")).to_be_visible()
        self.expect_live()
        return self.page

    def rows(self, table: str) -> Locator:
        """The rows of a table that are drawn, without its head."""
        return (
            self.page.get_by_role("grid", name=table, exact=True)
            .locator('[role="row"][aria-rowindex]')
            .filter(has=self.page.get_by_role("gridcell"))
        )

    def row(self, table: str, text: str) -> Locator:
        """The one row that names ``text``."""
        return self.rows(table).filter(has_text=text)


@contextmanager
def person(context: BrowserContext, demo: Demo, *refused: int) -> Iterator[Person]:
    """A page of ``context``; ends with the proof that nothing went wrong in it."""
    page = context.new_page()
    try:
        at = Person(page, demo, set(refused))
        yield at
        at.assert_no_fault()
    finally:
        page.close()
