"""The named limiters of the fleet: made once at the root, taken inside actors, their waiting exported."""

from __future__ import annotations

from dataclasses import dataclass, fields

import trio

from patch_manager.domain.settings import LimitSettings


@dataclass(frozen=True, slots=True)
class LimiterStatistics:
    """Tokens in all, tokens borrowed, tasks waiting for one."""

    total: float
    borrowed: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What is scarce. The connecting limiters are held for connecting and handshakes only (DESIGN §3).

    ``polls_suspect`` connects to hosts whose last poll failed: a dead network segment spends its time-outs there
    and never in the way of healthy hosts. ``jobs_beginning`` is held until a host's patches are read, ``dispatch``
    between the baseline and the answer, while ``jobs_connecting`` is taken and given back within both: they must
    never be one limiter.
    """

    polls_connecting: trio.CapacityLimiter
    polls_suspect: trio.CapacityLimiter
    polls_in_flight: trio.CapacityLimiter
    refresh: trio.CapacityLimiter
    jobs_connecting: trio.CapacityLimiter
    jobs_beginning: trio.CapacityLimiter
    dispatch: trio.CapacityLimiter
    followed_jobs: trio.CapacityLimiter
    password_hashing: trio.CapacityLimiter

    @staticmethod
    def of(settings: LimitSettings) -> Limits:
        """Make them, inside ``trio.run``."""
        return Limits(
            polls_connecting=trio.CapacityLimiter(settings.polls_connecting),
            polls_suspect=trio.CapacityLimiter(settings.polls_connecting),
            polls_in_flight=trio.CapacityLimiter(settings.polls_in_flight),
            refresh=trio.CapacityLimiter(settings.refresh),
            jobs_connecting=trio.CapacityLimiter(settings.jobs_connecting),
            jobs_beginning=trio.CapacityLimiter(settings.jobs_beginning),
            dispatch=trio.CapacityLimiter(settings.dispatch),
            followed_jobs=trio.CapacityLimiter(settings.followed_jobs),
            password_hashing=trio.CapacityLimiter(settings.password_hashing),
        )

    @property
    def connecting(self) -> tuple[trio.CapacityLimiter, ...]:
        """Those held for connecting and handshakes."""
        return self.polls_connecting, self.polls_suspect, self.refresh, self.jobs_connecting

    def statistics(self) -> dict[str, LimiterStatistics]:
        """By limiter name."""
        found: dict[str, LimiterStatistics] = {}
        for limiter_field in fields(self):
            numbers = getattr(self, limiter_field.name).statistics()
            found[limiter_field.name] = LimiterStatistics(
                numbers.total_tokens, numbers.borrowed_tokens, numbers.tasks_waiting
            )
        return found
