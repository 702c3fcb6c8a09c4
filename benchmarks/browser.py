"""How long until a person sees the fleet map: ``python -m benchmarks.browser --hosts 2500`` prints one JSON object.

The real program over simulated hosts, in Debian's Chromium. From the start of the navigation, with the session renewed
by its cookie as on every visit, to the frame in which all hosts are drawn; milliseconds. ``warm`` has the scripts in
the browser's cache, ``cold`` has not. The floor is the first frame of a page without content from the same server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import tempfile
from pathlib import Path

import pyotp
from playwright.sync_api import Page, sync_playwright

from benchmarks.manager import Installation, contact_seconds, install, serving, simulated, wait_for_contact

DRAWN = "fleet-map"  # the page's own mark, set in the frame that draws every host
_FIRST = "first-frame"
_MARK_FIRST = f"requestAnimationFrame(() => performance.mark('{_FIRST}'))"
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
              "--disable-component-update", "--disable-sync")  # fmt: skip
_USER = "bench-0"
_RUNS = 7


def _mark(page: Page, name: str) -> float:
    """Milliseconds from the start of the navigation to the first mark of that name; waits for it."""
    page.wait_for_function("(name) => performance.getEntriesByName(name).length > 0", arg=name, timeout=60_000)
    return float(page.evaluate("(name) => performance.getEntriesByName(name)[0].startTime", name))


def _sign_in(page: Page, origin: str, made: Installation) -> None:
    page.goto(origin)
    page.get_by_label("Username").fill(_USER)
    page.get_by_role("textbox", name="Password").fill(made.password)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Authentication code").fill(pyotp.TOTP(made.secret).now())
    _mark(page, DRAWN)


def measure(made: Installation, runs: int) -> dict[str, float]:
    """Medians over ``runs`` rounds, in each of which every kind takes its turn.

    Raises:
        RuntimeError: there is no Chromium.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise RuntimeError("Chromium is missing: run `make setup-browser`")
    origin = f"https://localhost:{made.port}"
    # trio-asyncio's event loops, which come with the program, cannot be driven from Playwright's greenlets.
    asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
    times: dict[str, list[float]] = {"floor": [], "warm": [], "cold": []}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_ARGUMENTS))
        context = browser.new_context(ignore_https_errors=True, viewport={"width": 1440, "height": 900})
        context.add_init_script(_MARK_FIRST)
        page = context.new_page()
        cache = context.new_cdp_session(page)
        _sign_in(page, origin, made)
        for _ in range(runs):
            page.goto(f"{origin}/healthz")
            times["floor"].append(_mark(page, _FIRST))
            page.goto(origin)
            times["warm"].append(_mark(page, DRAWN))
            cache.send("Network.clearBrowserCache")
            page.goto(origin)
            times["cold"].append(_mark(page, DRAWN))
        browser.close()
    return {name: round(statistics.median(values), 1) for name, values in times.items()}


def main() -> None:
    """Install, serve, wait until every host was polled, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=2500)
    parser.add_argument("--runs", type=int, default=_RUNS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        made = install(Path(directory), arguments.hosts)
        with simulated(made), serving(made) as manager:
            # The installation's next sign-ins are others', so that the browser's user has an unused code.
            wait_for_contact(manager, contact_seconds(arguments.hosts))
            milliseconds = measure(made, arguments.runs)
    ratios = {name: round(milliseconds[name] / milliseconds["floor"], 1) for name in ("warm", "cold")}
    print(json.dumps({"hosts": arguments.hosts, "runs": arguments.runs, "ms": milliseconds, "x_floor": ratios}))


if __name__ == "__main__":
    main()
