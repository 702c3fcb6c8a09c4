"""What is left out of a deployment or a policy, and what a preview shows of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from patch_manager.http.schemas.base import Answer, Line, Request

PackagePattern = Annotated[
    str,
    Field(min_length=1, max_length=256, description="a name; * any characters, ? one", examples=["linux-image-*"]),
]


class ExcludeIn(Request):
    """A package that is left out, or several by a pattern."""

    package: PackagePattern
    reason: Line = Field(default="", max_length=500)


class ExcludeOut(Answer):
    """A package that is left out, or several by a pattern."""

    package: str
    reason: str


class PreviewExcluded(Answer):
    """A pending package that would be left out, and by whose word."""

    name: str
    package: str = Field(description="the name or pattern that excludes it")
    owner: str
    reason: str
    expires_at: datetime | None = Field(description="null: it ends with this deployment")
    standing: bool = Field(description="for every deployment, not for this one only")
