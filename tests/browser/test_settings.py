"""Notifications: a channel is made, and tested in the page; a rule is made and deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.pages import Person


class Chat(BaseHTTPRequestHandler):
    """Takes what it is sent."""

    received: list[Any]

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # as its base has it
        return


@pytest.fixture
def chat() -> Iterator[tuple[str, list[Any]]]:
    """A chat room's address, and what arrives there."""
    received: list[Any] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Room", (Chat,), {"received": received}))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hooks/a-secret", received
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_channel_is_tested_and_a_rule_made_for_it(admin: Person, chat: tuple[str, list[Any]]) -> None:
    address, received = chat
    page = admin.open("/settings")
    page.get_by_role("button", name="Add the first channel").click()
    dialog = page.get_by_role("dialog", name="Add channel")
    dialog.get_by_text("Webhook", exact=True).click()
    dialog.get_by_label("Name").fill("Operations room")
    dialog.get_by_label("Address").fill(address)
    dialog.get_by_role("button", name="Add channel").click()
    expect(dialog).to_have_count(0)
    channel = page.get_by_role("list", name="Channels").get_by_role("listitem")
    expect(channel).to_contain_text("Slack")
    expect(channel).not_to_contain_text("a-secret")
    channel.get_by_role("button", name="Send test").click()
    expect(channel.get_by_role("status")).to_contain_text("Test sent")
    assert "Test message from Linux Patch Manager" in received[0]["text"]
    page.get_by_role("button", name="Add the first rule").click()
    dialog = page.get_by_role("dialog", name="Add rule")
    dialog.get_by_label("Name").fill("Failures")
    dialog.get_by_role("button", name="Add rule").click()
    expect(page.get_by_role("list", name="Rules")).to_contain_text("all hosts, through Operations room")
    expect(page.get_by_text("Nothing was sent yet.")).to_be_visible()
    page.get_by_role("button", name="Delete Failures").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete rule").click()
    expect(page.get_by_role("button", name="Add the first rule")).to_be_enabled()
