"""Settings that rooms read; the composition root fills them from TOML and the environment (DESIGN §6)."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A section of the settings file; an unknown key is an error, so that a typo never passes silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AgentSettings(Section):
    """How agents are reached. Times in seconds, sizes in bytes."""

    port: int = Field(default=12443, ge=1, le=65535)
    allow_loopback: bool = False
    connect_timeout: float = Field(default=10.0, gt=0)
    answer_timeout: float = Field(default=330.0, gt=0, description="health may refresh the package cache for 300 s")
    max_answer_bytes: int = Field(default=16 * 1024 * 1024, gt=0)


class PollingSettings(Section):
    """Cadence of polls. Both intervals are spread evenly over the fleet by host."""

    health_seconds: float = Field(default=300.0, gt=0)
    patches_seconds: float = Field(default=1800.0, gt=0)
    keep_connections: bool = Field(default=False, description="kept connections cost 36 KiB and a file each")


class NotificationSettings(Section):
    """Where mail and webhooks may go besides the outside and private networks, and whose certificates count."""

    ca_file: Path | None = Field(default=None, description="trusted besides the system's authorities, PEM")
    allow_loopback: bool = Field(
        default=False, description="a mail relay on this machine; agent.allow_loopback allows it too"
    )


class LimitSettings(Section):
    """How much happens at once; each is a named limiter whose waiting is shown."""

    polls_connecting: int = Field(default=20, ge=1)
    polls_in_flight: int = Field(default=200, ge=1)
    refresh: int = Field(default=20, ge=1)
    jobs_connecting: int = Field(default=20, ge=1)
    jobs_beginning: int = Field(default=150, ge=1, description="jobs that read what is pending")
    dispatch: int = Field(default=50, ge=1, description="jobs between baseline and answer")
    followed_jobs: int = Field(default=600, ge=1)
    password_hashing: int = Field(default=2, ge=1)
