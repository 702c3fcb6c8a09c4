"""The JSON of large answers, written from the domain's objects, which have the fields of their models in
``http.schemas.jobs``; a test compares each with its model.

A preview of 2,500 hosts holds 100,000 packages, and a page of jobs a thousand: models would hold the only thread.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Final

import orjson
import trio

from patch_manager.domain.deployments import JobView, ListPage
from patch_manager.domain.previews import DeploymentPreview
from patch_manager.supervisor.jobs.news import job_item

_HOSTS_AT_ONCE: Final = 50


async def preview_json(preview: DeploymentPreview) -> bytes:
    """The answer's bytes; other tasks have their turn meanwhile."""
    head = {field.name: getattr(preview, field.name) for field in fields(preview) if field.name != "hosts"}
    parts = [_dumps(head)[:-1], b',"hosts":[']
    for start in range(0, len(preview.hosts), _HOSTS_AT_ONCE):
        parts += [b"," if start else b"", _dumps(preview.hosts[start : start + _HOSTS_AT_ONCE])[1:-1]]
        await trio.lowlevel.checkpoint()
    return b"".join([*parts, b"]}"])


def job_page_json(page: ListPage[JobView]) -> bytes:
    """The bytes of ``Page[JobOut]``."""
    items = [job_item(view) for view in page.items]
    return _dumps({"items": items, "next_cursor": page.next_cursor, "total": page.total})


def _dumps(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)
