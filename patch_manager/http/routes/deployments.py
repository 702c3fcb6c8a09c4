"""Deployments: what operators ask for, over many hosts. The jobs room does it; here are only words and statuses."""

from __future__ import annotations

from typing import assert_never
from uuid import UUID

from patch_manager.domain import deployments as words
from patch_manager.domain import previews
from patch_manager.domain.deployments import DeploymentRequest, DeploymentView
from patch_manager.domain.jobs import RebootPolicy, When
from patch_manager.domain.principal import Permission, Principal
from patch_manager.http.call import call
from patch_manager.http.deployment_rules import bad_packages, excluded, refused, rollout_of
from patch_manager.http.errors import Conflict, Failure, FieldError, Forbidden, NotFound, Unprocessable
from patch_manager.http.idempotency import IDEMPOTENCY_HEADER, idempotency_key
from patch_manager.http.large_answers import preview_json
from patch_manager.http.pages import PageQuery, refuse
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.schemas.base import Page
from patch_manager.http.schemas.jobs import DeploymentCreate, DeploymentOut, DeploymentPreview
from patch_manager.http.schemas.rollouts import ResumeIn
from patch_manager.http.services import services
from patch_manager.supervisor.jobs.going_on import GoingOnRefusal

routes = Routes("deployments")

_SETTLE_SECONDS = 2.0  # what a row shows already belongs into a preview of it


@routes.route(
    "POST", "/deployments", permission=Permission.FLEET_OPERATE, body=DeploymentCreate, answer=DeploymentOut, status=202
)
async def create_deployment(principal: Principal, body: DeploymentCreate) -> Reply | Failure:
    """Queue a job for every host named, or for none: one host out of the caller's sight refuses the whole batch (404).

    With an ``Idempotency-Key`` header the same request may be sent again and gives the same deployment; another request
    under the same key is answered 409.
    """
    key = idempotency_key()
    if isinstance(key, Failure):
        return key
    made = await services().deployments.create(principal, _request(body), key, origin())
    if not isinstance(made, DeploymentView):
        return _refusal(made)
    return Reply(deployment_out(made), headers={"Location": f"/api/v1/deployments/{made.id}"})


@routes.route(
    "POST", "/deployments/preview", permission=Permission.FLEET_OPERATE, body=DeploymentCreate, answer=DeploymentPreview
)
async def preview_deployment(principal: Principal, body: DeploymentCreate) -> Reply | Failure:
    """What a deployment would do, host by host, from the patches as last read. Nothing is queued."""
    await services().supervisor.settled(body.host_ids, _SETTLE_SECONDS)
    preview = await services().deployments.preview(principal, _request(body))
    if not isinstance(preview, previews.DeploymentPreview):
        return _refusal(preview)
    return Reply(await preview_json(preview))


@routes.route("GET", "/deployments", permission=Permission.FLEET_READ, query=PageQuery, answer=Page[DeploymentOut])
async def list_deployments(principal: Principal, query: PageQuery) -> Page[DeploymentOut]:
    """Deployments over hosts in the caller's sight, newest first."""
    page = await services().deployments.list(principal, query.limit, query.cursor)
    if isinstance(page, words.NotPossible):
        raise refuse("/cursor", page.reason)
    items = [deployment_out(view) for view in page.items]
    return Page[DeploymentOut](items=items, next_cursor=page.next_cursor, total=page.total)


@routes.route("GET", "/deployments/<uuid:deployment_id>", permission=Permission.FLEET_READ, answer=DeploymentOut)
async def show_deployment(principal: Principal, deployment_id: UUID) -> DeploymentOut | Failure:
    """One deployment, with totals over the jobs of hosts in the caller's sight."""
    return _found(await services().deployments.get(principal, deployment_id))


@routes.route(
    "POST", "/deployments/<uuid:deployment_id>/cancel", permission=Permission.FLEET_OPERATE, answer=DeploymentOut
)
async def cancel_deployment(principal: Principal, deployment_id: UUID) -> DeploymentOut | Failure:
    """Cancel the jobs that have sent nothing to their agents yet; those at work go on."""
    return _found(await services().deployments.cancel(principal, deployment_id, origin()))


@routes.route(
    "POST",
    "/deployments/<uuid:deployment_id>/retry-failed",
    permission=Permission.FLEET_OPERATE,
    answer=DeploymentOut,
    status=202,
)
async def retry_failed(principal: Principal, deployment_id: UUID) -> DeploymentOut | Failure:
    """Queue a new job for every host whose job failed; it takes the old one's place in the totals."""
    return _found(await services().deployments.retry_failed(principal, deployment_id, origin()))


@routes.route(
    "POST",
    "/deployments/<uuid:deployment_id>/resume",
    permission=Permission.FLEET_OPERATE,
    body=ResumeIn,
    answer=DeploymentOut,
    status=202,
)
async def resume_deployment(principal: Principal, deployment_id: UUID, body: ResumeIn) -> DeploymentOut | Failure:
    """Go on with a stopped deployment; what failed until now counts no more towards the rule.

    The rule may be given new limits, or null for none. 409 unless it is stopped; 403 for who sees a part of its hosts.
    """
    rule = body.model_dump(exclude_unset=True)
    return _decided(await services().deployments.resume(principal, deployment_id, rule, origin()))


@routes.route(
    "POST",
    "/deployments/<uuid:deployment_id>/release",
    permission=Permission.FLEET_OPERATE,
    answer=DeploymentOut,
    status=202,
)
async def release_ring(principal: Principal, deployment_id: UUID) -> DeploymentOut | Failure:
    """Skip the present soak: the next ring starts at once.

    409 when none is soaking; 403 for who sees a part of the deployment's hosts.
    """
    return _decided(await services().deployments.release(principal, deployment_id, origin()))


def origin() -> words.Origin:
    """Where the request in hand comes from, for the audit log."""
    sender = call()
    return words.Origin(ip=sender.ip, request_id=sender.request_id)


def deployment_out(view: DeploymentView) -> DeploymentOut:
    """A deployment as answered."""
    return DeploymentOut.model_validate(view)


def _request(body: DeploymentCreate) -> DeploymentRequest:
    return DeploymentRequest(
        host_ids=tuple(dict.fromkeys(body.host_ids)),
        group_ids=tuple(dict.fromkeys(body.group_ids)),
        packages=None if body.packages is None else tuple(dict.fromkeys(body.packages)),
        security_only=body.security_only,
        when=When(body.when),
        reboot=RebootPolicy(body.reboot),
        override_freeze=body.override_freeze,
        exclude=excluded(body.exclude),
        rollout=rollout_of(body.rollout),
    )


def _found(view: DeploymentView | words.NotFound) -> DeploymentOut | Failure:
    return deployment_out(view) if isinstance(view, DeploymentView) else NotFound()


def _decided(result: DeploymentView | GoingOnRefusal) -> DeploymentOut | Failure:
    match result:
        case DeploymentView():
            return deployment_out(result)
        case words.NotFound():
            return NotFound()
        case words.NotPossible(reason):
            return Conflict(reason)
        case words.NotWholly():
            return Forbidden("not available for a deployment of which you see a part: ask an administrator")
        case words.InvalidRollout(problems):
            return refused(problems, below="")
        case _:
            assert_never(result)


def _refusal(refusal: words.CreateRefusal) -> Failure:
    match refusal:
        case words.HostsNotAvailable():
            return NotFound()
        case words.OnlyAdmins():
            return Forbidden("a freeze is overridden by an admin's word only")
        case words.NoHosts():
            return Unprocessable("name at least one host, or a group that has one")
        case words.InvalidPackages(names):
            return bad_packages(names)
        case words.InvalidExclusion(index, reason):
            return Unprocessable("the exclusion cannot be used", errors=(FieldError(f"/exclude/{index}", reason),))
        case words.InvalidRollout(problems):
            return refused(problems)
        case words.IdempotencyConflict():
            return Conflict(f"this {IDEMPOTENCY_HEADER} was used with another request")
        case _:
            assert_never(refusal)
