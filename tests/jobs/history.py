"""One history of one job: the pure protocol against a model host, with crashes, lost answers and strangers.

Everything is drawn from one seed. The history checks as it goes that nothing is sent without a fresh intent, nothing
outside the host's window, and that no second apply leaves while the first may still be at work.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from patch_manager.actors.jobs import messages as m
from patch_manager.actors.jobs.protocol import Protocol
from patch_manager.actors.jobs.rules import INTENT_MAX_AGE, LOST_PATIENCE, MAX_SENDS
from patch_manager.actors.jobs.standing import DONE
from patch_manager.domain.holds import RebootHold
from patch_manager.domain.job_record import Moment, SendOutcome
from patch_manager.domain.jobs import JobState, Operation, PackageResult, RebootPolicy, When
from patch_manager.domain.openings import Closed, closed_to_go_on, closed_to_start
from patch_manager.domain.turns import WAITING
from tests.jobs.drawing import Drawn
from tests.jobs.model import START, ModelJob

LONGEST = 10 * 24 * 3600.0
TROUBLE = 12 * 3600.0
MOST_STEPS = 60_000


class Crash(Exception):
    """kill -9 of the manager."""


@dataclass(slots=True)
class History(Drawn):
    """Runs to the end with ``run``; then ``record``, ``host`` and ``sends`` tell what happened."""

    now: float = 0.0
    steps: int = 0
    crashes: int = 0
    sends: list[str] = field(default_factory=list)
    ours: list[ModelJob] = field(default_factory=list)
    log: list[tuple[float, object, object]] = field(default_factory=list)  # told by ``story`` if it is ever needed

    def moment(self) -> Moment:
        return Moment(START + timedelta(seconds=self.now), "boot", 1000.0 + self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.host.advance(self.now)

    def run(self) -> None:
        """From the queue to the end, whatever happens on the way."""
        while not self.record.state.terminal:
            if self.record.state is JobState.QUEUED and self.record.not_before is not None:
                due = (self.record.not_before - START).total_seconds()
                self.pass_time(max(0.0, due - self.now))
            try:
                self._one_run()
            except Crash:
                self.crashes += 1
                self.log.append((self.now, "CRASH", ""))
                self.pass_time(self.rng.choice([0.1, 3.0, 30.0, 200.0]))

    def _one_run(self) -> None:
        protocol = Protocol(self.record, self.moment())
        command = protocol.handle(m.Began(), self.moment())
        while command is not None:
            self.steps += 1
            assert self.steps < MOST_STEPS, "the job does not end"
            assert self.now < LONGEST, "the job takes for ever"
            self._maybe_crash()
            event = self._perform(command)
            self.log.append((self.now, command, event))
            self._maybe_crash()
            command = protocol.handle(event, self.moment())

    def _maybe_crash(self) -> None:
        if self._happens(self.chances.crash):
            raise Crash

    def _happens(self, chance: float) -> bool:
        # Trouble ends after half a day, so that "all end" is about the protocol and not about the dice.
        return chance > 0.0 and self.now < TROUBLE and self.rng.random() < chance

    def story(self, last: int = 60) -> str:
        """The last steps in words."""

        def word(what: object) -> str:
            return what if isinstance(what, str) else type(what).__name__

        return "\n".join(f"{at:8.1f} {word(command)} → {event}"[:200] for at, command, event in self.log[-last:])

    # Performing

    def _perform(self, command: m.Command) -> m.Event:
        match command:
            case m.Commit():
                return self._commit(command)
            case m.Wait(seconds):
                self._trouble(seconds)
                return m.Woke()
            case m.Claim():
                self.pass_time(self.rng.choice([0.0, 0.0, 2.0, 12.0]))
                return m.Claimed()
            case m.MakeSend():
                return self._send(command)
            case m.Follow():
                return self._follow(command)
            case m.AskTurn():
                # In a third of the histories others of the group are away now and then, without a throw of the dice.
                busy = self.seed % 3 == 0 and self.now < TROUBLE and int(self.now) % 5 == 0
                return m.TurnDenied(f"{WAITING}: others are") if busy else m.TurnTaken()
            case m.AskGate(operation):
                closed = self._closed(operation)
                return m.GateOpen() if closed is None else m.GateClosed(closed)
            case m.ReadExclusions():
                return m.ExclusionsRead(self.exclusions)
        self.pass_time(self.rng.choice([0.01, 0.1, 2.0]))
        if not self.host.reachable(self.now) or self._happens(self.chances.unreachable):
            return m.ReadFailed("connection refused")
        if self._happens(self.chances.refused):
            return m.ReadFailed("rate limit", retry_after=7.0)
        match command:
            case m.ReadJobs():
                jobs = sorted(self.host.jobs.values(), key=lambda job: -job.created)
                return m.JobsRead(tuple(self._found(job) for job in jobs))
            case m.ReadJob(agent_job_id):
                job = self.host.jobs.get(agent_job_id)
                return m.JobGone() if job is None else m.JobSeen(self._found(job))
            case m.ReadPatches():
                return m.PatchesRead(self.host.patches(self.now))
            case m.ReadPackages():
                return self._packages(command)
            case m.ReadHealth(facts):
                return self._health(facts)
        raise AssertionError(command)

    def _commit(self, command: m.Commit) -> m.Event:
        assert command.before == self.record, "a step must be decided on what is durable"
        assert not self.record.state.terminal
        self.pass_time(self.rng.choice([0.0, 0.01, 0.5]))
        self.record = replace(command.after, version=command.before.version + 1)
        return m.Committed(self.record)

    def _trouble(self, seconds: float) -> None:
        """Time passes, and things happen on the host meanwhile."""
        left = seconds
        while left > 0:
            piece = min(left, 10.0)
            left -= piece
            self.pass_time(piece)
            if self._happens(self.chances.agent_restart):
                self.host.restart(self.now, whole_host=False)
                self.log.append((self.now, "agent restarts", ""))
            if self._happens(self.chances.host_restart):
                self.host.restart(self.now, whole_host=True)
                self.log.append((self.now, "host restarts", ""))
            if self._happens(self.chances.stranger) and self.host.reachable(self.now) and self.host.names:
                self._stranger()

    def _stranger(self) -> None:
        """Somebody else uses the agent, now and then for the very thing that we want."""
        operation, undoes = self.record.operation.value, self.record.undoes
        names = tuple(self.rng.sample(self.host.names, k=self.rng.randint(1, len(self.host.names))))
        same = self.rng.random() < 0.3
        if undoes is not None:
            # Nothing that would undo the rollback again: what became of ours could not be judged any more.
            packages = tuple(target.name for target in undoes.packages) if same else ()
            job = self.host.accept(self.now, operation, packages, ours=False, original="old" if same else "other")
        elif same and self.record.requested and operation != "reboot":
            job = self.host.accept(self.now, operation, self.record.requested, ours=False)
        elif operation in ("remove", "install"):
            return
        else:
            job = self.host.accept(self.now, "patchapply", names, ours=False)
        self.log.append((self.now, f"stranger: {job.operation}", job.packages))

    def _packages(self, command: m.ReadPackages) -> m.PackagesRead:
        host = self.host
        states = {
            name: m.PackageState(
                host.versions[name] if host.temper.states_versions else None,
                "1.1" if name in host.pending else None,
                name in host.pending,
            )
            for name in command.names
            if name in host.versions
        }
        pending = host.patches(self.now) if command.patches and host.temper.lists_patches else None
        return m.PackagesRead(states, pending)

    def _health(self, facts: bool) -> m.Event:
        self.host.refresh(self.now)
        temper = self.host.temper
        return m.HealthRead(
            uptime_seconds=int(self.now - self.host.booted),
            cache_updated_at=self.host.clock(self.host.cache[0]) if temper.states_cache and temper.cache_ttl else None,
            agent_time=self.host.clock(self.now),
            last_boot=self.host.clock(self.host.booted) if facts and temper.states_reboot else None,
            pending_reboot=self.host.pending_reboot if facts and temper.states_reboot else None,
        )

    def _found(self, job: ModelJob) -> m.FoundJob:
        status = self.host.status(job, self.now)
        ended = status in ("completed", "failed")
        return m.FoundJob(
            id=job.id,
            operation=job.operation,
            status=status,
            created_at=self.host.clock(job.created),
            completed_at=self.host.clock(job.ends) if ended else None,
            packages=job.packages if self.host.temper.states_packages else None,
            original_job_id=job.original if self.host.temper.states_original else None,
            error_code=job.error_code if ended else None,
            error="it failed" if status == "failed" else None,
        )

    def _follow(self, command: m.Follow) -> m.Event:
        until = self.now + command.seconds
        last: m.Event = m.ReadFailed("no answer")
        while self.now < until:
            self._trouble(self.rng.choice([1.0, 5.0, 10.0]))
            self._maybe_crash()
            if not self.host.reachable(self.now):
                last = m.ReadFailed("connection refused")
                continue
            job = self.host.jobs.get(command.agent_job_id)
            if job is None:
                return m.JobGone()
            last = m.JobSeen(self._found(job))
            if last.job.ended:
                return last
        return last

    def _send(self, command: m.MakeSend) -> m.Event:
        send = command.send
        assert self.record.send == send, "no call without its durable intent"
        assert send.outcome is SendOutcome.OPEN
        self.pass_time(self.rng.choice([0.01, 0.3]))
        if self._happens(self.chances.stall):
            self.pass_time(120.0)
        if self.moment().elapsed(send.intent) > INTENT_MAX_AGE:
            return m.NotSent("stale", "the intent is too old")
        closed = self._closed(send.operation)
        if closed is not None:
            return m.GateClosed(closed)
        if not self.host.reachable(self.now) or self._happens(self.chances.unreachable):
            return m.NotSent("unreachable", "connection refused")
        self._check_open(send.operation)
        self.sends.append(f"{send.attempt}.{send.number} {send.operation}")
        if self._happens(self.chances.refused):
            return m.Refused(self.rng.choice([1.0, 60.0]), "QUEUE_FULL")
        if self._happens(self.chances.lost_before):
            return m.Ambiguous("dropped")
        blocked = self._blocked(send.operation)
        if blocked is not None:
            return blocked
        self._check_accepted(send.operation)
        self._check_excluded(send.packages)
        job = self.host.accept(self.now, send.operation.value, send.packages, ours=True, original=send.undoes)
        job.traced = bool(send.baseline_ids)
        self.ours.append(job)
        self._maybe_crash()
        if self._happens(self.chances.lost_after):
            return m.Ambiguous("the answer was cut off")
        return m.Accepted(job.id)

    def _blocked(self, operation: Operation) -> m.Event | None:
        """What a careful agent does not take."""
        if operation is Operation.REBOOT and self.host.alive:
            return m.Refused(60.0, "REBOOT_BLOCKED")
        if operation is Operation.ROLLBACK and self.host.temper.forgets:
            return m.Rejected("JOB_NOT_FOUND", "no such job")
        return None

    def _on_hold(self) -> bool:
        return self.held is not None and self.held[0] <= self.now / 3600 < self.held[1]

    def _closed(self, operation: Operation) -> Closed | None:
        if operation is Operation.REBOOT and self._on_hold():
            return RebootHold("no reboots here", "somebody", START).closed
        ask = closed_to_start if operation is self.record.operation else closed_to_go_on
        return ask(self.windows, self.freezes, self.moment().wall, self.record.starts)

    def _check_open(self, operation: Operation) -> None:
        """The rule once more, by hand: windows are daily from the beginning's time of day on."""
        hours = self.now / 3600
        assert operation is not Operation.REBOOT or not self._on_hold(), "a host on hold was asked to reboot"
        assert not any(begin <= hours < end for begin, end in self.frozen), "a mutating call inside a freeze"
        if self.record.starts is When.WINDOW:
            left = self.window_minutes - (hours % 24) * 60
            assert left > 0, "a mutating call outside the host's window"
            goes_on = operation is not self.record.operation
            assert goes_on or left > self.cutoff_minutes, "a start within the cutoff"

    def _check_accepted(self, operation: Operation) -> None:
        """No job is applied twice without evidence: the one before must be known to be over."""
        if operation is Operation.REBOOT:
            asked = [job for job in self.ours if job.operation == "reboot"]
            assert not asked, "a reboot is never sent twice while its outcome is open"
            assert self.record.operation is operation or self.record.reboot is RebootPolicy.IF_REQUIRED
            return
        # A restart on an empty baseline leaves no trace (decision 0007): the one way to send beside our own work.
        alive = [job for job in self.host.alive if job.traced and self.now - job.created < LOST_PATIENCE]
        assert not alive, "our first call is still at work"
        waiting = [
            job for job in self.ours if job.id in self.host.jobs and self.host.status(job, self.now) == "pending"
        ]
        assert not waiting, "our first call still waits on the agent and may yet be carried out"
        done = [job for job in self.ours if job.traced and job.applied and job.result == "completed"]
        left = self.host.remaining(operation.value, {target.name for target in self.record.wanted})
        assert not done or left or self.host.temper.idle_rollbacks, "our first call had done the work"

    def _check_excluded(self, packages: tuple[str, ...]) -> None:
        """A first send asks for nothing that was excluded when its intent was made; a kept list is not made anew.

        Exclusions are of patching: a removal or a rollback is somebody's word on these very packages.
        """
        if self.record.operation not in (Operation.PATCH_APPLY, Operation.UPDATE):
            return
        if len(self.ours) == 0 and self.record.send is not None and self.record.send.number == 1:
            at = self.record.send.intent.wall
            early = [each for each in self.exclusions if each.in_force(at)]
            assert not any(each.matches(name) for each in early for name in packages), "an excluded package was sent"

    # Judging

    def check(self) -> None:
        """What must hold at the end of every history."""
        record, host = self.record, self.host
        assert record.finished_at is not None
        assert record.attempt is not None
        assert record.attempt.number <= 2
        assert record.attempt.sends <= MAX_SENDS
        operation = record.operation
        if record.state is JobState.SUCCEEDED and operation is Operation.REBOOT:
            # One by anybody since the intent counts: after a crash nobody can tell whether ours was sent.
            assert host.booted > 0, "success was reported for a reboot that never was"
        elif record.state is JobState.SUCCEEDED:
            wanted = {target.name for target in record.wanted}
            assert not host.remaining(operation.value, wanted), "success was reported for packages still as before"
        for target in record.targets or ():
            if target.result is DONE[operation] and operation is not Operation.REBOOT:
                assert not host.remaining(operation.value, {target.name})
            assert target.result is not PackageResult.EXCLUDED or self.exclusions
            assert target.result is not PackageResult.PENDING, "every package of an ended job has a result"
