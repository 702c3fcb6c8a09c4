"""The manager's three clocks (see ``Moment``)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from patch_manager.domain.job_record import Moment

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def system_clock() -> Callable[[], Moment]:
    """A clock of this boot; the boot id is read once, because it cannot change under a running process."""
    boot_id = _BOOT_ID.read_text(encoding="ascii").strip()

    def now() -> Moment:
        return Moment(datetime.now(UTC), boot_id, time.clock_gettime(time.CLOCK_BOOTTIME))

    return now
