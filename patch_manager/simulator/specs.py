"""Which hosts a simulated fleet has. Everything follows from a seed and the address, so runs can be repeated."""

import enum
import ipaddress
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from patch_manager.simulator.catalogue import Family, Patch
from patch_manager.simulator.temper import ALWAYS, EVERYTHING, Answering, Identity, Reception, Temper

DEFAULT_PORT = 12443
DEFAULT_BASE = "127.16.0.1"
GROUPS = ("web", "db", "build", "edge")
VARIANTS = 16  # patch lists per family and length: few enough that answers are shared among thousands of hosts
WELL_BEHAVED = Temper()


class Dialect(enum.Enum):
    """The agent's source and its documentation disagree; both forms are in the field."""

    CODE = "code"
    DOCUMENTATION = "documentation"


class Release(enum.Enum):
    """Release levels at which the agent's behaviour changed."""

    OLD = "1.4.2"  # /health only, which says "ok"
    BEFORE_ALIAS = "2.5.4"  # /api/v1/health; reboots unconditionally when asked to
    ALIAS = "2.5.6"  # allow_reboot with reboot as its alias; requires_reboot is told
    NEWEST = "2.8.0"  # cache, CRL and GPG fields in health; jobs survive a restart

    @property
    def only_old_health(self) -> bool:
        return self is Release.OLD

    @property
    def has_alias(self) -> bool:
        return self in (Release.ALIAS, Release.NEWEST)

    @property
    def has_cache_fields(self) -> bool:
        return self is Release.NEWEST

    @property
    def persists_jobs(self) -> bool:
        return self is Release.NEWEST


class WebSocketForm(enum.Enum):
    """What an upgrade of ``/api/v1/ws/jobs`` leads to."""

    FRAMES = "frames"
    JSON_AFTER_101 = "json_after_101"
    PLAIN_JSON = "plain_json"


_WEBSOCKET = {
    Release.OLD: WebSocketForm.PLAIN_JSON,
    Release.BEFORE_ALIAS: WebSocketForm.JSON_AFTER_101,
    Release.ALIAS: WebSocketForm.FRAMES,
    Release.NEWEST: WebSocketForm.FRAMES,
}


@dataclass(frozen=True, slots=True)
class HostSpec:
    """One host as it is when the fleet starts. Times are seconds.

    *patches* overrides the list that *family*, *variant* and *patch_count* give. *fqdn* is in the certificate.
    """

    address: str
    hostname: str
    group: str
    family: Family
    dialect: Dialect
    release: Release
    websocket: WebSocketForm
    variant: int
    patch_count: int
    uptime: int
    job_seconds: float
    temper: Temper = WELL_BEHAVED
    patches: tuple[Patch, ...] | None = None
    package_count: int = 300
    reboot_seconds: float = 20.0
    rollback_works: bool = True
    concurrent_jobs: int = 5
    queue_size: int = 20

    @property
    def fqdn(self) -> str:
        return f"{self.hostname}.fleet.example"

    @classmethod
    def at(cls, address: str, *, seed: int = 0, **changes: Any) -> Self:
        """A healthy host whose particulars follow from *seed* and *address*; *changes* overrides single fields."""
        rng = random.Random(f"{seed}:{address}")  # noqa: S311 - meant to be repeatable
        release = changes.get("release") or rng.choices(list(Release), weights=(1, 2, 3, 4))[0]
        group = changes.get("group") or rng.choice(GROUPS)
        facts: dict[str, Any] = {
            "hostname": f"{group}-{address.replace('.', '-')}",
            "group": group,
            "family": rng.choice(list(Family)),
            "dialect": rng.choice(list(Dialect)),
            "release": release,
            "websocket": _WEBSOCKET[release],
            "variant": rng.randrange(VARIANTS),
            "patch_count": rng.choice((0, 3, 5, 8, 12, 18)),
            "uptime": rng.randrange(3_600, 200 * 86_400),
            "job_seconds": round(rng.uniform(4, 15), 1),
        }
        return cls(address=address, **facts | changes)


def addresses(count: int, base: str = DEFAULT_BASE) -> Iterator[str]:
    """*count* loopback addresses upward from *base*, without those that end in .0 or .255.

    Raises ValueError when they leave 127.0.0.0/8.
    """
    current = ipaddress.IPv4Address(base)
    while count:
        if not current.is_loopback:
            raise ValueError(f"the fleet would leave 127.0.0.0/8 at {current}")
        if int(current) & 0xFF not in (0, 255):
            yield str(current)
            count -= 1
        current += 1


def demo_fleet(count: int, *, seed: int = 1, base: str = DEFAULT_BASE) -> list[HostSpec]:
    """A fleet for people to look at: four groups, every dialect and release, about 4% failing hosts, a few slow."""
    rng = random.Random(f"demo:{seed}")  # noqa: S311 - meant to be repeatable
    fleet = []
    for index, address in enumerate(addresses(count, base)):
        group = GROUPS[index % len(GROUPS)]
        spec = HostSpec.at(address, seed=seed, group=group, hostname=f"{group}-{index // len(GROUPS) + 1:03d}")
        if index % 25 == 7:  # 4%
            spec = replace(spec, temper=_FAULTS[(index // 25) % len(_FAULTS)])
        elif rng.random() < 0.03:
            spec = replace(spec, temper=Temper(health_delay=rng.uniform(2, 6)), job_seconds=spec.job_seconds * 4)
        fleet.append(spec)
    return fleet


def quiet_fleet(
    count: int, *, seed: int = 1, base: str = DEFAULT_BASE, patch_count: int = 10, job_seconds: float = 2.0
) -> list[HostSpec]:
    """A fleet for benchmarks: all well, of one dialect and release, with one list of *patch_count* patches."""
    return [
        HostSpec.at(
            address,
            seed=seed,
            group=GROUPS[index % len(GROUPS)],
            family=Family.DEBIAN_12,
            dialect=Dialect.CODE,
            release=Release.NEWEST,
            variant=0,
            patch_count=patch_count,
            job_seconds=job_seconds,
        )
        for index, address in enumerate(addresses(count, base))
    ]


_FAULTS = (
    Temper(fail_jobs=ALWAYS, error_code="PKG_MANAGER_ERROR"),
    Temper(reception=Reception.REFUSE),
    Temper(fail_jobs=1, error_code="NETWORK_ERROR"),
    Temper(reception=Reception.DROP_BEFORE_TLS),
    Temper(identity=Identity.EXPIRED),
    Temper(degraded=True),
    Temper(kept_back=(EVERYTHING,)),
    Temper(answering=Answering.HTTP_500),
    Temper(fail_jobs=ALWAYS, error_code="DEPENDENCY_CONFLICT"),
    Temper(identity=Identity.FOREIGN),
)
