"""Maintenance windows over the API: whose they are, what is refused, and what a change does to jobs that wait.

The clock stands at 2030-05-17 09:00 UTC, a Friday.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.http.resources.world import World
from tests.people import actions

NIGHTLY: dict[str, Any] = {
    "name": "nightly",
    "kind": "daily",
    "start_time": "22:00",
    "duration_minutes": 120,
    "timezone": "Europe/Berlin",
}
OPENS = "2030-05-17T20:00:00Z"


async def add(world: World, host: str, who: str = "admin", **fields: Any) -> Any:
    """A window that must be taken."""
    status, made = await world.ask(who, "POST", f"/hosts/{world.hosts[host]}/windows", body=NIGHTLY | fields)
    assert status == 201, made
    return made


async def job_of(world: World, deployment: str, host: str) -> Any:
    page = await world.get("admin", "/jobs", deployment_id=deployment, host_id=str(world.hosts[host]))
    (job,) = page["items"]
    return job


async def deploy(world: World, *hosts: str, who: str = "admin", **fields: Any) -> Any:
    """A deployment that must be taken."""
    body = {"host_ids": [str(world.hosts[host]) for host in hosts], "when": "window", **fields}
    status, made = await world.ask(who, "POST", "/deployments", body=body)
    assert status == 202, made
    return made


async def test_a_window_is_answered_as_it_was_stated_with_its_next_opening(world: World) -> None:
    made = await add(world, "a1", "op_a", cutoff_minutes=15)
    assert {name: made[name] for name in NIGHTLY} == NIGHTLY
    assert (made["host_id"], made["host_name"]) == (str(world.hosts["a1"]), "a1")
    assert (made["next_opens_at"], made["next_closes_at"], made["open"]) == (OPENS, "2030-05-17T22:00:00Z", False)
    assert (made["cron"], made["cutoff_minutes"], made["version"]) == ("0 22 * * *", 15, 1)
    assert (made["weekdays"], made["day_of_month"], made["nth_weekday"], made["starts_at"]) == ([], None, None, None)
    assert (await world.get("op_a", f"/hosts/{world.hosts['a1']}/windows"))["items"] == [made]
    assert await world.get("op_a", f"/windows/{made['id']}") == made
    assert ("window.created", "op_a", "success") in await actions(world.db)


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "weekly", "weekdays": [6, 0], "start_time": "00:30"},
        {"kind": "monthly", "day_of_month": "last", "start_time": "00:30"},
        {"kind": "monthly", "day_of_month": 31, "start_time": "00:30"},
        {"kind": "monthly", "nth_weekday": {"n": 2, "weekday": 1}, "start_time": "00:30"},
        {"kind": "monthly", "nth_weekday": {"n": "last", "weekday": 6}, "start_time": "00:30"},
        {"kind": "once", "starts_at": "2030-06-01T10:00:00Z"},
    ],
)
async def test_every_kind_is_kept_and_previewed_as_it_will_open(world: World, rule: dict[str, Any]) -> None:
    body = {"duration_minutes": 60, "timezone": "America/New_York", **rule}
    status, made = await world.ask("op_a", "POST", f"/hosts/{world.hosts['a1']}/windows", body=body)
    assert status == 201, made
    for name, value in rule.items():
        assert made[name] == (sorted(value) if name == "weekdays" else value)
    status, preview = await world.ask("op_a", "POST", "/windows/preview", body=body)
    assert (status, preview["items"][0]["opens_at"]) == (200, made["next_opens_at"])
    assert len(preview["items"]) == (1 if rule["kind"] == "once" else 5)


async def test_a_preview_begins_after_the_moment_given_and_counts(world: World) -> None:
    body = {**NIGHTLY, "start_time": "02:30", "after": "2027-03-27T00:00:00Z", "count": 3}
    status, preview = await world.ask("op_a", "POST", "/windows/preview", body=body)
    assert status == 200
    assert preview["items"] == [
        {"opens_at": "2027-03-27T01:30:00Z", "closes_at": "2027-03-27T03:30:00Z"},
        {"opens_at": "2027-03-28T01:00:00Z", "closes_at": "2027-03-28T03:00:00Z"},  # 02:30 is skipped that night
        {"opens_at": "2027-03-29T00:30:00Z", "closes_at": "2027-03-29T02:30:00Z"},
    ]


async def test_a_one_time_start_without_an_offset_is_on_the_clock_of_the_zone(world: World) -> None:
    body = {"kind": "once", "starts_at": "2030-06-01T10:00:00", "duration_minutes": 60, "timezone": "Asia/Kolkata"}
    _, preview = await world.ask("op_a", "POST", "/windows/preview", body=body)
    assert preview["items"] == [{"opens_at": "2030-06-01T04:30:00Z", "closes_at": "2030-06-01T05:30:00Z"}]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"timezone": "Europe/Atlantis"}, "/timezone"),
        ({"start_time": "24:00"}, "/start_time"),
        ({"start_time": None}, "/start_time"),
        ({"duration_minutes": 0}, "/duration_minutes"),
        ({"duration_minutes": 2000}, "/duration_minutes"),
        ({"cutoff_minutes": 120}, "/cutoff_minutes"),
        ({"kind": "hourly"}, "/kind"),
        ({"kind": "weekly"}, "/weekdays"),
        ({"kind": "weekly", "weekdays": [7]}, "/weekdays"),
        ({"weekdays": [1]}, "/weekdays"),
        ({"kind": "monthly"}, "/day_of_month"),
        ({"kind": "monthly", "day_of_month": 32}, "/day_of_month"),
        ({"kind": "monthly", "nth_weekday": {"n": 5, "weekday": 0}}, "/nth_weekday/n"),
        ({"kind": "once"}, "/starts_at"),
        ({"kind": "once", "start_time": None, "starts_at": "2030-05-17T06:00:00Z"}, "/starts_at"),  # over since 08:00
        ({"name": "a\nb"}, "/name"),
        ({"colour": "red"}, "/colour"),
    ],
)
async def test_what_cannot_be_meant_is_refused_at_its_field(world: World, fields: dict[str, Any], pointer: str) -> None:
    path = f"/hosts/{world.hosts['a1']}/windows"
    status, problem = await world.ask("op_a", "POST", path, body=NIGHTLY | fields)
    assert status == 400, problem
    assert pointer in [error["pointer"] for error in problem["errors"]]
    assert all(error["detail"] for error in problem["errors"])
    assert (await world.get("admin", path))["total"] == 0


async def test_windows_are_seen_and_changed_by_those_who_see_the_host(world: World) -> None:
    theirs = await add(world, "b1")
    path = f"/windows/{theirs['id']}"
    for answer in (
        await world.ask("op_a", "GET", f"/hosts/{world.hosts['b1']}/windows"),
        await world.ask("op_a", "POST", f"/hosts/{world.hosts['b1']}/windows", body=NIGHTLY),
        await world.ask("op_a", "GET", path),
        await world.ask("op_a", "PATCH", path, body={"enabled": False}),
        await world.ask("op_a", "DELETE", path),
        await world.ask("op_a", "POST", f"{path}/copy", body={"host_ids": [str(world.hosts["a1"])]}),
        await world.ask("op_a", "GET", f"/windows/{uuid4()}"),
    ):
        assert answer[0] == 404
    assert (await world.get("op_a", "/windows"))["items"] == []
    assert (await world.get("op_b", "/windows"))["items"] == [theirs]
    assert (await world.get("op_a", "/fleet/upcoming-windows"))["items"] == []
    assert (await world.ask("op_b", "DELETE", path))[0] == 204
    assert (await world.get("op_b", "/windows"))["total"] == 0
    assert ("window.deleted", "op_b", "success") in await actions(world.db)


async def test_changes_keep_what_is_not_given_and_drop_what_the_new_kind_does_not_use(world: World) -> None:
    made = await add(world, "a1", kind="weekly", weekdays=[0, 2])
    path = f"/windows/{made['id']}"
    _, later = await world.ask("op_a", "PATCH", path, body={"start_time": "23:00"})
    assert (later["start_time"], later["weekdays"], later["version"]) == ("23:00", [0, 2], 2)
    _, same = await world.ask("op_a", "PATCH", path, body={"start_time": "23:00"})
    assert same["version"] == 2
    _, monthly = await world.ask("op_a", "PATCH", path, body={"kind": "monthly", "day_of_month": 31})
    assert (monthly["weekdays"], monthly["day_of_month"], monthly["start_time"]) == ([], 31, "23:00")
    _, nth = await world.ask("op_a", "PATCH", path, body={"nth_weekday": {"n": 1, "weekday": 3}})
    assert (nth["day_of_month"], nth["nth_weekday"]) == (None, {"n": 1, "weekday": 3})
    _, off = await world.ask("op_a", "PATCH", path, body={"enabled": False})
    assert (off["enabled"], off["next_opens_at"], off["open"]) == (False, None, False)
    assert (await world.ask("op_a", "PATCH", path, body={"name": "x", "version": 2}))[0] == 409
    assert (await world.ask("op_a", "PATCH", path, body={"name": "x", "version": 5}))[0] == 200
    assert (await world.ask("op_a", "PATCH", path, body={"kind": "weekly"}))[0] == 400
    assert (await world.ask("op_a", "PATCH", path, body={"timezone": None}))[0] == 400


async def test_a_window_is_copied_to_many_hosts_or_to_none(world: World) -> None:
    made = await add(world, "a1")
    path = f"/windows/{made['id']}/copy"
    ids = {name: str(host_id) for name, host_id in world.hosts.items()}
    assert (await world.ask("op_a", "POST", path, body={"host_ids": [ids["ab"], ids["b1"]]}))[0] == 404
    assert (await world.ask("op_a", "POST", path, body={}))[0] == 422
    assert (await world.get("admin", "/windows"))["total"] == 1
    status, copied = await world.ask(
        "op_a", "POST", path, body={"host_ids": [ids["free"]], "group_ids": [str(world.group_a)]}
    )
    assert (status, copied["unchanged"]) == (201, 1)  # the one it was copied from
    assert {row["host_id"] for row in copied["items"]} == {ids["free"], ids["ab"]}
    assert {row["next_opens_at"] for row in copied["items"]} == {OPENS}
    _, again = await world.ask("op_a", "POST", path, body={"group_ids": [str(world.group_a)]})
    assert (again["items"], again["unchanged"]) == ([], 2)
    assert [action for action, _, _ in await actions(world.db)].count("window.copied") == 1


async def test_a_job_says_which_window_it_waits_for_and_follows_it(world: World) -> None:
    made = await deploy(world, "a1")
    assert "no maintenance window" in (await job_of(world, made["id"], "a1"))["message"]
    window = await add(world, "a1")
    job = await job_of(world, made["id"], "a1")
    assert (job["not_before"], job["when"]) == (OPENS, "window")
    assert job["message"] == "waiting: maintenance window “nightly”, which opens Fri 2030-05-17 22:00 Europe/Berlin"
    path = f"/windows/{window['id']}"
    await world.ask("op_a", "PATCH", path, body={"start_time": "03:00"})
    assert (await job_of(world, made["id"], "a1"))["not_before"] == "2030-05-18T01:00:00Z"
    await world.ask("op_a", "PATCH", path, body={"enabled": False})
    job = await job_of(world, made["id"], "a1")
    assert (job["not_before"], "no maintenance window" in job["message"]) == (None, True)
    await world.ask("op_a", "PATCH", path, body={"enabled": True, "start_time": "10:30"})  # open now
    job = await job_of(world, made["id"], "a1")
    assert job["not_before"] == "2030-05-17T09:00:00Z"
    assert "is open until" in job["message"]
    await world.ask("op_a", "DELETE", path)
    assert (await job_of(world, made["id"], "a1"))["not_before"] is None
    detail = await world.get("op_a", f"/jobs/{job['id']}")
    assert len(detail["transitions"]) == 6  # every plan, with its reason


async def test_a_preview_of_a_deployment_says_when_each_host_runs(world: World) -> None:
    await add(world, "a1")
    body = {"host_ids": [str(world.hosts["a1"]), str(world.hosts["ab"])], "when": "window"}
    status, preview = await world.ask("op_a", "POST", "/deployments/preview", body=body)
    assert status == 200
    with_window, without = preview["hosts"]
    assert (with_window["runs_at"], "“nightly”" in with_window["runs"]) == (OPENS, True)
    assert without["runs_at"] is None
    assert "no maintenance window" in without["problem"]


async def test_upcoming_windows_are_those_of_the_next_day_in_the_callers_sight(world: World) -> None:
    await add(world, "a1", name="evening")
    await add(world, "ab", name="now", start_time="10:30", kind="weekly", weekdays=[4])
    await add(world, "b1", name="theirs")
    await add(world, "a1", name="off", enabled=False)
    await add(world, "free", kind="monthly", day_of_month=1)
    found = await world.get("op_a", "/fleet/upcoming-windows")
    assert [(row["name"], row["open"]) for row in found["items"]] == [("now", True), ("evening", False)]
    assert (found["hosts"], found["hosts_without_window"], found["total"]) == (3, 0, 2)
    first = await world.get("admin", "/fleet/upcoming-windows", hours=48, limit=3)
    second = await world.get("admin", "/fleet/upcoming-windows", hours=48, limit=3, cursor=first["next_cursor"])
    seen = [(row["opens_at"], row["name"]) for row in first["items"] + second["items"]]
    assert seen == [
        ("2030-05-17T08:30:00Z", "now"),
        (OPENS, "evening"),
        (OPENS, "theirs"),
        ("2030-05-18T20:00:00Z", "evening"),
        ("2030-05-18T20:00:00Z", "theirs"),
    ]
    assert (second["next_cursor"], first["total"]) == (None, 5)


async def test_the_agenda_tells_an_opening_once_for_all_hosts_that_share_it_and_what_waits_for_it(world: World) -> None:
    for host in ("a1", "ab", "b1"):
        await add(world, host, name=f"of {host}")
    await add(world, "free", start_time="21:00", timezone="Europe/London", duration_minutes=60)
    made = await deploy(world, "a1", "free", when="window")
    found = await world.get("admin", "/fleet/agenda", hours=48)
    told = [(row["opens_at"], row["closes_at"], row["hosts"], row["waiting"]) for row in found["items"]]
    assert told == [
        (OPENS, "2030-05-17T22:00:00Z", 3, 1),
        (OPENS, "2030-05-17T21:00:00Z", 1, 1),
        ("2030-05-18T20:00:00Z", "2030-05-18T22:00:00Z", 3, 0),
        ("2030-05-18T20:00:00Z", "2030-05-18T21:00:00Z", 1, 0),
    ]
    first = found["items"][0]
    assert (first["host_names"], first["names"]) == (["a1", "ab", "b1"], ["of a1", "of ab", "of b1"])
    assert (first["timezones"], first["deployment_ids"]) == (["Europe/Berlin"], [made["id"]])
    page = await world.get("admin", "/fleet/agenda", hours=48, limit=3)
    rest = await world.get("admin", "/fleet/agenda", hours=48, limit=3, cursor=page["next_cursor"])
    assert page["items"] + rest["items"] == found["items"]

    theirs = await world.get("op_b", "/fleet/agenda")
    assert [(row["hosts"], row["waiting"], row["names"]) for row in theirs["items"]] == [
        (2, 0, ["of ab", "of b1"]),
        (1, 1, ["nightly"]),
    ]
    one = await world.get("admin", "/fleet/upcoming-windows", opens_at=OPENS, closes_at="2030-05-17T22:00:00Z")
    assert ([row["host_name"] for row in one["items"]], one["total"]) == (["a1", "ab", "b1"], 3)


async def test_the_agenda_shows_which_hosts_a_freeze_holds(world: World) -> None:
    for host in ("a1", "b1"):
        await add(world, host)
    body = {"group_id": str(world.group_a), "ends_at": "2030-05-18T12:00:00Z", "reason": "quarter end"}
    status, made = await world.ask("admin", "POST", "/freezes", body=body)
    assert status == 201, made
    found = await world.get("admin", "/fleet/agenda", hours=48)
    assert [(row["hosts"], row["frozen_hosts"], row["frozen"]) for row in found["items"]] == [
        (2, 1, "quarter end"),
        (2, 0, None),
    ]


async def test_each_host_says_when_it_opens_next(world: World) -> None:
    await add(world, "a1")
    await add(world, "a1", start_time="23:30")
    await add(world, "b1", start_time="10:30", timezone="Europe/Berlin")
    await add(world, "free", enabled=False)
    found = await world.get("op_a", "/fleet/next-openings")
    assert [(row["host_id"], row["opens_at"], row["timezone"]) for row in found["items"]] == [
        (str(world.hosts["a1"]), OPENS, "Europe/Berlin")
    ]
    theirs = (await world.get("op_b", "/fleet/next-openings"))["items"]
    assert [row["opens_at"] for row in theirs] == ["2030-05-17T08:30:00Z"], "the one that is open comes first"


async def test_hosts_without_a_window_are_named(world: World) -> None:
    await add(world, "a1")
    await add(world, "ab", enabled=False)
    page = await world.get("op_a", "/fleet/hosts-without-window")
    assert [row["display_name"] for row in page["items"]] == ["ab", "free"]


async def test_the_list_over_the_fleet_is_searched_and_paged(world: World) -> None:
    for host in ("a1", "ab", "b1", "free"):
        await add(world, host, name=f"of {host}")
    first = await world.get("admin", "/windows", limit=3)
    second = await world.get("admin", "/windows", limit=3, cursor=first["next_cursor"])
    assert {row["host_name"] for row in first["items"] + second["items"]} == {"a1", "ab", "b1", "free"}
    assert (first["total"], second["next_cursor"]) == (4, None)
    assert [row["name"] for row in (await world.get("admin", "/windows", search="OF B1"))["items"]] == ["of b1"]
    assert (await world.get("admin", "/windows", group_id=str(world.group_b)))["total"] == 2
    assert (await world.get("admin", "/windows", enabled="false"))["total"] == 0


async def test_freezes_are_made_by_admins_and_seen_by_those_they_concern(world: World) -> None:
    body = {"ends_at": "2030-05-20T00:00:00Z", "reason": "year end"}
    assert (await world.ask("op_a", "POST", "/freezes", body=body))[0] == 403
    _, everywhere = await world.ask("admin", "POST", "/freezes", body=body)
    assert (everywhere["active"], everywhere["starts_at"], everywhere["group_id"]) == (
        True,
        "2030-05-17T09:00:00Z",
        None,
    )
    of_b = {**body, "group_id": str(world.group_b), "starts_at": "2030-05-18T02:00:00+02:00"}
    status, theirs = await world.ask("admin", "POST", "/freezes", body=of_b)
    assert (status, theirs["active"], theirs["group_name"]) == (201, False, "group b")
    assert [row["id"] for row in (await world.get("op_a", "/freezes"))["items"]] == [everywhere["id"]]
    assert [row["id"] for row in (await world.get("op_b", "/freezes"))["items"]] == [everywhere["id"], theirs["id"]]
    assert (await world.ask("op_b", "DELETE", f"/freezes/{theirs['id']}"))[0] == 403
    assert (await world.ask("admin", "DELETE", f"/freezes/{theirs['id']}"))[0] == 204
    assert (await world.ask("admin", "DELETE", f"/freezes/{theirs['id']}"))[0] == 404
    assert [action for action, _, _ in await actions(world.db)][-3:] == [
        "freeze.created",
        "freeze.created",
        "freeze.deleted",
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"ends_at": "2030-05-17T08:00:00Z"},
        {"starts_at": "2030-05-21T00:00:00Z"},
        {"reason": ""},
        {"group_id": str(uuid4())},
        {"ends_at": "2030-05-20T00:00:00"},
    ],
)
async def test_a_freeze_that_cannot_be_meant_is_refused(world: World, fields: dict[str, Any]) -> None:
    body = {"ends_at": "2030-05-20T00:00:00Z", "reason": "year end", **fields}
    assert (await world.ask("admin", "POST", "/freezes", body=body))[0] == 400


async def test_a_freeze_holds_jobs_and_lets_them_go(world: World) -> None:
    body = {"ends_at": "2030-05-20T00:00:00Z", "reason": "year end", "group_id": str(world.group_a)}
    await add(world, "a1")
    waits = await deploy(world, "a1")
    _, freeze = await world.ask("admin", "POST", "/freezes", body=body)
    job = await job_of(world, waits["id"], "a1")
    assert job["not_before"] == "2030-05-20T20:00:00Z"
    assert "frozen until Mon 2030-05-20 00:00 UTC (year end)" in job["message"]
    made = await deploy(world, "a1", "b1", when="now")
    assert (await job_of(world, made["id"], "a1"))["not_before"] == "2030-05-20T00:00:00Z"
    assert (await job_of(world, made["id"], "b1"))["message"] == "queued"
    await world.ask("admin", "DELETE", f"/freezes/{freeze['id']}")
    assert (await job_of(world, waits["id"], "a1"))["not_before"] == OPENS
    assert (await job_of(world, made["id"], "a1"))["not_before"] == "2030-05-17T09:00:00Z"


async def test_a_freeze_is_ended_by_an_admin_and_stays_in_the_list_of_past_ones(world: World) -> None:
    await add(world, "a1", start_time="10:30")
    body = {"starts_at": "2030-05-17T08:00:00Z", "ends_at": "2030-05-20T00:00:00Z", "reason": "year end"}
    _, freeze = await world.ask("admin", "POST", "/freezes", body=body)
    path = f"/freezes/{freeze['id']}"
    made = await deploy(world, "a1")
    assert (await job_of(world, made["id"], "a1"))["not_before"] == "2030-05-20T08:30:00Z"
    assert (await world.ask("op_a", "PATCH", path, body={"reason": "no"}))[0] == 403
    assert (await world.ask("admin", "PATCH", path, body={"ends_at": "2030-05-17T07:00:00Z"}))[0] == 400
    status, later = await world.ask("admin", "PATCH", path, body={"reason": "quarter end"})
    assert (status, later["reason"], later["ends_at"]) == (200, "quarter end", "2030-05-20T00:00:00Z")
    status, ended = await world.ask("admin", "PATCH", path, body={"ends_at": "2030-05-17T09:00:00Z"})
    assert (status, ended["active"]) == (200, False)
    assert (await job_of(world, made["id"], "a1"))["not_before"] == "2030-05-17T09:00:00Z"
    assert (await world.get("admin", "/freezes"))["items"] == []
    assert [row["id"] for row in (await world.get("admin", "/freezes", past="true"))["items"]] == [freeze["id"]]
    assert ("freeze.changed", "admin", "success") in await actions(world.db)


async def test_only_an_admin_overrides_a_freeze_and_the_log_says_so(world: World) -> None:
    await world.ask("admin", "POST", "/freezes", body={"ends_at": "2030-05-20T00:00:00Z", "reason": "year end"})
    body = {"host_ids": [str(world.hosts["a1"])], "override_freeze": True}
    assert (await world.ask("op_a", "POST", "/deployments", body=body))[0] == 403
    made = await deploy(world, "a1", when="now", override_freeze=True)
    assert made["override_freeze"] is True
    assert (await job_of(world, made["id"], "a1"))["message"] == "queued"
    log = await world.get("admin", "/audit", action="deployment.created")
    assert log["items"][0]["detail"]["override_freeze"] is True
    assert log["items"][0]["detail"]["outside_windows"] == 1
