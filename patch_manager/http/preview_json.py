"""The JSON of a preview, written from the domain's objects, which have the fields of ``DeploymentPreview`` in
``http.schemas.jobs``.

With 2,500 hosts it holds 100,000 packages: a model of each would hold the only thread for seconds.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Final

import orjson
import trio

from patch_manager.domain.deployments import DeploymentPreview

_HOSTS_AT_ONCE: Final = 50


async def preview_json(preview: DeploymentPreview) -> bytes:
    """The answer's bytes; other tasks have their turn meanwhile."""
    head = {field.name: getattr(preview, field.name) for field in fields(preview) if field.name != "hosts"}
    parts = [_dumps(head)[:-1], b',"hosts":[']
    for start in range(0, len(preview.hosts), _HOSTS_AT_ONCE):
        parts += [b"," if start else b"", _dumps(preview.hosts[start : start + _HOSTS_AT_ONCE])[1:-1]]
        await trio.lowlevel.checkpoint()
    return b"".join([*parts, b"]}"])


def _dumps(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)
