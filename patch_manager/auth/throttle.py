"""Slows guessing and locks nobody out (TRUST 7, ASVS 6.3.1).

Tries are counted per (address, name): after a few, each next one has to wait twice as long, at most half a minute.
Somebody else's guessing never refuses the owner at another address. Guessing spread over names or addresses only makes
tries slower, by a pause before the password is looked at.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE_TRIES = 8
LONGEST_WAIT = 30.0
FORGET_AFTER = 15 * 60.0
FREE_TRIES_BROAD = 30  # per address over all names, per name over all addresses
FREE_TRIES_GLOBAL = 300
LONGEST_PAUSE = 2.0
_MAX_KEYS = 20_000


@dataclass(slots=True)
class _Tries:
    count: int
    last: float


class _Counter:
    """Tries per key, forgotten after a while; the longest untouched keys go first when there are too many."""

    def __init__(self) -> None:
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def get(self, key: str, now: float) -> _Tries | None:
        found = self._tries.get(key)
        if found is not None and now - found.last > FORGET_AFTER:
            del self._tries[key]
            return None
        return found

    def add(self, key: str, now: float) -> None:
        found = self.get(key, now)
        if found is None:
            self._tries[key] = _Tries(1, now)
            while len(self._tries) > _MAX_KEYS:
                self._tries.popitem(last=False)
        else:
            found.count += 1
            found.last = now
            self._tries.move_to_end(key)

    def remove(self, key: str) -> None:
        self._tries.pop(key, None)

    def take_back(self, key: str) -> None:
        found = self._tries.get(key)
        if found is not None:
            found.count -= 1
            if found.count <= 0:
                del self._tries[key]


class Throttle:
    """Counts tries from their start, so that a burst sent at once is slowed like one sent in turn.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pairs = _Counter()
        self._broad = _Counter()

    def refused_for(self, ip: str, name: str) -> int:
        """Seconds (rounded up) until a try of this name from this address is allowed; 0: now."""
        now = self._clock()
        tries = self._pairs.get(f"{ip} {name}", now)
        if tries is None or tries.count < FREE_TRIES:
            return 0
        wait: float = min(2.0 ** min(tries.count - FREE_TRIES, 16), LONGEST_WAIT)
        return max(0, math.ceil(tries.last + wait - now))

    def begin(self, ip: str, name: str) -> float:
        """Note a try; the seconds to pause before it, so that broad guessing is slow."""
        now = self._clock()
        self._pairs.add(f"{ip} {name}", now)
        pause = 0.0
        for key, free in (
            (f"ip {ip}", FREE_TRIES_BROAD),
            (f"name {name}", FREE_TRIES_BROAD),
            ("all", FREE_TRIES_GLOBAL),
        ):
            self._broad.add(key, now)
            tries = self._broad.get(key, now)
            if tries is not None and tries.count > free:
                pause = max(pause, min((tries.count - free) * 0.1, LONGEST_PAUSE))
        return pause

    def succeeded(self, ip: str, name: str) -> None:
        """The try was right: this pair starts anew, and the try does not count for others."""
        self._pairs.remove(f"{ip} {name}")
        for key in (f"ip {ip}", f"name {name}", "all"):
            self._broad.take_back(key)
