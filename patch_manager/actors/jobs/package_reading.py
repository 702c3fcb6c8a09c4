"""What is installed of the packages a job is about: asked one by one where they are few, else from the whole list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from patch_manager.actors.agent.failures import AgentFailure
from patch_manager.actors.agent.models import AgentPackage, squeeze
from patch_manager.actors.jobs.messages import PackagesRead, PackageState
from patch_manager.actors.jobs.ports import Agent
from patch_manager.domain.health import FailureKind
from patch_manager.domain.patches import Patch

ONE_BY_ONE: Final = 5
"""More than these are read from the whole list: a call each would eat the budget of reads."""
_NOT_THERE: Final = frozenset({"notinstalled", "uninstalled", "removed", "available", "configfiles", "deinstall"})
_NO_SUCH_CALL: Final = frozenset({404, 405})


async def read_packages(agent: Agent, names: Sequence[str], *, patches: bool) -> PackagesRead:
    """Raises ``AgentFailure``. Pending patches are an aid: that they could not be read is no failure."""
    complete = True
    try:
        if len(names) <= ONE_BY_ONE:
            found = [await agent.package(name) for name in names]
        else:
            found, complete = await _of_all(agent, names)
    except AgentFailure as failure:
        if not _no_such_call(failure):
            raise
        try:
            found, complete = await _of_all(agent, names)
        except AgentFailure as again:
            if not patches or not _no_such_call(again):
                raise
            found = []  # an agent without these calls: its patches are what tells of a rollback
    installed = {each.name: _state(each) for each in found if each is not None and _is_installed(each)}
    return PackagesRead(installed, await _pending(agent) if patches else None, complete)


def _no_such_call(failure: AgentFailure) -> bool:
    return failure.kind is FailureKind.HTTP_STATUS and failure.status in _NO_SUCH_CALL


async def _of_all(agent: Agent, names: Sequence[str]) -> tuple[list[AgentPackage | None], bool]:
    listed = await agent.packages()
    by_name = {package.name: package for package in listed.packages}
    complete = listed.complete and (not listed.skipped or all(name in by_name for name in names))
    return [by_name.get(name) for name in names], complete


def _is_installed(package: AgentPackage) -> bool:
    return squeeze(package.status or "installed") not in _NOT_THERE


def _state(package: AgentPackage) -> PackageState:
    return PackageState(package.version, package.latest_version, package.upgradable)


async def _pending(agent: Agent) -> tuple[Patch, ...] | None:
    try:
        listed = await agent.patches()
    except AgentFailure:
        return None
    return listed.patches if listed.complete and not listed.skipped else None
