"""What a message says: a title, some lines, an address to go on from. Plain text, without markup (TRUST 17)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, assert_never
from uuid import UUID

from patch_manager.domain.notifications import EventKind, Fact, Story
from patch_manager.domain.windows import in_zone

_LONGEST_LINE: Final = 300
_NAMES: Final = 6
_CAUSES: Final = 8
_LINES: Final = 25


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ``id`` is the delivery's, the same in every attempt, so that a second copy is recognised as one.

    ``event`` is the kind's word, or ``test``. ``count`` says of how many ``items`` are a part; ``totals``
    are a deployment's jobs by state.
    """

    id: UUID
    event: str
    at: datetime
    title: str
    lines: tuple[str, ...]
    url: str
    count: int = 1
    totals: Mapping[str, int] = field(default_factory=dict)
    items: tuple[dict[str, Any], ...] = ()

    @property
    def text(self) -> str:
        """The lines, and where to go on."""
        return "\n".join((*self.lines, "", self.url))


def trial_message(message_id: UUID, channel: str, at: datetime, origin: str) -> Message:
    """What the test button sends."""
    lines = (f"The channel “{one_line(channel)}” works: messages of Linux Patch Manager arrive here.",)
    return Message(message_id, "test", at, "Test message from Linux Patch Manager", lines, f"{origin}/settings")


def summary(kind: EventKind, count: int) -> str:
    """What a delivery is about, for the log: numbers and no names."""
    match kind:
        case EventKind.JOB_FAILED:
            return f"{count:,} {_plural(count, 'job')} failed"
        case EventKind.OUTCOME_UNKNOWN:
            return f"{count:,} {_plural(count, 'job')} with an unknown outcome"
        case EventKind.DEPLOYMENT_STOPPED:
            return "deployment stopped: too many jobs failed"
        case EventKind.DEPLOYMENT_FINISHED:
            return "deployment finished"
        case EventKind.HOST_UNREACHABLE:
            return f"{count:,} {_plural(count, 'host')} unreachable"
        case EventKind.HOST_RECOVERED:
            return f"{count:,} {_plural(count, 'host')} reachable again"
        case EventKind.WINDOW_OPENING:
            return f"maintenance windows of {count:,} {_plural(count, 'host')} about to open"
        case EventKind.CERTIFICATE_EXPIRING:
            return f"{count:,} {_plural(count, 'certificate')} about to expire"
        case _:
            assert_never(kind)


def tell(story: Story, message_id: UUID, at: datetime, origin: str) -> Message:
    """A delivery in words. ``at`` is when the delivery was made, ``origin`` what browsers type."""
    title, lines = _words(story)
    if story.deployment_by is not None:
        lines = [f"Deployment of {one_line(story.deployment_by)}.", *lines]
    return Message(
        id=message_id,
        event=story.kind.value,
        at=at,
        title=title,
        lines=tuple(one_line(line) for line in lines),
        url=origin + _path(story),
        count=story.count,
        totals=story.totals,
        items=tuple(_item(fact) for fact in story.facts),
    )


def one_line(text: str, limit: int = _LONGEST_LINE) -> str:
    """One bounded line of printable characters: names and causes are the words of strangers."""
    line = "".join(character if character.isprintable() else " " for character in text[: limit + 1])
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _words(story: Story) -> tuple[str, list[str]]:
    kind, facts, count = story.kind, story.facts, story.count
    names = [fact.host_name or "a host" for fact in facts]
    match kind:
        case EventKind.JOB_FAILED:
            title = f"Job failed on {names[0]}" if count == 1 else f"{count:,} jobs failed"
            return one_line(title), _causes(facts, count)
        case EventKind.OUTCOME_UNKNOWN:
            title = f"Outcome unknown on {names[0]}" if count == 1 else f"{count:,} jobs with an unknown outcome"
            advice = "Nothing is sent again on a guess: look at the hosts, then resolve the jobs."
            return one_line(title), [*_causes(facts, count), advice]
        case EventKind.DEPLOYMENT_STOPPED:
            title = f"Deployment stopped, too many jobs failed: {_ended(story)}"
            return title, [_in_all(story), "What has not begun is held: go on with it, or cancel it."]
        case EventKind.DEPLOYMENT_FINISHED:
            return f"Deployment finished: {_ended(story)}", [_in_all(story)]
        case EventKind.HOST_UNREACHABLE:
            title = f"{names[0]} is unreachable" if count == 1 else f"{count:,} hosts are unreachable"
            return one_line(title), _causes(facts, count)
        case EventKind.HOST_RECOVERED:
            title = f"{names[0]} is reachable again" if count == 1 else f"{count:,} hosts are reachable again"
            return one_line(title), [_some(names, count)]
        case EventKind.WINDOW_OPENING:
            title = f"Maintenance window of {names[0]} opens soon" if count == 1 else _first_upper(summary(kind, count))
            return one_line(title), _openings(facts, count)
        case EventKind.CERTIFICATE_EXPIRING:
            return _first_upper(summary(kind, count)), _certificates(facts, count)
        case _:
            assert_never(kind)


def _ended(story: Story) -> str:
    return ", ".join(f"{story.totals[state]:,} {word}" for state, word in _ENDS if story.totals.get(state)) or "no jobs"


def _in_all(story: Story) -> str:
    count = sum(story.totals.values())
    return f"{count:,} {_plural(count, 'job')} in all."


_ENDS: Final = (
    ("succeeded", "succeeded"),
    ("failed", "failed"),
    ("outcome_unknown", "with an unknown outcome"),
    ("cancelled", "cancelled"),
)


def _causes(facts: Sequence[Fact], count: int) -> list[str]:
    """Hosts by cause, the most frequent first."""
    by_cause: dict[str, list[str]] = {}
    for fact in facts:
        by_cause.setdefault(one_line(fact.detail, 200) or "no reason given", []).append(fact.host_name or "a host")
    ranked = sorted(by_cause.items(), key=lambda item: (-len(item[1]), item[0]))
    lines = [f"{_some(hosts, len(hosts))}: {cause}" for cause, hosts in ranked[:_CAUSES]]
    return [*lines, *_rest(count - sum(len(hosts) for _, hosts in ranked[:_CAUSES]))]


def _openings(facts: Sequence[Fact], count: int) -> list[str]:
    """Hosts by opening, in order of time, each on the clock of its window."""
    by_opening: dict[tuple[str, ...], list[str]] = {}
    for fact in facts:
        key = tuple(str(fact.data.get(name) or "") for name in ("opens_at", "closes_at", "timezone", "frozen"))
        by_opening.setdefault(key, []).append(fact.host_name or "a host")
    lines, told = [], 0
    for (opens_at, closes_at, timezone, frozen), hosts in sorted(by_opening.items())[:_LINES]:
        span = f"{_clock(opens_at, timezone)} to {_clock(closes_at, timezone)}"
        stopped = f" (frozen: {frozen}; nothing starts)" if frozen else ""
        lines.append(f"{span}: {_some(hosts, len(hosts))}{stopped}")
        told += len(hosts)
    return [*lines, *_rest(count - told)]


def _certificates(facts: Sequence[Fact], count: int) -> list[str]:
    lines = []
    for fact in sorted(facts, key=lambda fact: str(fact.data.get("not_after", "")))[:_LINES]:
        whose = fact.host_name or str(fact.data.get("subject", "the manager"))
        lines.append(f"{whose}: {fact.detail}")
    return [*lines, *_rest(count - len(lines))]


def _rest(count: int) -> list[str]:
    return [f"And {count:,} more."] if count > 0 else []


def _some(names: Iterable[str], count: int) -> str:
    """The first names, and how many more there are."""
    unique = list(Counter(one_line(name, 80) for name in names))
    shown = ", ".join(unique[:_NAMES])
    return f"{shown} and {count - _NAMES:,} more" if count > _NAMES else shown


def _clock(moment: str, timezone: str) -> str:
    try:
        return in_zone(datetime.fromisoformat(moment), timezone)
    except (ValueError, KeyError):
        return moment


def _path(story: Story) -> str:
    if story.deployment_id is not None:
        return f"/jobs/{story.deployment_id}"
    if story.count == 1 and story.facts and story.facts[0].host_id is not None:
        return f"/hosts/{story.facts[0].host_id}"
    return "/jobs" if story.kind in (EventKind.JOB_FAILED, EventKind.OUTCOME_UNKNOWN) else "/hosts"


def _item(fact: Fact) -> dict[str, Any]:
    """A fact for machines: our own JSON format."""
    return {
        "at": fact.at.isoformat(),
        "host_id": None if fact.host_id is None else str(fact.host_id),
        "host_name": fact.host_name,
        "deployment_id": None if fact.deployment_id is None else str(fact.deployment_id),
        "job_id": None if fact.job_id is None else str(fact.job_id),
        "detail": fact.detail,
        **fact.data,
    }


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]
