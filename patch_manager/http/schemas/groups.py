"""Queries over groups; the group itself is in ``schemas.fleet``."""

from __future__ import annotations

from pydantic import Field

from patch_manager.http.pages import PageQuery


class GroupQuery(PageQuery):
    """Which groups."""

    search: str | None = Field(default=None, max_length=100, description="part of the name")
