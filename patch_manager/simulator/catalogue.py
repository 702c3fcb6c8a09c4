"""Operating systems, packages and patches of the simulated fleet: real names and CVEs, invented version numbers."""

import enum
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patch:
    """One pending update of one installed package."""

    name: str
    current_version: str
    available_version: str
    severity: str
    description: str
    cve_ids: tuple[str, ...]
    requires_reboot: bool


@dataclass(frozen=True, slots=True)
class System:
    """What ``/etc/os-release`` and ``uname`` say on a family of hosts."""

    name: str
    version: str
    codename: str
    package_manager: str
    kernel: str
    patched_kernel: str
    release_tag: str  # how this distribution marks its package revisions; {} is the revision


class Family(enum.Enum):
    """The supported families."""

    DEBIAN_12 = System("Debian GNU/Linux", "12", "bookworm", "apt", "6.1.0-25-amd64", "6.1.0-28-amd64", "-1+deb12u{}")
    UBUNTU_22_04 = System("Ubuntu", "22.04", "jammy", "apt", "5.15.0-119-generic", "5.15.0-127-generic", "-0ubuntu1.{}")
    UBUNTU_24_04 = System("Ubuntu", "24.04", "noble", "apt", "6.8.0-40-generic", "6.8.0-51-generic", "-1ubuntu0.{}")
    RHEL_9 = System(
        "Red Hat Enterprise Linux",
        "9.4",
        "Plow",
        "dnf",
        "5.14.0-427.13.1.el9_4.x86_64",
        "5.14.0-427.42.1.el9_4.x86_64",
        "-{}.el9_4",
    )
    ROCKY_9 = System(
        "Rocky Linux",
        "9.4",
        "Blue Onyx",
        "dnf",
        "5.14.0-427.13.1.el9_4.x86_64",
        "5.14.0-427.42.1.el9_4.x86_64",
        "-{}.el9",
    )
    SLES_15 = System(
        "SLES", "15.6", "", "zypper", "6.4.0-150600.21-default", "6.4.0-150600.23.25-default", "-150600.{}.1"
    )

    @property
    def uses_deb(self) -> bool:
        return self.value.package_manager == "apt"


@dataclass(frozen=True, slots=True)
class _Known:
    deb: str
    rpm: str
    upstream: str
    severity: str
    cve_ids: tuple[str, ...]
    description: str
    requires_reboot: bool = False


_KNOWN = (
    _Known("openssl", "openssl", "3.0.13", "high", ("CVE-2024-5535", "CVE-2024-0727"), "TLS toolkit"),
    _Known("libssl3", "openssl-libs", "3.0.13", "high", ("CVE-2024-5535",), "TLS library"),
    _Known("openssh-server", "openssh-server", "9.2p1", "critical", ("CVE-2024-6387",), "secure shell server"),
    _Known("libc6", "glibc", "2.36", "critical", ("CVE-2023-4911", "CVE-2024-2961"), "C library", True),
    _Known("sudo", "sudo", "1.9.13p3", "high", ("CVE-2023-22809",), "limited super user privileges"),
    _Known("curl", "curl", "7.88.1", "critical", ("CVE-2023-38545", "CVE-2023-38546"), "URL transfers"),
    _Known("systemd", "systemd", "252.26", "medium", ("CVE-2023-7008",), "system and service manager", True),
    _Known("bind9-host", "bind-utils", "9.18.24", "high", ("CVE-2023-50387", "CVE-2023-50868"), "DNS lookups"),
    _Known("nginx", "nginx", "1.22.1", "high", ("CVE-2023-44487",), "web server"),
    _Known("git", "git-core", "2.39.2", "critical", ("CVE-2024-32002", "CVE-2024-32004"), "revision control"),
    _Known("python3.11", "python3", "3.11.2", "medium", ("CVE-2023-40217",), "Python interpreter"),
    _Known("libxml2", "libxml2", "2.9.14", "high", ("CVE-2024-25062",), "XML library"),
    _Known("libgnutls30", "gnutls", "3.7.9", "medium", ("CVE-2024-0553", "CVE-2024-0567"), "TLS library"),
    _Known("less", "less", "590", "high", ("CVE-2024-32487",), "pager"),
    _Known("vim-common", "vim-minimal", "9.0.1378", "low", ("CVE-2023-4781",), "editor"),
    _Known("tar", "tar", "1.34", "low", ("CVE-2023-39804",), "archives"),
    _Known("libexpat1", "expat", "2.5.0", "critical", ("CVE-2024-45490", "CVE-2024-45491"), "XML parser"),
    _Known("perl-base", "perl-interpreter", "5.36.0", "medium", ("CVE-2023-47038",), "Perl interpreter"),
    _Known("postgresql-15", "postgresql-server", "15.6", "high", ("CVE-2024-0985", "CVE-2024-7348"), "database"),
    _Known("libwebp7", "libwebp", "1.2.4", "critical", ("CVE-2023-4863",), "image library"),
    _Known("dbus", "dbus", "1.14.10", "unknown", (), "message bus", True),
    _Known("tzdata", "tzdata", "2024a", "none", (), "time zones"),
    _Known("ca-certificates", "ca-certificates", "20230311", "", (), "trusted authorities"),
    _Known("rsync", "rsync", "3.2.7", "critical", ("CVE-2024-12084",), "file copying"),
    _Known("libtiff6", "libtiff", "4.5.0", "medium", ("CVE-2023-52356",), "image library"),
    _Known("cups-client", "cups-client", "2.4.2", "high", ("CVE-2024-47175",), "printing"),
    _Known("krb5-user", "krb5-workstation", "1.20.1", "high", ("CVE-2024-37370", "CVE-2024-37371"), "Kerberos"),
    _Known("wget", "wget", "1.21.3", "medium", ("CVE-2024-38428",), "URL transfers"),
    _Known("bash", "bash", "5.2.15", "low", (), "shell"),
    _Known("coreutils", "coreutils", "9.1", "none", (), "basic tools"),
)
_KERNEL_CVES = ("CVE-2024-1086", "CVE-2024-26581", "CVE-2023-6931", "CVE-2024-36971")
_FILLERS = ("lib", "python3-", "perl-", "golang-", "node-", "fonts-", "gir1.2-", "ruby-")


def kernel_package(family: Family) -> str:
    """The package whose update makes a host's next boot run another kernel."""
    return "linux-image-amd64" if family.uses_deb else "kernel-default" if family is Family.SLES_15 else "kernel"


def available_patches(family: Family) -> tuple[Patch, ...]:
    """Every patch this family knows, the kernel's first."""
    system = family.value
    kernel = Patch(
        kernel_package(family), system.kernel, system.patched_kernel, "high", "Linux kernel", _KERNEL_CVES, True
    )
    known = (
        Patch(
            name=item.deb if family.uses_deb else item.rpm,
            current_version=item.upstream + system.release_tag.format(3),
            available_version=item.upstream + system.release_tag.format(7),
            severity=item.severity,
            description=item.description,
            cve_ids=item.cve_ids,
            requires_reboot=item.requires_reboot,
        )
        for item in _KNOWN
    )
    return (kernel, *known)


def pending_patches(family: Family, variant: int, count: int) -> tuple[Patch, ...]:
    """*count* patches, the same ones for the same arguments.

    Beyond the known ones come numbered libraries, so that benchmarks may ask for lists of any length.
    """
    known = list(available_patches(family))
    random.Random(f"{family.name}:{variant}").shuffle(known)  # noqa: S311 - a choice to repeat, not a secret
    chosen = known[:count]
    tag = family.value.release_tag
    for number in range(count - len(chosen)):
        cves = (f"CVE-2024-{90000 + number}",) if number % 3 == 0 else ()
        severity = ("medium", "low", "high", "none")[number % 4]
        chosen.append(
            Patch(
                f"libsample{number}", f"1.{number}" + tag.format(1), f"1.{number}" + tag.format(2), severity,
                "sample library", cves, False,
            )
        )  # fmt: skip
    return tuple(sorted(chosen, key=lambda patch: patch.name))


def filler_packages(family: Family, count: int) -> list[tuple[str, str]]:
    """Names and versions of *count* installed packages with nothing pending."""
    tag = family.value.release_tag
    return [
        (f"{_FILLERS[number % len(_FILLERS)]}part{number:04d}", f"{1 + number % 7}.{number % 40}" + tag.format(1))
        for number in range(count)
    ]
