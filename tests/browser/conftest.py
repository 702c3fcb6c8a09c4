"""One demo and one signed-in browser for most tests.

Everything lives as long as this package's tests and no longer: while Playwright runs, its event loop would be in the
way of other rooms' tests.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, BrowserContext, ViewportSize, expect, sync_playwright

from tests.browser.pages import Person, person
from tests.browser.program import ADMIN, STATIC, Demo, running_demo

HOSTS = 80  # enough that a deployment to all asks for its number
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_PATIENCE = 15_000  # milliseconds; a busy machine is no fault of the page
WINDOW = ViewportSize(width=1440, height=900)

NewContext = Callable[..., BrowserContext]
NewPerson = Callable[..., Person]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; its absence is a failure, since skipped tests prove nothing."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for found in map(shutil.which, names) if found), None)
    if path is None:
        pytest.fail("Chromium is missing: run `make setup-browser` (or apt-get install chromium)")
    expect.set_options(timeout=_PATIENCE)
    # trio-asyncio's event loops, which come with the program under test, cannot be driven from Playwright's greenlets.
    asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
            yield browser
            browser.close()
    finally:
        asyncio.set_event_loop_policy(None)


@pytest.fixture(scope="package")
def _pages_are_built() -> None:
    if not (STATIC / "index.html").is_file():
        pytest.fail(f"the pages are not built ({STATIC} has no index.html): run `make setup`")


@pytest.fixture(scope="package")
def demo(_pages_are_built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo, in a directory with a space in its name."""
    # A code works once for each user, so that each sign-in by form is somebody else's.
    people = dict.fromkeys(("first", "wrong", "leaver", "looker", "keeper"), "admin")
    people |= dict.fromkeys(("web-operator", "db-operator", "late-operator"), "operator")
    directory = tmp_path_factory.mktemp("browser") / "a demo"
    with running_demo(directory, HOSTS, people=people, bundles=32) as running:
        yield running


@pytest.fixture(scope="package")
def empty(_pages_are_built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo without hosts."""
    with running_demo(tmp_path_factory.mktemp("empty") / "demo", 0) as running:
        yield running


@pytest.fixture(scope="package")
def signed_in(chromium: Browser, demo: Demo) -> Iterator[BrowserContext]:
    """A browser in which the admin signed in; new pages go on by the refresh cookie."""
    with chromium.new_context(ignore_https_errors=True, viewport=WINDOW) as context:
        with person(context, demo, 401) as first:
            first.sign_in(ADMIN)
        yield context


@pytest.fixture
def admin(signed_in: BrowserContext, demo: Demo) -> Iterator[Person]:
    """The admin at a new page; the test fails when anything goes wrong in it."""
    with person(signed_in, demo) as at:
        yield at


@pytest.fixture
def stranger(chromium: Browser) -> Iterator[NewPerson]:
    """Makes people in browsers of their own, in which nobody signed in yet: ``stranger(demo)``."""
    with ExitStack() as stack:

        def new(demo: Demo, **options: object) -> Person:
            settings = {"ignore_https_errors": True, "viewport": WINDOW, **options}
            context = stack.enter_context(chromium.new_context(**settings))  # type: ignore[arg-type]  # Playwright's own
            return stack.enter_context(person(context, demo, 401))

        yield new
