"""Hosts, groups, patches, accounts and certificates in PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import trio

from patch_manager.domain.hosts import HostRecord
from patch_manager.storage import Connection, Database, groups, host_registry, patches, user_admin
from patch_manager.storage.certificates import (
    CertificateRow,
    list_certificates,
    revoked_certificates,
    store_certificate,
)

NOW = datetime(2030, 5, 17, 9, 0, 0, tzinfo=UTC)


def record(address: str, *group_ids: UUID) -> HostRecord:
    return HostRecord(uuid4(), address, 12443, "a.example.com", "a", frozenset(group_ids), NOW)


async def make_group(db: Database, name: str) -> UUID:
    group_id = uuid4()

    async def unit(connection: Connection) -> bool:
        return await groups.create_group(connection, group_id, name=name, description="", created_at=NOW)

    assert await db.transaction(unit)
    return group_id


async def add(db: Database, host: HostRecord) -> HostRecord | None:
    async def unit(connection: Connection) -> HostRecord | None:
        return await host_registry.add_host(connection, host, created_by=None)

    return await db.transaction(unit)


async def test_a_host_is_read_back_as_added(db: Database) -> None:
    host = record("127.1.0.1", await make_group(db, "one"), await make_group(db, "two"))
    assert await add(db, host) is None
    assert await db.read(host_registry.get_host, host.id) == host
    found = await db.read(host_registry.get_host, host.id)
    assert found is not None
    assert type(found.id) is UUID


async def test_an_address_belongs_to_one_host(db: Database) -> None:
    first, second = record("127.1.0.1"), record("127.1.0.1")
    assert await add(db, first) is None
    assert await add(db, second) == first
    assert await db.read(host_registry.get_host, second.id) is None


async def test_two_who_add_the_same_address_at_once_make_one_host(db: Database) -> None:
    hosts = [record("127.1.0.1"), record("127.1.0.1")]
    clashes: list[HostRecord | None] = []

    async def one(host: HostRecord) -> None:
        clashes.append(await add(db, host))

    async with trio.open_nursery() as nursery:
        for host in hosts:
            nursery.start_soon(one, host)
    assert clashes.count(None) == 1


async def test_a_locked_host_is_read_with_the_groups_of_after_the_wait(db: Database) -> None:
    group_id = await make_group(db, "one")
    host = record("127.1.0.1", group_id)
    await add(db, host)
    locked, left = trio.Event(), trio.Event()
    seen: list[frozenset[UUID]] = []

    async def leave(connection: Connection) -> None:
        await host_registry.lock_host(connection, host.id)
        locked.set()
        await host_registry.leave_groups(connection, host.id, [group_id])

    async def look(connection: Connection) -> None:
        found = await host_registry.lock_host(connection, host.id)
        assert found is not None
        seen.append(found.group_ids)

    async def first() -> None:
        await db.transaction(leave)
        left.set()

    async def second() -> None:
        await locked.wait()
        await db.transaction(look)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(first)
        nursery.start_soon(second)
    assert seen == [frozenset()]
    assert left.is_set()


async def test_history_goes_back_to_the_state_in_force(db: Database) -> None:
    host = record("127.1.0.1")
    await add(db, host)

    async def fill(connection: Connection) -> None:
        await connection.executemany(
            "INSERT INTO health_history VALUES ($1, $2, $3, $4)",
            [(host.id, NOW - timedelta(days=day), "healthy", str(day)) for day in (1, 2, 8, 9)],
        )

    async def read(connection: Connection) -> list[str]:
        found = await host_registry.health_history(connection, host.id, since=NOW - timedelta(days=5), limit=10)
        return [entry.reason for entry in found]

    await db.transaction(fill)
    assert await db.read(read) == ["1", "2", "8"]


async def test_a_deleted_group_tells_what_it_opened(db: Database) -> None:
    one, two = await make_group(db, "one"), await make_group(db, "two")
    both, alone = record("127.1.0.1", one, two), record("127.1.0.2", one)
    await add(db, both)
    await add(db, alone)
    deleted = await db.transaction(groups.delete_group, one)
    assert set(deleted.host_ids) == {both.id, alone.id}
    assert deleted.opened_hosts == 1
    found = await db.read(host_registry.get_host, both.id)
    assert found is not None
    assert found.group_ids == {two}


async def test_patches_of_a_host_are_read_as_stored(db: Database) -> None:
    host = record("127.1.0.1")
    await add(db, host)

    async def fill(connection: Connection) -> None:
        await connection.execute(
            "INSERT INTO host_patches VALUES ($1, 'openssl', '1', '2', 'critical', '{CVE-2030-1}', true, 'x', $2)",
            host.id,
            NOW,
        )

    await db.transaction(fill)
    (pending,) = await db.read(patches.patches_of, host.id)
    assert (pending.patch.name, pending.patch.cve_ids, pending.first_seen_at) == ("openssl", ("CVE-2030-1",), NOW)
    assert pending.patch.requires_reboot


async def test_an_earlier_disabling_keeps_its_time(db: Database) -> None:
    user_id = uuid4()

    async def unit(connection: Connection) -> datetime | None:
        await connection.execute(
            "INSERT INTO users (id, username, role, password_hash) VALUES ($1, 'u', 'operator', 'x')", user_id
        )
        await user_admin.set_account(connection, user_id, role="operator", disabled_at=NOW)
        await user_admin.set_account(connection, user_id, role="admin", disabled_at=NOW + timedelta(days=1))
        found = await user_admin.get_user(connection, user_id)
        assert found is not None
        return found.disabled_at

    assert await db.transaction(unit) == NOW


async def test_the_revocation_list_names_what_has_not_expired(db: Database) -> None:
    def certificate(serial: str, days: int) -> CertificateRow:
        return CertificateRow(
            serial, "agent_server", "a", ("127.1.0.1",), None, NOW, NOW + timedelta(days=days), "f", "PEM", NOW
        )

    async def unit(connection: Connection) -> None:
        for serial, days in (("01", 10), ("02", -1), ("03", 10)):
            await store_certificate(connection, certificate(serial, days))
        await connection.execute("UPDATE certificates SET revoked_at = $1 WHERE serial <> '03'", NOW)

    await db.transaction(unit)
    assert [row.serial for row in await db.read(revoked_certificates, NOW)] == ["01"]
    rows, total = await db.read(list_certificates)
    assert ([row.serial for row in rows], total) == (["03", "02", "01"], 3)
    assert rows[0].sans == ("127.1.0.1",)
