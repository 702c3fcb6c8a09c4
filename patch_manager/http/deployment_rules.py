"""What a body asks of a deployment or a policy, between the API's shape and the domain's; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from patch_manager.domain.exclusions import Excluded
from patch_manager.domain.rollouts import Problem, RingSpec, Rollout
from patch_manager.http.errors import Failure, FieldError, Unprocessable
from patch_manager.http.schemas.excluding import ExcludeIn
from patch_manager.http.schemas.rollouts import RolloutIn

_MOST_ERRORS: Final = 20


def rollout_of(body: RolloutIn | None) -> Rollout | None:
    """The rollout that a body states; ``domain.rollouts.problems_of`` says what is wrong with it."""
    if body is None:
        return None
    return Rollout(
        rings=tuple(
            RingSpec(
                name=ring.name,
                count=ring.count,
                percent=ring.percent,
                host_ids=tuple(ring.host_ids),
                group_ids=tuple(ring.group_ids),
            )
            for ring in body.rings
        ),
        soak_minutes=body.soak_minutes,
        stop_after_failures=body.stop_after_failures,
        stop_after_failed_percent=body.stop_after_failed_percent,
        max_unavailable=body.max_unavailable,
    )


def refused(problems: Iterable[Problem], below: str = "/rollout") -> Unprocessable:
    """The answer to a rollout that cannot be; ``below`` is where it stands in the body."""
    errors = tuple(FieldError(f"{below}{problem.pointer}", problem.detail) for problem in [*problems][:_MOST_ERRORS])
    return Unprocessable("the rollout cannot be used", errors=errors)


def bad_packages(names: tuple[str, ...]) -> Failure:
    """Answers names that no agent accepts, or none at all."""
    detail = f"no agent accepts: {', '.join(name[:80] for name in names[:5])}" if names else "the list is empty"
    return Unprocessable("the packages cannot be used", errors=(FieldError("/packages", detail),))


def excluded(given: Iterable[ExcludeIn | str]) -> tuple[Excluded, ...]:
    """What a body leaves out; of a pattern that is given twice, the last reason."""
    found = (ExcludeIn(package=each) if isinstance(each, str) else each for each in given)
    return tuple({each.package: Excluded(each.package, each.reason) for each in found}.values())
