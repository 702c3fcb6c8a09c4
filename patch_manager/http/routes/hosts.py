"""Hosts: the list, one host, adding, changing, removing. Reads come from the fleet picture, never the database."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address
from uuid import UUID, uuid4

from patch_manager.domain.health import ActorState, Health
from patch_manager.domain.holds import RebootHold
from patch_manager.domain.hosts import HostFacts, HostRecord, HostSnapshot, PatchSummary
from patch_manager.domain.principal import Permission, Principal, Scope
from patch_manager.http import after_commit
from patch_manager.http.errors import Conflict, Failure, FieldError, Invalid, NotFound
from patch_manager.http.host_rules import HOLD_FIELDS, hold_after, may_move, unknown_groups
from patch_manager.http.host_search import HOST_TIE, SORT_COLUMNS, matcher
from patch_manager.http.pages import sort_order
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.fleet import HostCreate, HostPatch, HostRow
from patch_manager.http.schemas.hosts import HostQuery
from patch_manager.http.services import Act, Changed, change, services
from patch_manager.storage import holds, host_registry
from patch_manager.storage.connecting import Connection
from patch_manager.supervisor.rows import encode, encode_row

routes = Routes("hosts")


@routes.route("GET", "/hosts", permission=Permission.FLEET_READ, query=HostQuery, answer=Page[HostRow])
async def list_hosts(principal: Principal, query: HostQuery) -> bytes:
    """Hosts of the caller's scope: filtered, sorted, in pages. ``total`` counts all that match."""
    order = sort_order(query.sort, SORT_COLUMNS, HOST_TIE)
    picture = services().supervisor.picture
    matches = matcher(query, datetime.now(UTC))
    found = [host for host in picture.hosts(principal.scope) if matches(host)]
    page, cursor = order.page(found, limit=query.limit, cursor=query.cursor)
    rows = b",".join([picture.row(host.record.id) for host in page])
    return b'{"items":[%s],"next_cursor":%s,"total":%d}' % (rows, encode(cursor), len(found))


@routes.route("POST", "/hosts", permission=Permission.FLEET_OPERATE, body=HostCreate, answer=HostRow, status=201)
async def add_host(principal: Principal, body: HostCreate) -> Reply | Failure:
    """Manage a host, from now on polled by an actor of its own.

    Operators add hosts to their own groups, or to none. An address that is managed already is answered 409; one that
    must never be dialled (the manager's own, link-local, metadata, multicast) 400 with the reason.
    """
    address = _canonical(body.address)
    if isinstance(address, Failure):
        return address
    refused = may_move(principal.scope, frozenset(), frozenset(body.group_ids))
    if refused is not None:
        return refused
    record = HostRecord(
        id=uuid4(),
        address=address,
        port=body.port or services().settings.agent.port,
        fqdn=body.fqdn,
        display_name=body.display_name or address,
        group_ids=frozenset(body.group_ids),
        created_at=datetime.now(UTC),
    )
    added = await change(principal, _add, principal, record)
    if isinstance(added, Failure):
        return added
    await after_commit.hosts_changed([record.id])
    return Reply(_row(record), headers={"Location": f"/api/v1/hosts/{record.id}"})


def _canonical(text: str) -> str | Failure:
    """The one form an address is stored in; IPv4-mapped IPv6 is the IPv4 address that it means."""
    try:
        ip = ip_address(text)
    except ValueError:
        return _bad_address("not an IPv4 or IPv6 address")
    if isinstance(ip, IPv6Address):
        if ip.scope_id is not None:
            return _bad_address("an address with a zone is meaningful on one machine only")
        ip = ip.ipv4_mapped or ip
    reason = services().forbidden_address(str(ip))
    return str(ip) if reason is None else _bad_address(f"hosts cannot be reached there: {reason}")


def _bad_address(reason: str) -> Failure:
    return Invalid(f"the address cannot be used: {reason}", errors=(FieldError("/address", reason),))


async def _add(connection: Connection, principal: Principal, record: HostRecord) -> Changed[None] | Failure:
    if await host_registry.known_groups(connection, record.group_ids) != record.group_ids:
        return unknown_groups()
    clash = await host_registry.add_host(connection, record, created_by=principal.user_id)
    if clash is not None:
        if principal.scope.sees(clash.group_ids):
            return Conflict(f"{record.address} is managed already, as {clash.display_name} ({clash.id})")
        return Conflict("this address is not available, ask an admin")  # no word about whose it is (DESIGN §4b)
    return Changed(None, (_act("host.created", record, _settings(record)),))


@routes.route("GET", "/hosts/<uuid:host_id>", permission=Permission.FLEET_READ, answer=HostRow)
async def show_host(principal: Principal, host_id: UUID) -> bytes | Failure:
    """One host, as its row in lists and live deltas."""
    picture = services().supervisor.picture
    if picture.get(host_id, principal.scope) is None:
        return NotFound()
    row: bytes = picture.row(host_id)
    return row


@routes.route("PATCH", "/hosts/<uuid:host_id>", permission=Permission.FLEET_OPERATE, body=HostPatch, answer=HostRow)
async def change_host(principal: Principal, host_id: UUID, body: HostPatch) -> bytes | Failure:
    """Change a host's name, FQDN, port, groups or reboot hold. Its address is its identity: remove and add it instead.

    Operators move hosts between their own groups only; taking the last group off is an administrator's. While
    ``reboot_hold`` is true no job reboots the host, from this answer on.
    """
    changed = await change(principal, _change, principal, host_id, body, services().settings.agent.port)
    if isinstance(changed, Failure):
        return changed
    if body.model_fields_set & HOLD_FIELDS:
        await after_commit.calendar_changed(None, ())
    await after_commit.hosts_changed([host_id])
    return _row(changed)


async def _change(
    connection: Connection, principal: Principal, host_id: UUID, body: HostPatch, default_port: int
) -> Changed[HostRecord] | Failure:
    scope = principal.scope
    wanted = frozenset(body.group_ids)
    known = await host_registry.known_groups(connection, wanted)  # locks: groups before hosts, everywhere
    before = await host_registry.lock_host(connection, host_id)
    if before is None or not scope.sees(before.group_ids):
        return NotFound()
    given = body.model_fields_set
    if "group_ids" in given:
        refused = may_move(scope, before.group_ids, wanted)
        if refused is not None:
            return refused
        if known != wanted:
            return unknown_groups()
    hold = hold_after(before.reboot_hold, body, principal.username, datetime.now(UTC))
    if isinstance(hold, Failure):
        return hold
    after = HostRecord(
        id=host_id,
        address=before.address,
        port=(body.port or default_port) if "port" in given else before.port,
        fqdn=body.fqdn if "fqdn" in given else before.fqdn,
        display_name=(body.display_name or before.address) if "display_name" in given else before.display_name,
        group_ids=wanted if "group_ids" in given else before.group_ids,
        created_at=before.created_at,
        reboot_hold=hold,
    )
    if after == before:
        return Changed(before, ())
    await host_registry.update_host(
        connection, host_id, port=after.port, fqdn=after.fqdn, display_name=after.display_name
    )
    await host_registry.leave_groups(connection, host_id, before.group_ids - after.group_ids)
    await host_registry.join_groups(connection, host_id, after.group_ids - before.group_ids)
    detail = {"before": _settings(before), "after": _settings(after)}
    groups = tuple(sorted(str(group) for group in before.group_ids | after.group_ids))
    acts: tuple[Act, ...] = ()
    if _settings(before) != _settings(after):
        acts = (Act("host.changed", str(host_id), groups, detail=detail),)
    if hold != before.reboot_hold:
        await holds.set_hold(connection, host_id, hold)
        acts += (_held(host_id, hold, groups),)
    return Changed(after, acts)


def _held(host_id: UUID, hold: RebootHold | None, groups: tuple[str, ...]) -> Act:
    if hold is None:
        return Act("host.reboot_hold_lifted", str(host_id), groups)
    return Act("host.reboot_hold_set", str(host_id), groups, detail={"reason": hold.reason})


@routes.route("DELETE", "/hosts/<uuid:host_id>", permission=Permission.FLEET_OPERATE)
async def remove_host(principal: Principal, host_id: UUID) -> Failure | None:
    """Stop managing a host. Its jobs and audit events stay. 409 while jobs of it wait, run or are unresolved."""
    removed = await change(principal, _remove, principal.scope, host_id)
    if isinstance(removed, Failure):
        return removed
    await after_commit.hosts_changed([host_id])
    return None


async def _remove(connection: Connection, scope: Scope, host_id: UUID) -> Changed[None] | Failure:
    record = await host_registry.lock_host(connection, host_id)
    if record is None or not scope.sees(record.group_ids):
        return NotFound()
    jobs = await host_registry.unfinished_jobs(connection, host_id)
    if jobs:
        words = "a job of this host is" if jobs == 1 else f"{jobs} jobs of this host are"
        return Conflict(f"{words} not finished: cancel, wait for or resolve them first")
    await host_registry.delete_host(connection, host_id)
    return Changed(None, (_act("host.deleted", record, _settings(record)),))


def _act(action: str, record: HostRecord, detail: dict[str, object]) -> Act:
    return Act(action, str(record.id), tuple(sorted(str(group) for group in record.group_ids)), detail=detail)


def _settings(record: HostRecord) -> dict[str, object]:
    return {
        "address": record.address,
        "port": record.port,
        "fqdn": record.fqdn,
        "display_name": record.display_name,
        "group_ids": sorted(str(group) for group in record.group_ids),
    }


def _row(record: HostRecord) -> bytes:
    """The row as the picture has it; what is stored, when the picture could not be told yet."""
    picture = services().supervisor.picture
    if picture.get(record.id) is not None:
        row: bytes = picture.row(record.id)
        return row
    unknown = HostSnapshot(
        record=record,
        facts=HostFacts(),
        health=Health.UNKNOWN,
        health_reason="not polled yet",
        health_since=None,
        patches=PatchSummary(),
        patches_read_at=None,
        reboot_required=False,
        actor_state=ActorState.STARTING,
        activity="starting",
        next_poll_at=None,
        last_seen_at=None,
    )
    return encode_row(unknown, picture.revision)
