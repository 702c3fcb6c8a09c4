"""What one history of a job begins with, drawn from one seed: host and temper, chances, the job, its calendar."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from patch_manager.domain.exclusions import Exclusion
from patch_manager.domain.job_record import JobRecord, Target, Undo
from patch_manager.domain.jobs import JobState, Operation, PackageResult, RebootPolicy, When
from patch_manager.domain.openings import Freeze, HostWindow
from patch_manager.domain.windows import Window, WindowKind
from tests.jobs.model import START, ModelHost, Temper

JOB_ID = UUID(int=1)


@dataclass(slots=True)
class Chances:
    """Probabilities per command or call."""

    crash: float = 0.0
    lost_before: float = 0.0
    lost_after: float = 0.0
    refused: float = 0.0
    unreachable: float = 0.0
    agent_restart: float = 0.0
    host_restart: float = 0.0
    stranger: float = 0.0
    stall: float = 0.0  # SIGSTOP between intent and send


def draw(rng: random.Random) -> tuple[ModelHost, Chances, RebootPolicy]:
    """A host with its temper and the chances of this history; about half of all histories are mild."""
    names = tuple(f"pkg{i}" for i in range(rng.choice([0, 1, 1, 3, 6])))
    some = frozenset(rng.sample(names, k=min(len(names), 1)))
    wild = rng.random() < 0.5

    def maybe(chance: float) -> bool:
        return rng.random() < chance

    temper = Temper(
        duration=rng.choice([0.5, 5.0, 30.0, 300.0, 1500.0]),
        fail_first=rng.choice([0, 0, 0, 0, 1, 1, 2, 5]),
        error_code=rng.choice([None, "PKG_MANAGER_ERROR", "GPG_ERROR", "SOMETHING_NEW"]),
        partly=maybe(0.3),
        kept_back=some if maybe(0.1) else frozenset(),
        never_ends=maybe(0.02),
        times_out=maybe(0.03),
        survives_restart=maybe(0.5),
        reboots_on_apply=maybe(0.05),
        states_cache=True,
        cache_ttl=rng.choice([None, None, 60.0, 900.0]),
        states_packages=maybe(0.8),
        states_reboot=maybe(0.7),
        skew=rng.choice([0.0, 0.0, -7200.0, 7200.0, 90.0]),
        ignores_reboot=maybe(0.05),
        states_versions=maybe(0.7),
        states_original=maybe(0.5),
        lists_patches=maybe(0.5),
        starts_rollbacks=maybe(0.8),
        idle_rollbacks=maybe(0.1),
        forgets=maybe(0.1),
    )
    if temper.cache_ttl is None:
        temper.states_cache = maybe(0.5)
    host = ModelHost(names, temper, reboot_names=some if maybe(0.4) else frozenset())
    host.pending_reboot = maybe(0.1)
    scale = 1.0 if wild else 0.0
    chances = Chances(
        crash=scale * rng.choice([0.0, 0.02, 0.1]),
        lost_before=scale * rng.choice([0.0, 0.1, 0.5]),
        lost_after=scale * rng.choice([0.0, 0.1, 0.5]),
        refused=scale * rng.choice([0.0, 0.2]),
        unreachable=scale * rng.choice([0.0, 0.02, 0.1]),
        agent_restart=scale * rng.choice([0.0, 0.01, 0.05]),
        host_restart=scale * rng.choice([0.0, 0.005]),
        stranger=scale * rng.choice([0.0, 0.02]),
        stall=scale * rng.choice([0.0, 0.1]),
    )
    return host, chances, rng.choice(list(RebootPolicy))


@dataclass(slots=True)
class Drawn:
    """The beginning of a history; ``rng`` goes on from there."""

    seed: int
    rng: random.Random = field(init=False)
    host: ModelHost = field(init=False)
    chances: Chances = field(init=False)
    record: JobRecord = field(init=False)
    windows: tuple[HostWindow, ...] = ()
    window_minutes: int = 0
    cutoff_minutes: int = 0
    freezes: tuple[Freeze, ...] = ()
    frozen: tuple[tuple[float, float], ...] = ()  # hours since the beginning
    held: tuple[float, float] | None = None  # hours in which the host is on hold
    exclusions: tuple[Exclusion, ...] = ()

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)  # noqa: S311 - dice, not secrets
        self.host, self.chances, reboot = draw(self.rng)
        if self.rng.random() < 0.9:
            self.host.old_job()
        requested = None if self.rng.random() < 0.7 else (*self.host.names[:2], "absent")
        self.record = JobRecord(
            id=JOB_ID,
            host_id=UUID(int=2),
            deployment_id=None,
            version=1,
            operation=Operation.PATCH_APPLY,
            state=JobState.QUEUED,
            starts=When.NOW,
            requested=requested,
            security_only=False,
            reboot=reboot,
            message="",
            not_before=START,
            created_at=START,
        )
        self._draw_operation()
        self._draw_calendar()
        self._draw_exclusion()

    def _draw_exclusion(self) -> None:
        """In a quarter of the histories the last package must not be patched, in some only for a while."""
        rng = random.Random(f"exclusion {self.seed}")  # noqa: S311 - dice of their own, so that the others fall as ever
        if rng.random() < 0.25 and self.host.names:
            ends = START + timedelta(hours=rng.choice([0.001, 0.02, 12.0, 1000.0]))
            self.exclusions = (Exclusion(self.host.names[-1], "dba", "vendor pin", ends),)

    def _draw_operation(self) -> None:
        """Half of the jobs patch; the others reboot, change packages or roll an earlier job back."""
        others: list[Operation] = [operation for operation in Operation if operation is not Operation.PATCH_APPLY]
        operation = self.rng.choice([*[Operation.PATCH_APPLY] * len(others), *others])
        if operation is Operation.PATCH_APPLY:
            return
        host, record = self.host, replace(self.record, operation=operation, requested=None)
        if operation is Operation.REBOOT:
            record = replace(record, reboot=RebootPolicy.NEVER)
        elif operation is Operation.INSTALL:
            record = replace(record, requested=self.rng.choice([("new",), ("new", "newer"), (*host.names[:1], "new")]))
        elif operation is Operation.ROLLBACK:
            record = replace(record, reboot=RebootPolicy.NEVER, undoes=self._earlier_job())
        else:
            record = replace(record, requested=(self.rng.choice([*host.names * 3, "absent"]),))
        self.record = replace(record, versions=(None,) * len(record.requested or ()))

    def _earlier_job(self) -> Undo:
        """A job that updated some packages before the history begins; the agent may have forgotten it."""
        host = self.host
        names = self.rng.sample(host.names, k=self.rng.randint(0, len(host.names)))
        for name in names:
            host.versions[name] = "1.1"
            host.pending.discard(name)
        host.cache = (-10.0, frozenset(host.pending))
        before, after = ("1.0", "1.1") if self.rng.random() < 0.8 else (None, None)
        packages = tuple(Target(name, before, after, result=PackageResult.UPDATED) for name in names)
        return Undo(UUID(int=9), "old", Operation.PATCH_APPLY, packages)

    def _draw_calendar(self) -> None:
        """Half of the jobs are for a window, daily from the history's beginning on; some meet a freeze."""
        if self.rng.random() < 0.5:
            self.window_minutes = self.rng.choice([1, 5, 45, 240])
            self.cutoff_minutes = self.rng.choice([0, 0, self.window_minutes // 3])
            stated = Window(
                WindowKind.DAILY, "UTC", self.window_minutes, START.time(), cutoff_minutes=self.cutoff_minutes
            )
            self.windows = (HostWindow(UUID(int=3), "noon", stated),)
            self.record = replace(self.record, starts=When.WINDOW)
        if self.rng.random() < 0.2:
            begin = self.rng.choice([0.0, 0.01, 0.5, 24.0])
            self.frozen = ((begin, begin + self.rng.choice([0.1, 12.0, 24.0])),)
            self.freezes = tuple(
                Freeze(UUID(int=4), None, START + timedelta(hours=b), START + timedelta(hours=e), "year end")
                for b, e in self.frozen
            )

        if self.rng.random() < 0.2:
            begin = self.rng.choice([0.0, 0.0, 0.01, 0.2])
            self.held = (begin, begin + self.rng.choice([0.05, 12.0, 1000.0]))
