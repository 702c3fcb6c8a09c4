"""Rollouts as one principal sees them: states are the rollout's, numbers are of the jobs in sight (TRUST 10)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from uuid import UUID

from patch_manager.domain.deployments import RingView
from patch_manager.domain.principal import EVERYTHING, Scope
from patch_manager.domain.ring_rules import ring_state, soak_until, stopped_words, waiting_words
from patch_manager.domain.rollouts import RingState, Rollout
from patch_manager.storage.connecting import Connection
from patch_manager.storage.rollouts import Rolling, rollouts_of

_REASON_IN_PART = "too many jobs failed"


@dataclass(frozen=True, slots=True)
class SeenRollout:
    """A rollout, and the part of it that somebody sees."""

    whole: Rolling
    seen: Rolling

    @property
    def in_part(self) -> bool:
        """Whether there are hosts out of sight: their ids and numbers are not told."""
        return self.whole.progress != self.seen.progress

    @property
    def rollout(self) -> Rollout:
        """What was asked for."""
        rollout = self.whole.progress.rollout
        if not self.in_part:
            return rollout
        return replace(rollout, rings=tuple(replace(ring, host_ids=(), group_ids=()) for ring in rollout.rings))

    @property
    def rings(self) -> tuple[RingView, ...]:
        """Its rings."""
        progress = self.whole.progress
        views = []
        for index, ring in enumerate(self.seen.progress.rings):
            state = ring_state(progress, index)
            until = soak_until(progress) if state is RingState.SOAKING else None
            views.append(RingView(ring.name, ring.totals.total, state, ring.totals, until))
        return tuple(views)

    @property
    def stop_reason(self) -> str | None:
        """Why it was stopped."""
        return _REASON_IN_PART if self.in_part and self.whole.stop_reason is not None else self.whole.stop_reason

    def held_message(self, ring: int) -> str:
        """What a job of that ring that is held back waits for."""
        if self.stop_reason is not None:
            return stopped_words(self.stop_reason)
        return waiting_words(self.whole.progress, self.seen.progress.rings[ring - 1].totals, ring)


async def seen_rollouts(
    connection: Connection, deployment_ids: Collection[UUID], scope: Scope
) -> dict[UUID, SeenRollout]:
    """Those of these deployments that have a rollout."""
    whole = await rollouts_of(connection, deployment_ids)
    seen = whole if scope == EVERYTHING else await rollouts_of(connection, whole.keys(), scope)
    return {key: SeenRollout(rolling, seen[key]) for key, rolling in whole.items()}
