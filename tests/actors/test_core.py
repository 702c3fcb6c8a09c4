"""The actor's rules as scripts of event and command, without tasks, clocks or sockets."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patch_manager.actors import core, health_rules
from patch_manager.actors.agent.models import AgentHealth, AgentStatus, PatchList
from patch_manager.actors.messages import (
    CertificatesChanged,
    JobEnded,
    JobReported,
    Message,
    Observed,
    PatchesStored,
    PollEnded,
    PollFailure,
    PollKind,
    PollOutcome,
    RecordChanged,
    RefreshNow,
    Reply,
    RunJob,
)
from patch_manager.actors.reading import digest_of
from patch_manager.actors.schedule import Cadence
from patch_manager.actors.state import (
    AnswerRefresh,
    CancelPoll,
    CoreCommand,
    HostState,
    NewAgent,
    Now,
    Publish,
    StartJob,
    StartPoll,
    Store,
    snapshot_of,
)
from patch_manager.domain.health import ActorState, FailureKind, Health
from patch_manager.domain.host_status import HostStatus, StoredHost
from patch_manager.domain.hosts import HostFacts, HostSnapshot, JobInHand, PatchSummary
from patch_manager.domain.patches import Severity
from tests.actors.hosts import HEALTHY, INFO, NOW, due_job, listing, patch, record, stored

CADENCE = Cadence(300.0, 1800.0)
FULL = PollOutcome(HEALTHY, INFO, listing())
POLLED = HostStatus(
    facts=HostFacts("Debian", "12", "6.1", "x86_64", "2.5.5", "web"),
    health=Health.HEALTHY,
    health_reason="",
    health_since=NOW,
    last_seen_at=NOW,
    patches_read_at=NOW,
    patches_digest=digest_of(()),
)


def failed(kind: FailureKind = FailureKind.REFUSED, retry_after: float | None = None) -> PollOutcome:
    return PollOutcome(failure=PollFailure(kind, f"sentence about {kind}", retry_after))


class Script:
    """Plays events against the core on a clock of its own."""

    def __init__(self, host: StoredHost | None = None, cadence: Cadence = CADENCE) -> None:
        self.clock = 0.0
        self.state: HostState = core.start(host or stored(), cadence, self.now)

    @property
    def now(self) -> Now:
        return Now(self.clock, NOW + timedelta(seconds=self.clock))

    def shown(self) -> HostSnapshot:
        return snapshot_of(self.state, self.now)

    def tell(self, event: Message | None) -> tuple[CoreCommand, ...]:
        self.state, commands = core.handle(self.state, event, self.now)
        return commands

    def wait(self) -> tuple[CoreCommand, ...]:
        """Let time pass to the deadline."""
        assert self.state.deadline < inf
        self.clock = max(self.clock, self.state.deadline)
        return self.tell(None)

    def poll(self, outcome: PollOutcome) -> PollKind:
        """Wait for the next poll and end it with ``outcome``."""
        while self.state.poll is None:
            self.wait()
        kind = self.state.poll.kind
        self.tell(PollEnded(self.state.poll.number, outcome))
        return kind

    def refresh(self) -> tuple[CoreCommand, ...]:
        return self.tell(RefreshNow(_reply()))


def _reply() -> Reply[HostSnapshot]:
    return Reply()


def test_a_host_never_polled_is_unknown_and_read_in_full_at_once() -> None:
    script = Script()
    assert script.shown().health is Health.UNKNOWN
    assert script.state.deadline == 0.0
    assert script.poll(FULL) is PollKind.FULL
    assert script.shown().health is Health.HEALTHY
    assert script.shown().facts.os_name == "Debian"
    assert script.shown().facts.agent_version == "2.5.5"
    assert script.shown().patches_read_at is not None


def test_the_first_failure_says_why_at_once_and_when_it_is_tried_again() -> None:
    script = Script()
    script.poll(failed())
    assert script.shown().health is Health.DEGRADED
    assert "first try failed" in script.shown().health_reason
    assert "sentence about refused" in script.shown().health_reason
    assert script.shown().actor_state is ActorState.BACKING_OFF
    next_poll_at = script.shown().next_poll_at
    assert next_poll_at is not None
    assert 26 <= (next_poll_at - NOW).total_seconds() <= 33


def test_three_retries_with_growing_delays_then_red() -> None:
    script = Script(cadence=Cadence(600.0, 1800.0))
    delays = []
    for expected in (Health.DEGRADED, Health.DEGRADED, Health.DEGRADED, Health.UNREACHABLE):
        at = script.clock
        script.poll(failed())
        delays.append(script.clock - at)
        assert script.shown().health is expected
    assert delays[1:] == [pytest.approx(30, rel=0.1), pytest.approx(120, rel=0.1), pytest.approx(480, rel=0.1)]
    assert script.shown().health_reason == "sentence about refused"


def test_a_red_host_is_probed_at_the_health_interval_doubling_to_thirty_minutes() -> None:
    script = Script()
    for _ in range(4):
        script.poll(failed())
    delays = []
    for _ in range(6):
        at = script.clock
        script.poll(failed())
        delays.append(script.clock - at)
    assert delays[:3] == [pytest.approx(300, rel=0.1), pytest.approx(600, rel=0.1), pytest.approx(1200, rel=0.1)]
    assert all(delay <= 1800 for delay in delays)
    assert delays[-1] >= 1800 * 0.9


def test_a_short_cadence_shortens_the_backoff() -> None:
    script = Script(cadence=Cadence(5.0, 10.0))
    for _ in range(4):
        script.poll(failed())
    assert script.shown().health is Health.UNREACHABLE
    assert script.clock < 20


@given(failures=st.integers(1, 20), interval=st.floats(1, 7200), number=st.integers(1, 2**64))
def test_no_two_tries_are_more_than_thirty_minutes_apart(failures: int, interval: float, number: int) -> None:
    delay = health_rules.backoff(record(1, host_id=record(number % 60000).id).id, failures, interval)
    assert 0 < delay <= 1800


def test_one_good_answer_heals_at_once_and_reads_everything() -> None:
    script = Script()
    for _ in range(5):
        script.poll(failed())
    assert script.poll(FULL) is PollKind.FULL
    assert script.shown().health is Health.HEALTHY
    assert script.state.status.failures == 0


def test_an_agent_that_calls_itself_degraded_is_yellow_with_its_reasons() -> None:
    script = Script()
    said = AgentHealth(AgentStatus.DEGRADED, reasons=("the package cache could not be refreshed",))
    script.poll(replace(FULL, health=said))
    assert script.shown().health is Health.DEGRADED
    assert script.shown().health_reason == "the package cache could not be refreshed"


def test_a_rate_limit_is_no_failure_and_is_waited_for() -> None:
    script = Script(StoredHost(record(), POLLED))
    script.poll(failed(FailureKind.RATE_LIMITED, 77.0))
    assert script.shown().health is Health.HEALTHY
    assert script.state.status.failures == 0
    assert script.state.deadline == pytest.approx(script.clock + 77)
    assert script.shown().actor_state is ActorState.WAITING


def test_a_rate_limit_within_a_full_poll_keeps_what_was_read_and_only_delays_the_rest() -> None:
    script = Script()
    limited = PollFailure(FailureKind.RATE_LIMITED, "limited", 60.0)
    script.poll(PollOutcome(HEALTHY, INFO, None, limited))
    assert script.shown().health is Health.HEALTHY
    assert script.shown().patches_read_at is None
    assert script.state.next_full == pytest.approx(script.clock + 60)


def test_the_managers_own_lack_of_resources_never_turns_a_host_red() -> None:
    script = Script(StoredHost(record(), POLLED))
    for _ in range(10):
        script.poll(failed(FailureKind.LOCAL_RESOURCES))
    assert script.shown().health is Health.HEALTHY
    assert script.state.status.failures == 0


def test_an_agent_that_answers_but_hides_its_patches_is_yellow_not_red_and_stays_so_through_health_polls() -> None:
    script = Script()
    broken = PollOutcome(HEALTHY, INFO, None, PollFailure(FailureKind.HTTP_STATUS, "its patches could not be read"))
    script.poll(broken)
    assert script.shown().health is Health.DEGRADED
    assert "could not be read" in script.shown().health_reason
    for _ in range(8):
        script.poll(broken)
        assert script.shown().health is Health.DEGRADED
    script.refresh()
    script.poll(FULL)
    assert script.shown().health is Health.HEALTHY


def test_a_part_of_a_patch_list_is_said_to_be_one() -> None:
    script = Script()
    script.poll(replace(FULL, patches=PatchList((patch(),), 9, None, False, complete=False)))
    assert script.shown().health is Health.DEGRADED
    assert "1 of 9" in script.shown().health_reason


def test_an_unreachable_host_keeps_its_reboot_mark() -> None:
    script = Script()
    script.poll(replace(FULL, info=replace(INFO, pending_reboot=True)))
    assert script.shown().reboot_required
    for _ in range(6):
        script.poll(failed(FailureKind.TIMED_OUT))
    assert script.shown().health is Health.UNREACHABLE
    assert script.shown().reboot_required


def test_pending_reboot_decides_where_the_agent_states_it() -> None:
    script = Script()
    script.poll(PollOutcome(HEALTHY, replace(INFO, pending_reboot=False), listing(patch(), requires_reboot=True)))
    assert not script.shown().reboot_required


def test_without_pending_reboot_the_mark_of_the_list_stays_until_the_host_booted() -> None:
    script = Script()
    script.poll(PollOutcome(HEALTHY, INFO, listing(patch(requires_reboot=True), requires_reboot=True)))
    assert script.shown().reboot_required
    script.clock += 60
    script.refresh()
    script.poll(PollOutcome(HEALTHY, INFO, listing()))
    assert script.shown().reboot_required, "installed, but the new kernel does not run yet"
    script.clock += 600
    script.refresh()
    script.poll(PollOutcome(replace(HEALTHY, uptime_seconds=30), INFO, listing()))
    assert not script.shown().reboot_required


@pytest.mark.parametrize("said", [replace(HEALTHY, uptime_seconds=3), replace(HEALTHY, version="2.6.0")])
def test_a_reboot_or_another_agent_version_reads_everything_again(said: AgentHealth) -> None:
    script = Script(StoredHost(record(), POLLED))
    while script.poll(PollOutcome(HEALTHY)) is not PollKind.HEALTH:
        pass
    at = script.clock
    while script.poll(PollOutcome(said, INFO, listing())) is not PollKind.FULL:
        at = script.clock
    assert script.clock == at


def test_operator_refresh_cancels_a_scheduled_poll_and_ignores_its_late_result() -> None:
    script = Script(StoredHost(record(), POLLED))
    script.wait()
    old = script.state.poll
    assert old is not None
    commands = script.refresh()
    assert [type(command) for command in commands] == [CancelPoll, StartPoll, Publish]
    assert script.tell(PollEnded(old.number, failed())) == ()
    assert script.shown().health is Health.HEALTHY


def test_a_second_refresh_joins_the_first() -> None:
    script = Script()
    script.refresh()
    assert script.refresh() == ()
    assert script.state.poll is not None
    commands = script.tell(PollEnded(script.state.poll.number, FULL))
    assert [type(command) for command in commands] == [Publish, Store, AnswerRefresh]


def test_an_operators_look_between_two_retries_is_none_of_them() -> None:
    script = Script()
    script.poll(failed())
    due = script.state.next_poll
    for _ in range(5):
        script.refresh()
        script.poll(failed())
    assert script.shown().health is Health.DEGRADED
    assert script.state.next_poll == due


def test_a_quick_scheduled_poll_is_not_shown_and_a_slow_one_is() -> None:
    script = Script(StoredHost(record(), POLLED))
    commands = script.wait()
    assert [type(command) for command in commands] == [StartPoll]
    assert script.shown().actor_state is ActorState.IDLE
    assert script.wait() == (Publish(),)
    assert script.shown().actor_state is ActorState.POLLING
    assert script.state.deadline == inf


def test_a_poll_that_changed_nothing_stores_nothing_but_when_the_host_was_seen() -> None:
    script = Script(StoredHost(record(), POLLED))
    script.refresh()
    assert script.state.poll is not None
    commands = script.tell(PollEnded(script.state.poll.number, FULL))
    assert Store() in commands


def test_a_change_of_health_is_stored_with_its_moment() -> None:
    script = Script(StoredHost(record(), POLLED))
    script.wait()
    assert script.state.poll is not None
    commands = script.tell(PollEnded(script.state.poll.number, failed()))
    store = next(command for command in commands if isinstance(command, Store))
    assert store.row
    assert store.change is not None
    assert store.change.health is Health.DEGRADED
    assert script.shown().health_since == script.now.wall


def test_the_age_of_the_oldest_security_patch_comes_from_the_database() -> None:
    script = Script()
    script.poll(replace(FULL, patches=listing(patch())))
    digest = script.state.status.patches_digest
    assert digest is not None
    assert script.shown().patches.oldest_security_at == NOW
    old = NOW - timedelta(days=9)
    assert script.tell(PatchesStored(digest, old)) == (Publish(force=True),)
    assert script.shown().patches.oldest_security_at == old
    assert script.tell(PatchesStored(b"another list", None)) == ()


def test_a_new_address_is_polled_at_once_with_another_agent() -> None:
    script = Script(StoredHost(record(), POLLED))
    commands = script.tell(RecordChanged(replace(record(), port=9999)))
    assert NewAgent() in commands
    assert script.state.poll is not None
    assert script.state.poll.kind is PollKind.FULL


def test_a_new_name_is_only_shown() -> None:
    script = Script(StoredHost(record(), POLLED))
    assert script.tell(RecordChanged(replace(record(), display_name="web"))) == (Publish(),)
    assert script.shown().record.display_name == "web"


def test_new_certificates_are_tried_at_once_by_hosts_that_failed_only() -> None:
    well, ill = Script(StoredHost(record(), POLLED)), Script()
    ill.poll(failed(FailureKind.CERTIFICATE_EXPIRED))
    assert well.tell(CertificatesChanged()) == ()
    assert isinstance(ill.tell(CertificatesChanged())[0], StartPoll)


def test_a_second_job_is_refused_while_one_is_in_hand_and_the_end_reads_everything() -> None:
    script = Script(StoredHost(record(), POLLED))
    due = due_job(record().id)
    assert script.tell(RunJob(due)) == (StartJob(due), Publish())
    assert script.tell(RunJob(due_job(record().id))) == ()
    script.tell(JobReported(JobInHand(due.key.id, None, "running", 40)))
    assert script.shown().actor_state is ActorState.WORKING
    assert script.shown().job is not None
    script.tell(JobEnded())
    assert script.shown().job is None
    assert script.poll(FULL) is PollKind.FULL


def test_a_planned_reboot_paints_nothing_red() -> None:
    script = Script(StoredHost(record(), POLLED))
    script.tell(RunJob(due_job(record().id)))
    script.tell(JobReported(JobInHand(record().id, None, "rebooting", 90)))
    for _ in range(50):
        assert script.wait() == ()
    assert script.state.poll is None


def test_what_a_job_reads_counts_at_once() -> None:
    script = Script()
    script.poll(failed())
    script.tell(Observed(health=HEALTHY))
    assert script.shown().health is Health.HEALTHY
    script.tell(Observed(info=replace(INFO, pending_reboot=True)))
    assert script.shown().reboot_required
    commands = script.tell(Observed(patches=(patch(),), read_at=NOW))
    assert Store(row=True, patches=(patch(),)) in commands
    assert script.shown().patches.critical == 1


def test_after_a_restart_a_failing_host_goes_on_in_its_backoff() -> None:
    script = Script(StoredHost(record(), replace(POLLED, failures=4, health=Health.UNREACHABLE)))
    assert 0 <= script.state.deadline <= 330
    script.poll(failed())
    assert script.shown().health is Health.UNREACHABLE
    assert script.state.status.failures == 5


def test_polls_keep_their_phase_over_a_restart() -> None:
    first = Script(StoredHost(record(7), POLLED))
    slot = first.state.next_poll
    second = Script(StoredHost(record(7), POLLED))
    second.clock = 1000.0
    second.state = core.start(StoredHost(record(7), POLLED), CADENCE, second.now)
    assert (second.state.next_poll - slot) % 300 == pytest.approx(0, abs=0.01)


def test_polls_are_spread_evenly_over_the_interval() -> None:
    dues = [Script(StoredHost(record(number), POLLED)).state.next_poll for number in range(1, 2501)]
    tenths = [sum(1 for due in dues if tenth * 30 <= due < (tenth + 1) * 30) for tenth in range(10)]
    assert all(190 <= count <= 310 for count in tenths)


def test_a_full_poll_takes_the_place_of_a_health_poll() -> None:
    script = Script(StoredHost(record(3), POLLED))
    kinds = [script.poll(FULL) for _ in range(12)]
    assert kinds.count(PollKind.FULL) == 2
    assert script.clock <= 12 * 300


def test_the_summary_counts_the_whole_list() -> None:
    script = Script()
    listed = listing(patch("a", cve_ids=("CVE-1",)), patch("b", Severity.LOW), patch("c", Severity.HIGH))
    script.poll(replace(FULL, patches=listed))
    summary = script.shown().patches
    assert summary == replace(PatchSummary.of(listed.patches), oldest_security_at=NOW)
    assert (summary.pending, summary.security, summary.cve_count) == (3, 2, 1)


_outcomes = st.one_of(
    st.sampled_from([FULL, PollOutcome(HEALTHY), replace(FULL, patches=listing(patch()))]),
    st.sampled_from(list(FailureKind)).map(failed),
    st.just(PollOutcome(HEALTHY, None, None, PollFailure(FailureKind.TOO_LARGE, "too large"))),
)
_events = st.one_of(
    _outcomes,
    st.just("wait"),
    st.just("refresh"),
    st.sampled_from([CertificatesChanged(), JobEnded(), RecordChanged(replace(record(), port=1))]),
)


@given(st.lists(_events, max_size=40))
def test_whatever_happens_a_host_is_polled_again(events: list[object]) -> None:
    script = Script()
    for event in events:
        if isinstance(event, PollOutcome):
            script.poll(event)
        elif event == "wait":
            if script.state.deadline < inf:
                script.wait()
        elif event == "refresh":
            script.refresh()
        else:
            script.tell(event)  # type: ignore[arg-type]  # what is left are messages
        status = script.state.status
        assert (status.failures > health_rules.RETRIES) == (status.health is Health.UNREACHABLE)
        assert script.state.poll is not None or script.state.deadline <= script.clock + 1801
        assert status.patches_read_at is not None or status.patches == PatchSummary()
