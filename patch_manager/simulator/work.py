"""How jobs are carried out: over time, in steps, and as the host's temper has it."""

import re

import trio

from patch_manager.simulator.catalogue import Patch, available_patches
from patch_manager.simulator.host import SimulatedHost
from patch_manager.simulator.jobs import Job, Operation, Status

_STEPS = 10
PACKAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,255}")


def submit(host: SimulatedHost, job: Job) -> None:
    """Accept *job*: it is in the table and runs when a slot is free. A lost job is in no table, and runs or not."""
    if job.operation is Operation.PATCH_APPLY:
        host.apply_jobs += 1
    if host.take("lose_jobs"):
        if host.temper.work_is_done:
            host.start_soon(_run, host, job)
        return
    host.jobs.add(job)
    host.publish(job)
    if job.operation is Operation.ROLLBACK and not host.spec.rollback_works:
        return  # several releases: created, and never leaves pending
    host.start_soon(_run, host, job)


async def _run(host: SimulatedHost, job: Job) -> None:
    with trio.CancelScope() as scope:
        host.job_scopes[job.job_id] = scope
        try:
            async with host.slots:
                job.status = Status.RUNNING
                job.message = "Job started"
                host.publish(job)
                await _carry_out(host, job)
        finally:
            del host.job_scopes[job.job_id]
    if job.status.is_final:
        host.publish(job)


def cancel(host: SimulatedHost, job: Job) -> None:
    """Stop a job that is not finished."""
    scope = host.job_scopes.get(job.job_id)
    job.finish(Status.CANCELLED, "Cancelled by the client")
    if scope is not None:
        scope.cancel()
    host.publish(job)


async def _carry_out(host: SimulatedHost, job: Job) -> None:
    match job.operation:
        case Operation.PATCH_APPLY | Operation.UPDATE:
            await _update(host, job)
        case Operation.INSTALL | Operation.REMOVE:
            await _steps(host, job, job.packages or ())
            _install_or_remove(host, job)
        case Operation.ROLLBACK:
            await _steps(host, job, job.packages or ())
            _roll_back(host, job)
        case Operation.REBOOT:
            job.message = "Rebooting"
            host.start_soon(host.reboot, job.delay)  # never reports completion: the host goes away


async def _steps(host: SimulatedHost, job: Job, names: tuple[str, ...]) -> None:
    for step in range(1, _STEPS + 1):
        await trio.sleep(host.spec.job_seconds / _STEPS)
        name = names[(step - 1) * len(names) // _STEPS] if names else "package lists"
        job.progress = min(99, step * 100 // _STEPS)
        job.message = f"Processing {name}"
        job.logs.append(job.message)
        job.stdout += f"{job.message} ...\n"
        host.publish(job)
        if step == _STEPS // 2:
            await _stumble(host, job)
            if job.status.is_final:
                return


async def _stumble(host: SimulatedHost, job: Job) -> None:
    """What goes wrong half-way, if anything."""
    if host.take("restart_mid_job"):
        updates = _resolve(host, job)[0] if job.operation in (Operation.PATCH_APPLY, Operation.UPDATE) else ()
        host.start_soon(host.restart_agent, updates)
        await trio.sleep_forever()  # until the restart cancels us
    if host.take("never_finish"):
        await trio.sleep_forever()
    if host.take("time_out_jobs"):
        job.fail("TIMEOUT", "Job exceeded its time limit of 1800 seconds", exit_code=124, status=Status.TIMED_OUT)
    elif host.take("fail_jobs"):
        code = host.temper.error_code
        job.fail(code, f"{host.spec.family.value.package_manager} failed: {code.lower().replace('_', ' ')}")


def _resolve(host: SimulatedHost, job: Job) -> tuple[tuple[Patch, ...], str | None]:
    """The pending updates the job is about, and the first name that no package has."""
    if job.packages is None:
        return host.patches, None
    installed = {package.name for package in host.installed()}
    missing = next((name for name in job.packages if name not in installed), None)
    return tuple(patch for patch in host.patches if patch.name in job.packages), missing


async def _update(host: SimulatedHost, job: Job) -> None:
    updates, missing = _resolve(host, job)
    if missing is not None:
        await trio.sleep(host.spec.job_seconds / _STEPS)
        job.fail("PKG_NOT_FOUND", f"Unable to locate package {missing}")
        return
    await _steps(host, job, tuple(patch.name for patch in updates))
    if job.status.is_final:
        return
    updates, _ = _resolve(host, job)  # another job may have been quicker
    job.updated = host.take_updates(updates)
    host.applied.append(job.updated)
    job.exit_code = 0
    needs_reboot = host.reboot_required or any(patch.requires_reboot for patch in updates)
    job.finish(Status.COMPLETED, f"{len(job.updated)} packages updated")
    # Releases before the alias reboot whenever they are asked to, later ones only when something needs it.
    if job.reboot and (needs_reboot or not host.spec.release.has_alias):
        host.start_soon(host.reboot, job.delay)


def _roll_back(host: SimulatedHost, job: Job) -> None:
    if job.status.is_final:
        return
    if job.original is not None and not host.temper.idle_rollbacks:
        host.put_back(job.original.updated)
        if job.original.operation is Operation.REMOVE:
            host.removed.difference_update(job.original.changed)
        else:
            host.removed.update(job.original.changed)
    job.exit_code = 0
    job.finish(Status.COMPLETED, "Rollback completed")


def _install_or_remove(host: SimulatedHost, job: Job) -> None:
    if job.status.is_final:
        return
    names = job.packages or ()
    installed = {package.name for package in host.installed()}
    known = {patch.name: patch.available_version for patch in available_patches(host.spec.family)}
    if job.operation is Operation.REMOVE:
        missing = next((name for name in names if name not in installed), None)
    else:
        missing = next((name for name in names if name not in installed | known.keys() | host.removed), None)
    if missing is not None:
        job.fail("PKG_NOT_FOUND", f"Unable to locate package {missing}")
        return
    job.changed = tuple(name for name in names if (name in installed) is (job.operation is Operation.REMOVE))
    if job.operation is Operation.REMOVE:
        host.removed.update(names)
        host.patches = tuple(patch for patch in host.patches if patch.name not in names)
    else:
        host.removed.difference_update(names)
        host.extra |= {name: known[name] for name in names if name in known and name not in installed}
    job.exit_code = 0
    job.finish(Status.COMPLETED, f"{len(names)} packages done")
