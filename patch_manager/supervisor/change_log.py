"""What changed since a number that only grows: one entry a key, so that the log never outgrows its keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key")


class ChangeLog(Generic[Key]):
    """Keys in the order of their last change. Readers hold a number instead of a queue and can never overflow."""

    __slots__ = ("_at", "_limit", "floor")

    def __init__(self, limit: int | None = None) -> None:
        """``limit``: entries kept; a reader older than the oldest dropped one has to start over (see ``floor``)."""
        self._at: dict[Key, int] = {}
        self._limit = limit
        self.floor = 0

    def __len__(self) -> int:
        return len(self._at)

    def note(self, key: Key, number: int) -> list[Key]:
        """``key`` changed at ``number``, which is larger than all before. Returns the keys dropped for it."""
        self._at.pop(key, None)
        self._at[key] = number
        dropped: list[Key] = []
        while self._limit is not None and len(self._at) > self._limit:
            oldest = next(iter(self._at))
            self.floor = self._at.pop(oldest)
            dropped.append(oldest)
        return dropped

    def forget(self, key: Key) -> None:
        """The key is no more."""
        self._at.pop(key, None)

    def number(self, key: Key) -> int:
        """When ``key`` last changed; 0 when it is not in the log."""
        return self._at.get(key, 0)

    def since(self, number: int) -> Iterator[Key]:
        """Keys changed after ``number``, newest first."""
        for key in reversed(self._at):
            if self._at[key] <= number:
                return
            yield key
