"""How a simulated host misbehaves. A temper is a value: give a host another one at any time."""

import enum
from dataclasses import dataclass

ALWAYS = 2**31  # for the counted misbehaviours: more often than any test asks
EVERYTHING = "*"  # for `Temper.kept_back`: every package


class Reception(enum.Enum):
    """What becomes of a TCP connection before anything is said."""

    SERVE = "serve"
    REFUSE = "refuse"  # nobody listens: ECONNREFUSED
    DROP_BEFORE_TLS = "drop_before_tls"  # as a client that is missing from the allow-list may be treated
    DROP_AFTER_TLS = "drop_after_tls"
    HANG = "hang"  # accepted, then silence


class Identity(enum.Enum):
    """Which certificate and which TLS a host shows."""

    OWN = "own"
    EXPIRED = "expired"
    FOREIGN = "foreign"  # right names, another authority
    OTHER_HOST = "other_host"
    TLS_1_2 = "tls_1_2"


class Answering(enum.Enum):
    """How requests are answered."""

    PROPER = "proper"
    DROP = "drop"  # request read, connection closed
    HANG = "hang"
    DRIP = "drip"  # a byte every half second
    GARBAGE = "garbage"  # no HTTP at all
    HTML = "html"  # a proxy's page with status 200
    HUGE = "huge"  # a body without end
    GZIP_BOMB = "gzip_bomb"
    REDIRECT = "redirect"
    HTTP_500 = "http_500"
    RATE_LIMITED = "rate_limited"


class LostAnswer(enum.Enum):
    """When the connection is cut during a POST, PUT or DELETE."""

    NEVER = "never"
    BEFORE_ACCEPTANCE = "before_acceptance"  # the agent did nothing
    AFTER_ACCEPTANCE = "after_acceptance"  # the job exists, the manager was not told


@dataclass(frozen=True, slots=True)
class Temper:
    """The default is a well-behaved agent. Counts start anew each time a host gets a temper.

    Times are seconds. *answering_on* limits *answering* to targets that start with it. *kept_back* names packages
    that stay pending although their job completes (`EVERYTHING` for all).
    """

    reception: Reception = Reception.SERVE
    identity: Identity = Identity.OWN
    answering: Answering = Answering.PROPER
    answering_on: str = "/"
    retry_after: int = 5
    health_delay: float = 0.0
    degraded: bool = False
    fail_jobs: int = 0
    error_code: str = "PKG_MANAGER_ERROR"
    time_out_jobs: int = 0
    lose_jobs: int = 0
    never_finish: int = 0
    kept_back: tuple[str, ...] = ()
    restart_mid_job: int = 0
    restart_seconds: float = 1.0
    work_is_done: bool = True  # whether the work of lost and interrupted jobs is done nevertheless
    lost_answer: LostAnswer = LostAnswer.NEVER
    lost_answers: int = 1
    self_updating: bool = False
    queue_full: bool = False
    idle_rollbacks: bool = False  # rollbacks complete and change nothing
