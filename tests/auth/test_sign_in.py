"""Password and second factor (TRUST 5, 6, 7)."""

from __future__ import annotations

import time
from statistics import median
from uuid import UUID

import pytest
import trio

from patch_manager.auth import (
    AccountError,
    Auth,
    AuthError,
    Client,
    Enrolment,
    MfaTicket,
    Throttled,
    Tokens,
    create_user,
)
from patch_manager.auth.throttle import FREE_TRIES, LONGEST_WAIT
from patch_manager.domain.principal import Principal, Role
from patch_manager.storage import Connection, Database, users
from tests.auth.conftest import ELSEWHERE, HERE
from tests.people import PASSWORD, SECRET, People, WallClock, actions


async def ticket_of(auth: Auth, username: str = "ann", client: Client = HERE) -> MfaTicket:
    ticket = await auth.sign_in.password(username, PASSWORD, client)
    assert isinstance(ticket, MfaTicket)
    return ticket


async def test_password_and_code_open_a_session(people: People, clock: WallClock, db: Database) -> None:
    user_id = await people.add("Ann")
    ticket = await ticket_of(people.auth, "aNN")
    assert ticket.methods == ("totp",)
    tokens = await people.auth.sign_in.totp(ticket.token, clock.code(), HERE)
    assert isinstance(tokens, Tokens)
    assert (tokens.expires_in, tokens.refresh_max_age) == (900, 12 * 3600)
    principal = await people.auth.watch.principal_of(tokens.access_token)
    assert isinstance(principal, Principal)
    assert (principal.user_id, principal.username, principal.session_id) == (user_id, "Ann", tokens.session_id)
    assert await actions(db) == [
        ("auth.password_accepted", "Ann", "success"),
        ("auth.signed_in", "Ann", "success"),
    ]


async def test_unknown_disabled_and_wrong_look_alike(people: People, db: Database) -> None:
    await people.add("ann")
    disabled = await people.add("gone")
    await db.transaction(_disable, disabled)
    wrong = await people.auth.sign_in.password("ann", "wrong password", HERE)
    unknown = await people.auth.sign_in.password("nobody", PASSWORD, HERE)
    gone = await people.auth.sign_in.password("gone", PASSWORD, HERE)
    assert wrong is unknown is gone is AuthError.CREDENTIALS
    assert [action for action, _, _ in await actions(db)] == ["auth.password_refused"] * 3


async def test_a_name_nobody_has_is_not_written_down(people: People, db: Database) -> None:
    await people.auth.sign_in.password("my-password-in-the-wrong-field", PASSWORD, HERE)
    assert await actions(db) == [("auth.password_refused", "(unknown)", "failure")]


async def test_unknown_users_cost_as_much_time_as_wrong_passwords(people: People) -> None:
    await people.add("ann")
    known, unknown = [], []
    await people.auth.sign_in.password("warm-up", "wrong", HERE)
    for number in range(FREE_TRIES - 1):
        started = time.perf_counter()
        await people.auth.sign_in.password("ann", "wrong", HERE)
        known.append(time.perf_counter() - started)
        started = time.perf_counter()
        await people.auth.sign_in.password("nobody", f"wrong{number}", HERE)
        unknown.append(time.perf_counter() - started)
    assert median(unknown) > median(known) / 3
    assert median(known) > median(unknown) / 3


async def test_a_code_works_once_also_when_sent_twice_at_the_same_moment(people: People, clock: WallClock) -> None:
    await people.add("ann")
    tickets = [await ticket_of(people.auth) for _ in range(4)]
    results: list[object] = []

    async def redeem(token: str) -> None:
        results.append(await people.auth.sign_in.totp(token, clock.code(), HERE))

    async with trio.open_nursery() as nursery:
        for ticket in tickets:
            nursery.start_soon(redeem, ticket.token)
    assert sum(isinstance(result, Tokens) for result in results) == 1
    assert sum(result is AuthError.CODE for result in results) == 3


async def test_a_ticket_works_once(people: People, clock: WallClock) -> None:
    await people.add("ann")
    ticket = await ticket_of(people.auth)
    assert isinstance(await people.auth.sign_in.totp(ticket.token, clock.code(), HERE), Tokens)
    clock.forward(seconds=30)
    assert await people.auth.sign_in.totp(ticket.token, clock.code(), HERE) is AuthError.TICKET


@pytest.mark.parametrize(("steps", "works"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_codes_of_one_step_around_now_work(people: People, clock: WallClock, steps: int, works: bool) -> None:
    await people.add("ann")
    ticket = await ticket_of(people.auth)
    result = await people.auth.sign_in.totp(ticket.token, clock.code(steps=steps), HERE)
    assert isinstance(result, Tokens) is works


async def test_an_older_code_does_not_work_after_a_newer_one(people: People, clock: WallClock) -> None:
    await people.add("ann")
    first, second = await ticket_of(people.auth), await ticket_of(people.auth)
    assert isinstance(await people.auth.sign_in.totp(first.token, clock.code(), HERE), Tokens)
    assert await people.auth.sign_in.totp(second.token, clock.code(steps=-1), HERE) is AuthError.CODE


async def test_a_ticket_dies_of_age_wrong_codes_another_address_and_a_new_password(
    people: People, clock: WallClock, db: Database
) -> None:
    user_id = await people.add("ann")
    old = await ticket_of(people.auth)
    clock.forward(minutes=5)
    assert await people.auth.sign_in.totp(old.token, clock.code(), HERE) is AuthError.TICKET
    stolen = await ticket_of(people.auth)
    assert await people.auth.sign_in.totp(stolen.token, clock.code(), ELSEWHERE) is AuthError.TICKET
    guessed = await ticket_of(people.auth)
    answers = [await people.auth.sign_in.totp(guessed.token, "000000", HERE) for _ in range(5)]
    assert answers == [AuthError.CODE] * 4 + [AuthError.TICKET]
    assert await people.auth.sign_in.totp(guessed.token, clock.code(), HERE) is AuthError.TICKET
    before = await ticket_of(people.auth)
    await db.transaction(_change_password, user_id)
    assert await people.auth.sign_in.totp(before.token, clock.code(), HERE) is AuthError.TICKET


async def test_a_ticket_opens_nothing_but_its_purpose(people: People, clock: WallClock) -> None:
    await people.add("ann")
    ticket = await ticket_of(people.auth)
    assert await people.auth.sign_in.enrol(ticket.token, HERE) is AuthError.TICKET
    assert await people.auth.sign_in.confirm(ticket.token, clock.code(), HERE) is AuthError.TICKET
    assert await people.auth.watch.principal_of(ticket.token) is AuthError.TOKEN
    assert await people.auth.sessions.refresh(ticket.token, HERE) is AuthError.REFRESH


async def test_a_user_without_a_second_factor_enrols_one_first(people: People, clock: WallClock, db: Database) -> None:
    await people.add("ann", secret=None)
    ticket = await ticket_of(people.auth)
    assert ticket.methods == ("totp_enrolment",)
    assert await people.auth.sign_in.totp(ticket.token, clock.code(), HERE) is AuthError.TICKET
    assert await people.auth.sign_in.confirm(ticket.token, "123456", HERE) is AuthError.CODE
    enrolment = await people.auth.sign_in.enrol(ticket.token, HERE)
    assert isinstance(enrolment, Enrolment)
    assert enrolment.secret in enrolment.otpauth_uri
    code = clock.code(enrolment.secret)
    assert isinstance(await people.auth.sign_in.confirm(ticket.token, code, HERE), Tokens)
    assert ("auth.totp_enrolled", "ann", "success") in await actions(db)
    again = await ticket_of(people.auth)
    assert again.methods == ("totp",)
    assert await people.auth.sign_in.totp(again.token, code, HERE) is AuthError.CODE


async def test_guessing_is_slowed_and_the_owner_elsewhere_is_not(people: People) -> None:
    await people.add("ann")
    for _ in range(FREE_TRIES):
        assert await people.auth.sign_in.password("ann", "wrong", HERE) is AuthError.CREDENTIALS
    refused = await people.auth.sign_in.password("ann", PASSWORD, HERE)
    assert isinstance(refused, Throttled)
    assert 0 < refused.retry_after <= LONGEST_WAIT
    assert isinstance(await people.auth.sign_in.password("ann", PASSWORD, ELSEWHERE), MfaTicket)
    await trio.sleep(refused.retry_after)
    assert isinstance(await people.auth.sign_in.password("ann", PASSWORD, HERE), MfaTicket)


async def test_a_burst_of_guesses_is_slowed_like_guesses_in_turn(people: People) -> None:
    await people.add("ann")
    results: list[object] = []

    async def guess(number: int) -> None:
        results.append(await people.auth.sign_in.password("ann", f"wrong {number}", HERE))

    async with trio.open_nursery() as nursery:
        for number in range(3 * FREE_TRIES):
            nursery.start_soon(guess, number)
    assert sum(result is AuthError.CREDENTIALS for result in results) == FREE_TRIES


async def test_a_hash_of_old_parameters_is_replaced_at_sign_in(people: People, db: Database) -> None:
    user_id = await people.add("ann")
    await db.transaction(_store_hash, user_id, _weaker_hash())
    await ticket_of(people.auth)
    user = await db.read(users.by_id, user_id)
    assert user is not None
    assert "m=64,t=1" in user.password_hash
    await ticket_of(people.auth)


async def test_nothing_is_changed_when_the_audit_log_cannot_be_written(
    people: People, owner_db: Database, clock: WallClock, db: Database
) -> None:
    await people.add("ann")
    ticket = await ticket_of(people.auth)
    await owner_db.transaction(_break_audit)
    with pytest.raises(Exception, match="audit"):
        await people.auth.sign_in.totp(ticket.token, clock.code(), HERE)
    assert await db.read(_count_sessions) == 0
    await owner_db.transaction(_mend_audit)
    assert isinstance(await people.auth.sign_in.totp(ticket.token, clock.code(), HERE), Tokens)


async def test_the_command_line_makes_an_admin_who_can_sign_in(people: People, clock: WallClock, db: Database) -> None:
    made = await create_user(
        db,
        people.audit,
        people.vault,
        people.passwords,
        username="root",
        password=PASSWORD,
        role=Role.ADMIN,
        totp_secret=SECRET.lower(),
    )
    assert made.startswith("otpauth://totp/")
    assert f"secret={SECRET}" in made
    assert await actions(db) == [("user.created", "command line", "success")]
    ticket = await ticket_of(people.auth, "root")
    assert isinstance(await people.auth.sign_in.totp(ticket.token, clock.code(), HERE), Tokens)


@pytest.mark.parametrize(
    ("username", "password", "secret", "words"),
    [
        ("ann", PASSWORD, None, "exists already"),
        ("bad name", PASSWORD, None, "user name"),
        ("bob", "short", None, "password"),
        ("bob", PASSWORD, "not base32!", "base32"),
        ("bob", PASSWORD, "AAAA", "shorter"),
    ],
)
async def test_an_account_that_cannot_be_made_is_refused_in_words(
    people: People, db: Database, username: str, password: str, secret: str | None, words: str
) -> None:
    await people.add("ANN")
    with pytest.raises(AccountError, match=words):
        await create_user(
            db,
            people.audit,
            people.vault,
            people.passwords,
            username=username,
            password=password,
            role=Role.OPERATOR,
            totp_secret=secret,
        )


def _weaker_hash() -> str:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


async def _store_hash(connection: Connection, user_id: UUID, hashed: str) -> None:
    await connection.execute("UPDATE users SET password_hash = $2 WHERE id = $1", user_id, hashed)


async def _disable(connection: Connection, user_id: UUID) -> None:
    await connection.execute("UPDATE users SET disabled_at = now() WHERE id = $1", user_id)


async def _change_password(connection: Connection, user_id: UUID) -> None:
    await connection.execute("UPDATE users SET password_changed_at = now() WHERE id = $1", user_id)


async def _break_audit(connection: Connection) -> None:
    await connection.execute("ALTER TABLE audit_log RENAME TO audit_log_away")


async def _mend_audit(connection: Connection) -> None:
    await connection.execute("ALTER TABLE audit_log_away RENAME TO audit_log")


async def _count_sessions(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM sessions"))
