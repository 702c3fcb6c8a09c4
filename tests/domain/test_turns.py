"""How many hosts of a group may be away for a reboot at once."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patch_manager.domain.turns import Away, no_turn

A, B, C = (UUID(int=number) for number in (1, 2, 3))


def host(number: int, *groups: UUID) -> Away:
    return Away(UUID(int=100 + number), frozenset(groups))


@pytest.mark.parametrize(
    ("asking", "away", "limits", "deployment", "allowed"),
    [
        (host(1, A), [host(2, A)], {}, None, True),
        (host(1, A), [host(2, A)], {A: 2}, None, True),
        (host(1, A), [host(2, A)], {A: 1}, None, False),
        (host(1, A), [host(2, B)], {A: 1}, None, True),
        (host(1, A), [host(1, A)], {A: 1}, None, True),  # it has its turn already
        (host(1, A), [host(2, A)], {}, 1, False),
        (host(1, A), [host(2, B)], {}, 1, True),
        (host(1, A), [host(2, A)], {A: 1}, 5, False),
        (host(1, A), [host(2, A)], {A: 5}, 1, False),
        (host(1, A, B), [host(2, B)], {B: 1}, None, False),
        (host(1), [host(2), host(3, A)], {}, 2, True),
        (host(1), [host(2), host(3)], {}, 2, False),
        (host(1), [host(2)], {A: 1}, None, True),
    ],
)
def test_a_host_needs_room_in_all_of_its_groups(
    asking: Away, away: list[Away], limits: dict[UUID, int], deployment: int | None, allowed: bool
) -> None:
    assert (no_turn(asking, away, limits, deployment) is None) is allowed


def test_the_words_say_how_many_and_no_group_by_name() -> None:
    assert no_turn(host(1, A), [host(2, A), host(3, A)], {A: 2}, None) == (
        "waiting to reboot: 2 hosts of its group are rebooting, and no more than 2 may at once"
    )
    assert no_turn(host(1), [host(2)], {}, 1) == (
        "waiting to reboot: 1 host of those without a group is rebooting, and no more than 1 may at once"
    )


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.sets(st.sampled_from([A, B, C])), min_size=1, max_size=12),
    limits=st.dictionaries(st.sampled_from([A, B, C]), st.integers(1, 3)),
    order=st.randoms(use_true_random=False),
)
def test_no_limit_is_passed_and_all_get_their_turn(
    groups: list[set[UUID]], limits: dict[UUID, int], order: st.DataObject
) -> None:
    waiting = [host(number, *each) for number, each in enumerate(groups)]
    away: list[Away] = []
    while waiting:
        order.shuffle(waiting)  # type: ignore[attr-defined]  # a random.Random
        for asking in list(waiting):
            if no_turn(asking, away, limits, None) is None:
                away.append(asking)
                waiting.remove(asking)
        for group_id, limit in limits.items():
            assert sum(group_id in each.group_ids for each in away) <= limit
        assert away, "hosts wait for each other"
        away.pop(0)
