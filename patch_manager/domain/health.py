"""Health of a host as the manager sees it, and the kinds of failure that explain it (DESIGN §2)."""

from __future__ import annotations

from enum import StrEnum


class Health(StrEnum):
    """What operators see: ``degraded`` is yellow, ``unreachable`` red; ``unknown`` was never polled."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNREACHABLE = "unreachable"


class ActorState(StrEnum):
    """What the actor of a host is doing right now, for the column *actor state* and the fleet map."""

    STARTING = "starting"
    IDLE = "idle"
    WAITING = "waiting"  # for a limiter: visible, never silent
    POLLING = "polling"
    BACKING_OFF = "backing_off"
    WORKING = "working"  # a job is in hand
    QUARANTINED = "quarantined"
    STOPPED = "stopped"


class FailureKind(StrEnum):
    """Why talking to an agent failed; each has a sentence for operators in ``actors.agent.failures``."""

    REFUSED = "refused"
    NO_ROUTE = "no_route"
    TIMED_OUT = "timed_out"
    DROPPED = "dropped"
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    CERTIFICATE_REVOKED = "certificate_revoked"
    CERTIFICATE_IDENTITY = "certificate_identity"
    CRL_EXPIRED = "crl_expired"
    TLS_VERSION = "tls_version"
    TLS_OTHER = "tls_other"
    HTTP_STATUS = "http_status"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    TOO_SLOW = "too_slow"
    REDIRECT = "redirect"
    ADDRESS_FORBIDDEN = "address_forbidden"
    RATE_LIMITED = "rate_limited"
    AGENT_ERROR = "agent_error"
    LOCAL_RESOURCES = "local_resources"
