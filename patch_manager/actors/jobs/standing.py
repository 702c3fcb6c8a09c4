"""Where a host stands with a job's work: what it is about, what of it is not done, and what nobody can tell. Pure.

Patching is told from pending patches, everything else from installed packages. A rollback is done when its packages
are as they were before the job it undoes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from patch_manager.actors.jobs import rules
from patch_manager.actors.jobs.messages import PackagesRead, PackageState, PatchesRead
from patch_manager.domain.job_record import JobRecord, Target, Undo
from patch_manager.domain.jobs import LEFT_OUT, Operation, PackageResult
from patch_manager.domain.patches import Patch

State = PatchesRead | PackagesRead
"""What was read of the host."""

DONE: Final = {
    Operation.PATCH_APPLY: PackageResult.UPDATED,
    Operation.UPDATE: PackageResult.UPDATED,
    Operation.INSTALL: PackageResult.INSTALLED,
    Operation.REMOVE: PackageResult.REMOVED,
    Operation.ROLLBACK: PackageResult.RESTORED,
    Operation.REBOOT: PackageResult.UPDATED,
}
"""The result of a package whose work is done."""

LEFT: Final = {
    Operation.PATCH_APPLY: PackageResult.KEPT_BACK,
    Operation.UPDATE: PackageResult.KEPT_BACK,
    Operation.INSTALL: PackageResult.FAILED,
    Operation.REMOVE: PackageResult.FAILED,
    Operation.ROLLBACK: PackageResult.NOT_RESTORED,
    Operation.REBOOT: PackageResult.KEPT_BACK,
}
"""The result of a package whose work is not done although the agent reports success."""


@dataclass(frozen=True, slots=True)
class Looked:
    """The packages whose work is not done, those of which nobody can tell, and what was read."""

    left: tuple[Target, ...] = ()
    unclear: tuple[Target, ...] = ()
    state: State | None = None

    @property
    def open(self) -> tuple[Target, ...]:
        """All that cannot be believed to be done."""
        return self.left + self.unclear


def names_of(record: JobRecord) -> tuple[str, ...]:
    """The packages that a job other than patching is about."""
    if record.undoes is not None:
        return tuple(target.name for target in _changed(record.undoes))
    return record.requested or ()


def freeze(record: JobRecord, state: State) -> tuple[Target, ...]:
    """The list that the job keeps, with what is installed at its beginning."""
    if isinstance(state, PatchesRead):
        return rules.freeze(record, state.patches)
    if record.undoes is not None:
        return tuple(_undone(target, record.undoes, state) for target in _changed(record.undoes))
    return tuple(_target(record, name, _version_of(record, name), state) for name in record.requested or ())


def _changed(undo: Undo) -> tuple[Target, ...]:
    return tuple(target for target in undo.packages if target.result not in LEFT_OUT)


def _undone(before: Target, undo: Undo, state: PackagesRead) -> Target:
    found = state.packages.get(before.name)
    now = before.to_version if found is None or found.version is None else found.version
    target = Target(before.name, None if undo.operation is Operation.REMOVE else now, before.from_version)
    there = _back(undo.operation, target, found, None)
    # One that is as it was before is sent all the same: the agent's rollback takes the whole job, and no names.
    return replace(target, result=PackageResult.NOT_NEEDED) if there is _DONE else target


def _version_of(record: JobRecord, name: str) -> str | None:
    wanted = dict(zip(record.requested or (), record.versions, strict=False))
    return wanted.get(name)


def _target(record: JobRecord, name: str, version: str | None, state: PackagesRead) -> Target:
    found = state.packages.get(name)
    current = None if found is None else found.version
    if record.operation is Operation.REMOVE:
        needed = found is not None
        return Target(name, current, None, result=PackageResult.PENDING if needed else PackageResult.NOT_NEEDED)
    if record.operation is Operation.INSTALL:
        needed = found is None or (version is not None and current != version)
    else:
        newer = found is None or _upgradable(found, name, state) or found.latest_version not in (None, current)
        needed = newer if version is None else current != version
    to = version or (None if found is None else found.latest_version)
    return Target(name, current, to, result=PackageResult.PENDING if needed else PackageResult.NOT_NEEDED)


def missing(record: JobRecord, targets: Iterable[Target], state: State) -> tuple[str, ...]:
    """Packages to be updated that are not installed: no agent could do that."""
    if record.operation is not Operation.UPDATE or not isinstance(state, PackagesRead):
        return ()
    return tuple(target.name for target in targets if target.name not in state.packages)


# Looking

_DONE: Final = "done"
_LEFT: Final = "left"
_UNCLEAR: Final = "unclear"


def look(record: JobRecord, targets: Iterable[Target], state: State) -> Looked:
    """What of ``targets`` is not done by what was read."""
    targets = tuple(targets)
    if isinstance(state, PatchesRead):
        return Looked(rules.still_pending(targets, state.patches), (), state)
    said = [(target, _stands(record, target, state)) for target in targets]
    return Looked(
        tuple(target for target, word in said if word == _LEFT),
        tuple(target for target, word in said if word == _UNCLEAR),
        state,
    )


def _stands(record: JobRecord, target: Target, state: PackagesRead) -> str:
    found = state.packages.get(target.name)
    if record.undoes is not None:
        return _back(record.undoes.operation, target, found, state.pending)
    if record.operation is Operation.REMOVE:
        return _DONE if found is None else _LEFT
    if found is None:
        return _LEFT
    wanted = _version_of(record, target.name)
    if wanted is not None:
        return _DONE if found.version == wanted else _LEFT
    if record.operation is Operation.INSTALL:
        return _DONE
    if found.version is None or target.from_version is None:
        return _LEFT if _upgradable(found, target.name, state) else _DONE
    return _LEFT if found.version == target.from_version else _DONE


def _upgradable(found: PackageState, name: str, state: PackagesRead) -> bool:
    """Agents that tell little of a package still list its patch."""
    return found.upgradable or any(patch.name == name for patch in state.pending or ())


def _back(undone: Operation, target: Target, found: PackageState | None, pending: tuple[Patch, ...] | None) -> str:
    """Whether a package is as it was before: ``target`` says from which version to which it goes."""
    if undone is Operation.INSTALL and target.to_version is None:
        return _DONE if found is None else _LEFT
    if undone is Operation.REMOVE and found is None:
        return _LEFT
    before, now = target.to_version, None if found is None else found.version
    if now is not None and before is not None:
        return _DONE if now == before else _LEFT
    if undone is Operation.REMOVE:
        return _DONE
    again = next((patch for patch in pending or () if patch.name == target.name), None)
    if again is not None:
        known = before is not None and again.current_version is not None
        return _LEFT if known and again.current_version != before else _DONE
    if now is None and pending is not None and undone is not Operation.INSTALL:
        return _LEFT  # what was put back would be pending again
    if now is None or target.from_version is None:
        return _UNCLEAR
    return _LEFT if now == target.from_version else _DONE


def with_results(record: JobRecord, looked: Looked | None, of_left: PackageResult | None = None) -> JobRecord:
    """The record with a result for every package, and the versions that were found.

    ``of_left`` goes to those left (default: what the operation calls them); all are unknown when nobody looked.
    """
    done = DONE[record.operation]
    worse = LEFT[record.operation] if of_left is None else of_left
    left = frozenset() if looked is None else frozenset(target.name for target in looked.left)
    unclear = frozenset() if looked is None else frozenset(target.name for target in looked.unclear)

    def result(target: Target) -> PackageResult:
        if target.result in LEFT_OUT:
            return target.result
        if looked is None or target.name in unclear:
            return PackageResult.UNKNOWN
        return worse if target.name in left else done

    def with_version(target: Target) -> Target:
        found = None if looked is None else _found(looked.state, target.name)
        if record.operation is Operation.INSTALL and found is not None and target.to_version is None:
            return replace(target, to_version=found.version)
        return target

    targets = record.targets or ()
    return replace(record, targets=tuple(replace(with_version(t), result=result(t)) for t in targets))


def _found(state: State | None, name: str) -> PackageState | None:
    return state.packages.get(name) if isinstance(state, PackagesRead) else None


def untouched(record: JobRecord) -> JobRecord:
    """The results of a job that ended before anything was taken on: known for all but patching, which never looked."""
    if record.operation is Operation.PATCH_APPLY or record.touched or record.targets is None:
        return with_results(record, None)
    of_left = LEFT[record.operation] if record.operation is Operation.ROLLBACK else PackageResult.FAILED
    return with_results(record, Looked(left=record.wanted), of_left)
