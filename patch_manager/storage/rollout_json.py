"""A rollout as a column of JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson

from patch_manager.domain.rollouts import RingSpec, Rollout


def dump_rollout(rollout: Rollout) -> str:
    """The JSON text."""
    return orjson.dumps(asdict(rollout)).decode()


def load_rollout(text: str) -> Rollout:
    """The rollout that ``dump_rollout`` wrote."""
    found = orjson.loads(text)
    return Rollout(**{**found, "rings": tuple(_ring(ring) for ring in found["rings"])})


def _ring(found: dict[str, Any]) -> RingSpec:
    ids = {key: tuple(UUID(each) for each in found[key]) for key in ("host_ids", "group_ids")}
    return RingSpec(**{**found, **ids})
