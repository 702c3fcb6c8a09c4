"""Refreshing, idleness, revocation (TRUST 1, 2, 3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
import trio
import trio.testing

from patch_manager.auth import Auth, AuthError, MfaTicket, Tokens
from patch_manager.auth.watch import MEMORY_SECONDS
from patch_manager.domain.principal import Principal
from patch_manager.storage import Connection, Database
from tests.auth.conftest import ELSEWHERE, HERE
from tests.people import PASSWORD, People, WallClock, actions, add_group

Change = Callable[[Connection, Principal], Awaitable[object]]


async def signed_in(people: People, username: str = "ann") -> Tokens:
    ticket = await people.auth.sign_in.password(username, PASSWORD, HERE)
    assert isinstance(ticket, MfaTicket)
    tokens = await people.auth.sign_in.totp(ticket.token, people.clock.code(), HERE)
    assert isinstance(tokens, Tokens)
    return tokens


async def principal_of(auth: Auth, tokens: Tokens) -> Principal:
    principal = await auth.watch.principal_of(tokens.access_token)
    assert isinstance(principal, Principal)
    return principal


async def test_a_refresh_token_used_twice_ends_its_session(people: People, db: Database) -> None:
    await people.add("ann")
    first = await signed_in(people)
    second = await people.auth.sessions.refresh(first.refresh_token, HERE)
    assert isinstance(second, Tokens)
    assert second.session_id == first.session_id
    await principal_of(people.auth, second)
    assert await people.auth.sessions.refresh(first.refresh_token, ELSEWHERE) is AuthError.REUSED
    assert await people.auth.sessions.refresh(second.refresh_token, HERE) is AuthError.ENDED
    for tokens in (first, second):
        assert await people.auth.watch.principal_of(tokens.access_token) is AuthError.ENDED
    assert (await actions(db))[-1] == ("auth.refresh_reused", "ann", "failure")


async def test_of_two_refreshes_at_the_same_moment_one_ends_the_session(people: People) -> None:
    await people.add("ann")
    tokens = await signed_in(people)
    results: list[Tokens | AuthError] = []

    async def refresh() -> None:
        results.append(await people.auth.sessions.refresh(tokens.refresh_token, HERE))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(refresh)
        nursery.start_soon(refresh)
    assert sorted(isinstance(result, Tokens) for result in results) == [False, True]
    assert await people.auth.watch.principal_of(tokens.access_token) is AuthError.ENDED


async def test_an_hour_without_activity_ends_a_session_and_refreshes_do_not_count(
    people: People, clock: WallClock
) -> None:
    await people.add("ann")
    tokens = await signed_in(people)
    for _ in range(4):
        clock.forward(minutes=14)
        refreshed = await people.auth.sessions.refresh(tokens.refresh_token, HERE)
        assert isinstance(refreshed, Tokens)
        tokens = refreshed
        await principal_of(people.auth, tokens)  # a poll by the page, not by a person
    clock.forward(minutes=4)
    assert await people.auth.watch.principal_of(tokens.access_token, active=True) is AuthError.IDLE
    assert await people.auth.sessions.refresh(tokens.refresh_token, HERE) is AuthError.IDLE


async def test_activity_prolongs_a_session_up_to_its_absolute_end(people: People, clock: WallClock) -> None:
    await people.add("ann")
    tokens = await signed_in(people)
    for _ in range(12 * 60 // 10 - 1):
        clock.forward(minutes=10)
        refreshed = await people.auth.sessions.refresh(tokens.refresh_token, HERE)
        assert isinstance(refreshed, Tokens)
        tokens = refreshed
        people.auth.watch.forget()
        assert isinstance(await people.auth.watch.principal_of(tokens.access_token, active=True), Principal)
    assert tokens.refresh_max_age == 600
    clock.forward(minutes=10)
    assert await people.auth.watch.principal_of(tokens.access_token) is AuthError.ENDED
    assert await people.auth.sessions.refresh(tokens.refresh_token, HERE) is AuthError.ENDED


async def test_signing_out_stops_tokens_and_streams_at_once(people: People, db: Database) -> None:
    await people.add("ann")
    tokens = await signed_in(people)
    principal = await principal_of(people.auth, tokens)
    with trio.fail_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(people.auth.watch.wait_invalid, principal)
            await trio.testing.wait_all_tasks_blocked()
            await people.auth.sessions.sign_out(principal.session_id, None, HERE)
    assert await people.auth.watch.principal_of(tokens.access_token) is AuthError.ENDED
    assert await people.auth.sessions.refresh(tokens.refresh_token, HERE) is AuthError.ENDED
    assert (await actions(db))[-1] == ("auth.signed_out", "ann", "success")


async def test_the_refresh_token_alone_signs_out_too(people: People) -> None:
    await people.add("ann")
    tokens = await signed_in(people)
    await people.auth.sessions.sign_out(None, tokens.refresh_token, HERE)
    assert await people.auth.watch.principal_of(tokens.access_token) is AuthError.ENDED
    await people.auth.sessions.sign_out(None, tokens.refresh_token, HERE)
    await people.auth.sessions.sign_out(None, "unknown", HERE)


async def _disable(connection: Connection, principal: Principal) -> None:
    await connection.execute("UPDATE users SET disabled_at = now() WHERE id = $1", principal.user_id)


async def _leave_group(connection: Connection, principal: Principal) -> None:
    await connection.execute("DELETE FROM group_users WHERE user_id = $1", principal.user_id)


async def _become_admin(connection: Connection, principal: Principal) -> None:
    await connection.execute("UPDATE users SET role = 'admin' WHERE id = $1", principal.user_id)


async def _revoke(connection: Connection, principal: Principal) -> None:
    await connection.execute("UPDATE sessions SET revoked_at = now() WHERE id = $1", principal.session_id)


@pytest.mark.parametrize("change", [_disable, _leave_group, _become_admin, _revoke])
async def test_what_another_process_changes_holds_within_five_seconds(
    people: People, db: Database, change: Change
) -> None:
    group_id = await db.transaction(add_group, "web")
    user_id = await people.add("ann", groups=[group_id])
    token = await people.token(user_id)
    principal = await people.auth.watch.principal_of(token)
    assert isinstance(principal, Principal)
    assert principal.group_ids == {group_id}
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(people.auth.watch.wait_invalid, principal)
            await db.transaction(change, principal)
    assert await people.auth.watch.principal_of(token) != principal


async def test_a_change_told_by_this_process_holds_at_once(people: People, db: Database) -> None:
    group_id = await db.transaction(add_group, "web")
    user_id = await people.add("ann", groups=[group_id])
    token = await people.token(user_id)
    principal = await people.auth.watch.principal_of(token)
    assert isinstance(principal, Principal)
    await db.transaction(_leave_group, principal)
    people.auth.watch.forget(user_id=user_id)
    now = await people.auth.watch.principal_of(token)
    assert isinstance(now, Principal)
    assert now.group_ids == frozenset()


async def test_many_requests_of_a_session_cost_one_query(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    user_id = await people.add("ann")
    token = await people.token(user_id)
    reads = 0
    real = people.db.read

    async def counted(*args: object) -> object:
        nonlocal reads
        reads += 1
        return await real(*args)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(people.auth.watch._db, "read", counted)
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(people.auth.watch.principal_of, token)
    assert reads == 1
    assert MEMORY_SECONDS <= 2


async def test_people_end_their_own_sessions_only(people: People, db: Database) -> None:
    ann, bob = await people.add("ann"), await people.add("bob")
    here, there = await people.token(ann), await people.token(ann)
    foreign = await people.token(bob)
    mine = await people.auth.watch.principal_of(here)
    other = await people.auth.watch.principal_of(there)
    bobs = await people.auth.watch.principal_of(foreign)
    assert isinstance(mine, Principal)
    assert isinstance(other, Principal)
    assert isinstance(bobs, Principal)
    assert {row.id for row in await people.auth.sessions.open_sessions(mine)} == {mine.session_id, other.session_id}
    assert not await people.auth.sessions.end_session(mine, bobs.session_id, HERE)
    assert not await people.auth.sessions.end_session(mine, UUID(int=0), HERE)
    assert await people.auth.sessions.end_session(mine, other.session_id, HERE)
    assert not await people.auth.sessions.end_session(mine, other.session_id, HERE)
    assert await people.auth.watch.principal_of(there) is AuthError.ENDED
    assert isinstance(await people.auth.watch.principal_of(foreign), Principal)
    third = await people.token(ann)
    assert await people.auth.sessions.end_other_sessions(mine, HERE) == 1
    assert await people.auth.watch.principal_of(third) is AuthError.ENDED
    assert isinstance(await people.auth.watch.principal_of(here), Principal)
    assert (await actions(db)).count(("auth.session_ended", "ann", "success")) == 2
