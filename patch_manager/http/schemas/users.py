"""Accounts as administrators see them. No answer ever holds a password or a secret."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field, SecretStr

from patch_manager.http.pages import PageQuery
from patch_manager.http.schemas.base import Answer, Request

RoleWord = Literal["admin", "operator"]


class UserQuery(PageQuery):
    """Which users."""

    search: str | None = Field(default=None, max_length=100, description="part of the name")
    role: RoleWord | None = None


class UserOut(Answer):
    """A user account."""

    id: UUID
    username: str
    role: RoleWord
    disabled: bool
    disabled_at: datetime | None
    mfa_enrolled: bool = Field(description="false: the user sets up the second factor at the next sign-in")
    group_ids: list[UUID]
    created_at: datetime


class UserCreate(Request):
    """A new account; the user enrols a second factor at the first sign-in."""

    username: str = Field(min_length=1, max_length=64)
    password: SecretStr = Field(max_length=1024)
    role: RoleWord = "operator"
    group_ids: list[UUID] = Field(default_factory=list, max_length=200)


class UserPatch(Request):
    """Changes of an account; absent fields stay. Disabling ends the user's sessions within 5 seconds (TRUST 3)."""

    role: RoleWord | None = None
    disabled: bool | None = None
    group_ids: list[UUID] | None = Field(default=None, max_length=200)
