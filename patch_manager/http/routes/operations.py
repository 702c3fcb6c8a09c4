"""Operations on one host, and the rollback of a finished job. Each is answered 202 with the job that does it."""

from __future__ import annotations

from typing import Final, assert_never
from uuid import UUID

from patch_manager.domain import deployments as words
from patch_manager.domain import operations as asked_for
from patch_manager.domain.deployments import JobView
from patch_manager.domain.jobs import Operation, RebootPolicy, When
from patch_manager.domain.operations import OperationRefusal, PackageRequest, PackageWish, Terms
from patch_manager.domain.principal import Permission, Principal
from patch_manager.http.deployment_rules import bad_packages
from patch_manager.http.errors import Conflict, Failure, FieldError, Forbidden, NotFound, Unprocessable
from patch_manager.http.idempotency import IDEMPOTENCY_HEADER, idempotency_key
from patch_manager.http.routes.deployments import origin
from patch_manager.http.routing import Reply, Routes
from patch_manager.http.schemas.jobs import JobDetail
from patch_manager.http.schemas.operations import PackageOperation, RebootRequest, RollbackPreview, RollbackRequest
from patch_manager.http.services import services
from patch_manager.supervisor.jobs.operations import Asked

routes = Routes("jobs")

_ASK_SECONDS: Final = 4.0  # a preview waits for its agent no longer than this


@routes.route(
    "POST",
    "/hosts/<uuid:host_id>/reboot",
    permission=Permission.FLEET_OPERATE,
    body=RebootRequest,
    answer=JobDetail,
    status=202,
)
async def reboot_host(principal: Principal, host_id: UUID, body: RebootRequest) -> Reply | Failure:
    """Queue a reboot of a host, proven by its uptime. 409 while the host is on hold. Takes an ``Idempotency-Key``."""
    asked = _asked(principal, body)
    if isinstance(asked, Failure):
        return asked
    return _answer(await services().operations.reboot(asked, host_id))


@routes.route(
    "POST",
    "/hosts/<uuid:host_id>/package-operations",
    permission=Permission.FLEET_OPERATE,
    body=PackageOperation,
    answer=JobDetail,
    status=202,
)
async def change_packages(principal: Principal, host_id: UUID, body: PackageOperation) -> Reply | Failure:
    """Queue an installation, an update or a removal on one host; what became of it is read from the host afterwards.

    Updates and removals name exactly one package. Takes an ``Idempotency-Key``.
    """
    asked = _asked(principal, body)
    if isinstance(asked, Failure):
        return asked
    request = PackageRequest(
        Operation(body.operation),
        tuple(PackageWish(package.name, package.version) for package in body.packages),
        body.purge,
        RebootPolicy(body.reboot),
    )
    return _answer(await services().operations.change_packages(asked, host_id, request))


@routes.route("GET", "/jobs/<uuid:job_id>/rollback", permission=Permission.FLEET_READ, answer=RollbackPreview)
async def preview_rollback(principal: Principal, job_id: UUID) -> RollbackPreview | Failure:
    """What a rollback of a job would undo, as far as known, and what it cannot promise. Nothing is queued."""
    preview = await services().operations.preview_rollback(principal, job_id, _knows_job)
    return NotFound() if isinstance(preview, words.NotFound) else RollbackPreview.model_validate(preview)


async def _knows_job(host_id: UUID, agent_job_id: str) -> bool | None:
    knows: bool | None = await services().supervisor.knows_job(host_id, agent_job_id, _ASK_SECONDS)
    return knows


@routes.route(
    "POST",
    "/jobs/<uuid:job_id>/rollback",
    permission=Permission.FLEET_OPERATE,
    body=RollbackRequest,
    answer=JobDetail,
    status=202,
)
async def rollback_job(principal: Principal, job_id: UUID, body: RollbackRequest) -> Reply | Failure:
    """Queue the rollback of a finished job through its agent; its packages are read afterwards.

    409 for a job that cannot be rolled back, and for an adopted one without ``confirm_adopted``. Takes an
    ``Idempotency-Key``.
    """
    asked = _asked(principal, body)
    if isinstance(asked, Failure):
        return asked
    return _answer(await services().operations.rollback(asked, job_id, confirm_adopted=body.confirm_adopted))


def _asked(principal: Principal, body: RebootRequest | PackageOperation | RollbackRequest) -> Asked | Failure:
    key = idempotency_key()
    if isinstance(key, Failure):
        return key
    return Asked(principal, Terms(When(body.when), body.reason, body.override_freeze), key, origin())


def _answer(result: JobView | OperationRefusal) -> Reply | Failure:
    match result:
        case JobView():
            return Reply(JobDetail.model_validate(result), headers={"Location": f"/api/v1/jobs/{result.id}"})
        case words.NotFound():
            return NotFound()
        case words.OnlyAdmins():
            return Forbidden("a freeze is overridden by an admin's word only")
        case words.NotPossible(reason):
            return Conflict(reason)
        case words.InvalidPackages(names):
            return bad_packages(names)
        case asked_for.Unfit(field, reason):
            return Unprocessable(reason, errors=(FieldError(f"/{field}", reason),))
        case words.IdempotencyConflict():
            return Conflict(f"this {IDEMPOTENCY_HEADER} was used with another request")
        case asked_for.NeedsConfirmation():
            return Conflict("the agent's job was adopted and may be somebody else's work: send confirm_adopted true")
        case _:
            assert_never(result)
