"""The agent's REST interface: from a parsed request to an answer, without any I/O."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson
import trio

from patch_manager.simulator import shapes
from patch_manager.simulator.bodies import Bodies
from patch_manager.simulator.host import SimulatedHost
from patch_manager.simulator.jobs import Job, Operation, Status
from patch_manager.simulator.specs import Dialect
from patch_manager.simulator.wire import Call, Reply, error_reply, rate_limited
from patch_manager.simulator.work import PACKAGE_NAME, cancel, submit

_DEFAULT_LIMIT = {"jobs": 50, "patches": 100, "packages": 100}
_SERVICES = ("ssh", "sshd", "cron", "crond", "nginx", "systemd-journald", "linux-patch-api")
_ONCE_ONLY = (b"content-type", b"authorization", b"host")


@dataclass(slots=True)
class _Context:
    host: SimulatedHost
    bodies: Bodies
    query: dict[str, str]
    body: bytes
    argument: str = ""
    parsed: dict[str, Any] = field(default_factory=dict)

    def number(self, name: str, default: int) -> int:
        try:
            return max(0, int(self.query[name]))
        except (KeyError, ValueError):
            return default


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


def respond(host: SimulatedHost, bodies: Bodies, call: Call) -> Reply:
    """Answer *call* and start what it asks for."""
    try:
        parts = urlsplit(call.target)
    except ValueError:  # "//[" and its like
        return error_reply(host, 400, "VALIDATION_ERROR", "the target is no URL")
    path = parts.path
    wait = host.limiter.check(call.client, call.method, path, trio.current_time())
    if wait:
        host.rate_limited += 1
        return rate_limited(wait)
    names = [name for name, _ in call.headers]
    if any(names.count(name) > 1 for name in _ONCE_ONLY):
        return error_reply(host, 400, "VALIDATION_ERROR", "duplicate header")
    handler, argument, allowed = _route(host, call.method, path)
    if handler is None:
        if not path.startswith("/api/v1"):
            return Reply(404, b"", b"")
        return Reply(405, b"", b"", ((b"allow", ", ".join(allowed or ("GET",)).encode()),))
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    context = _Context(host, bodies, query, call.body, unquote(argument))
    try:
        if call.method != "GET":
            _before_mutation(context, call)
        return handler(context)
    except _Refused as refused:
        return error_reply(host, refused.status, refused.code, refused.message, retry_after=refused.retry_after)


def _route(
    host: SimulatedHost, method: str, path: str
) -> tuple["Callable[[_Context], Reply] | None", str, tuple[str, ...]]:
    if path == "/health":
        return (_health if method == "GET" else None), "", ("GET",)
    if path == "/api/v1/health" and host.spec.release.only_old_health:
        return None, "", ("GET",)
    for pattern, methods in _ROUTES:
        if match := pattern.fullmatch(path):
            return methods.get(method), match.group(1) if pattern.groups else "", tuple(methods)
    return None, "", ()


def _before_mutation(context: _Context, call: Call) -> None:
    if context.host.temper.self_updating:
        raise _Refused(409, "SELF_UPDATE_IN_PROGRESS", "the agent is updating itself", retry_after=60)
    if call.method == "DELETE" or not call.body:
        return
    types = [value for name, value in call.headers if name == b"content-type"]
    if not types or not types[0].lower().startswith(b"application/json"):
        raise _Refused(400, "VALIDATION_ERROR", "Content-Type must be application/json")
    try:
        parsed = orjson.loads(call.body)
    except orjson.JSONDecodeError as error:
        raise _Refused(400, "VALIDATION_ERROR", f"not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise _Refused(400, "VALIDATION_ERROR", "expected an object")
    context.parsed = parsed


def _json(context: _Context, data: object, status: int = 200) -> Reply:
    return Reply(status, shapes.envelope(context.host.spec, orjson.dumps(data)))


def _accept(context: _Context, job: Job) -> Reply:
    host = context.host
    if host.temper.queue_full or host.jobs.count(Status.PENDING) >= host.spec.queue_size:
        raise _Refused(429, "QUEUE_FULL", "the job queue is full", retry_after=60)
    submit(host, job)
    return _json(context, shapes.accepted(host.spec, job), 202)


def _names(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not values:
        raise _Refused(400, "VALIDATION_ERROR", "packages must be a list of names")
    for name in values:
        if not isinstance(name, str) or not PACKAGE_NAME.fullmatch(name):
            raise _Refused(400, "VALIDATION_ERROR", f"invalid package name {name!r:.80}")
    return tuple(values)


def _integer(parsed: dict[str, Any], name: str) -> int:
    value = parsed.get(name)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _Refused(400, "VALIDATION_ERROR", f"{name} must be a number of seconds")
    return value


def _boolean(parsed: dict[str, Any], name: str) -> bool:
    value = parsed.get(name, False)
    if not isinstance(value, bool):
        raise _Refused(400, "VALIDATION_ERROR", f"{name} must be true or false")
    return value


def _health(context: _Context) -> Reply:
    return _json(context, shapes.health(context.host))


def _system_info(context: _Context) -> Reply:
    return _json(context, shapes.system_info(context.host))


def _packages(context: _Context) -> Reply:
    host, query = context.host, context.query
    if not query:
        return Reply(200, shapes.envelope(host.spec, context.bodies.packages(host)))
    items = host.installed()
    if "name" in query:
        items = [item for item in items if query["name"] in item.name]
    if "upgradable" in query:
        items = [item for item in items if (item.patch is not None) is (query["upgradable"] == "true")]
    if query.get("status", "installed").lower() != "installed":
        items = []
    if query.get("order") == "desc":
        items.reverse()
    total = len(items)
    if host.spec.dialect is Dialect.DOCUMENTATION:
        offset = context.number("offset", 0)
        items = items[offset : offset + context.number("limit", _DEFAULT_LIMIT["packages"])]
    return _json(context, {"packages": [shapes.package(host.spec, item) for item in items], "total": total})


def _package(context: _Context) -> Reply:
    for item in context.host.installed():
        if item.name == context.argument:
            return _json(context, shapes.package(context.host.spec, item))
    raise _Refused(404, "PKG_NOT_FOUND", f"package {context.argument} is not known")


def _install(context: _Context) -> Reply:
    wanted = context.parsed.get("packages")
    if not isinstance(wanted, list) or not all(isinstance(item, dict) for item in wanted):
        raise _Refused(400, "VALIDATION_ERROR", "packages must be a list of objects")
    return _accept(context, Job(Operation.INSTALL, _names([item.get("name") for item in wanted])))


def _update_one(context: _Context) -> Reply:
    return _accept(context, Job(Operation.UPDATE, _names([context.argument])))


def _remove_one(context: _Context) -> Reply:
    return _accept(context, Job(Operation.REMOVE, _names([context.argument])))


def _patches(context: _Context) -> Reply:
    limit = context.number("limit", _DEFAULT_LIMIT["patches"])
    body = context.bodies.patches(context.host, limit=limit, offset=context.number("offset", 0))
    return Reply(200, shapes.envelope(context.host.spec, body))


def _apply(context: _Context) -> Reply:
    parsed, release = context.parsed, context.host.spec.release
    packages = parsed.get("packages")
    if release.has_alias and "reboot" in parsed and "allow_reboot" in parsed:
        raise _Refused(400, "VALIDATION_ERROR", "duplicate field `allow_reboot`")
    field_name = "allow_reboot" if release.has_alias and "allow_reboot" in parsed else "reboot"
    job = Job(
        Operation.PATCH_APPLY,
        None if packages is None else _names(packages),
        reboot=_boolean(parsed, field_name),
        delay=_integer(parsed, "reboot_delay_seconds"),
    )
    return _accept(context, job)


def _reboot(context: _Context) -> Reply:
    busy = context.host.jobs.count(Status.RUNNING) + context.host.jobs.count(Status.PENDING)
    if busy and not _boolean(context.parsed, "force"):
        raise _Refused(409, "REBOOT_BLOCKED", f"{busy} jobs are not finished")
    return _accept(context, Job(Operation.REBOOT, (), delay=_integer(context.parsed, "delay_seconds")))


def _service(context: _Context) -> Reply:
    name = context.argument.removesuffix(".service")
    if name not in _SERVICES:
        raise _Refused(404, "SERVICE_NOT_FOUND", f"service {name} is not known")
    data = {
        "name": name,
        "display_name": f"{name} daemon",
        "active_state": "active",
        "sub_state": "running",
        "load_state": "loaded",
        "enabled_state": "enabled",
        "main_pid": 700 + _SERVICES.index(name),
        "healthy": True,
    }
    return _json(context, data)


def _jobs(context: _Context) -> Reply:
    spec = context.host.spec
    found = context.host.jobs.newest_first()
    if wanted := context.query.get("status"):
        found = [job for job in found if shapes.status(spec, job.status) == wanted.lower()]
    return _json(context, shapes.jobs(spec, found[: context.number("limit", _DEFAULT_LIMIT["jobs"])], len(found)))


def _find(context: _Context) -> Job:
    try:
        job_id = str(uuid.UUID(context.argument))
    except ValueError:
        raise _Refused(400, "INVALID_JOB_ID", "the job id is no UUID") from None
    job = context.host.jobs.get(job_id)
    if job is None:
        raise _Refused(404, "JOB_NOT_FOUND", f"job {job_id} is not known")
    return job


def _job(context: _Context) -> Reply:
    return _json(context, shapes.job_detail(context.host.spec, _find(context)))


def _rollback(context: _Context) -> Reply:
    original = _find(context)
    if original.status not in (Status.COMPLETED, Status.FAILED):
        raise _Refused(400, "ROLLBACK_NOT_ALLOWED", "only completed or failed jobs can be rolled back")
    job = Job(Operation.ROLLBACK, original.packages, original=original)
    reply = _accept(context, job)
    original.rollback_job_id = job.job_id
    return reply


def _delete_job(context: _Context) -> Reply:
    job = _find(context)
    if not job.status.is_final:
        if context.host.spec.dialect is Dialect.CODE:
            raise _Refused(409, "DELETE_NOT_ALLOWED", "the job is not finished")
        cancel(context.host, job)
        return _json(context, {"job_id": job.job_id, "status": "cancelled"})
    context.host.jobs.remove(job)
    return _json(context, {"job_id": job.job_id, "deleted": True})


_ROUTES: tuple[tuple[re.Pattern[str], dict[str, Callable[[_Context], Reply]]], ...] = (
    (re.compile(r"/api/v1/health"), {"GET": _health}),
    (re.compile(r"/api/v1/patches"), {"GET": _patches}),
    (re.compile(r"/api/v1/system/info"), {"GET": _system_info}),
    (re.compile(r"/api/v1/jobs"), {"GET": _jobs}),
    (re.compile(r"/api/v1/jobs/([^/]+)"), {"GET": _job, "DELETE": _delete_job}),
    (re.compile(r"/api/v1/jobs/([^/]+)/rollback"), {"POST": _rollback}),
    (re.compile(r"/api/v1/patches/apply"), {"POST": _apply}),
    (re.compile(r"/api/v1/packages"), {"GET": _packages, "POST": _install}),
    (re.compile(r"/api/v1/packages/([^/]+)"), {"GET": _package, "PUT": _update_one, "DELETE": _remove_one}),
    (re.compile(r"/api/v1/system/reboot"), {"POST": _reboot}),
    (re.compile(r"/api/v1/system/services/([^/]+)"), {"GET": _service}),
)
