"""Settings: a TOML file, then ``PATCH_MANAGER_<SECTION>__<KEY>`` from the environment (DESIGN §6)."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from patch_manager.domain.settings import AgentSettings, LimitSettings, NotificationSettings, PollingSettings, Section

_PREFIX = "PATCH_MANAGER_"
DEFAULT_BIND = "127.0.0.1:8443"


class ConfigError(Exception):
    """Settings that cannot be used; the text is one line that says which and why."""


class ServerSettings(Section):
    """Where the server listens and keeps its data."""

    bind: str = Field(default=DEFAULT_BIND, description="address:port; an IPv6 address in brackets")
    data_dir: Path = Path("/var/lib/patch-manager")
    public_url: str | None = Field(default=None, description="where browsers reach it; default https://localhost:PORT")
    tls_certificate: Path | None = Field(default=None, description="own HTTPS certificate instead of the internal CA's")
    tls_key: Path | None = None
    log_level: str = "info"

    @field_validator("bind")
    @classmethod
    def _bind_has_a_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
            raise ValueError("must be ADDRESS:PORT, for example 0.0.0.0:8443 or [::]:8443")
        return value

    @field_validator("public_url")
    @classmethod
    def _public_url_is_an_https_origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme != "https" or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise ValueError("must be an https:// address without a path, for example https://patch.example.com:8443")
        return value.rstrip("/")

    @property
    def port(self) -> int:
        """The TCP port of ``bind``."""
        return int(self.bind.rpartition(":")[2])

    @property
    def origin(self) -> str:
        """The origin browsers see, for WebSocket and WebAuthn checks."""
        return self.public_url or f"https://localhost:{self.port}"


class DatabaseSettings(Section):
    """Which PostgreSQL; without a URL an embedded one is run under ``server.data_dir``."""

    url: SecretStr | None = Field(default=None, description="postgresql://… of the application's role")
    owner_url: SecretStr | None = Field(default=None, description="role that owns the schema, when it is another")
    pool_size: int = Field(default=8, ge=2, le=50)


class Settings(BaseSettings):
    """All settings. The environment overrides the file, key by key."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    agent: AgentSettings = AgentSettings()
    polling: PollingSettings = PollingSettings()
    limits: LimitSettings = LimitSettings()
    notifications: NotificationSettings = NotificationSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first; what is passed in is the file's contents."""
        return env_settings, init_settings


def _refuse_unknown_sections() -> None:
    """pydantic-settings looks up the sections it knows; one misspelt in the environment would pass silently."""
    for name in sorted(os.environ):
        section, separator, _ = name.upper().removeprefix(_PREFIX).partition("__")
        if name.upper().startswith(_PREFIX) and separator and section.lower() not in Settings.model_fields:
            raise ConfigError(f"environment {name}: there is no section {section.lower()}")


def load_settings(path: Path | None) -> Settings:
    """Read settings.

    Raises:
        ConfigError: the file is missing, is not TOML, or a value cannot be used.
    """
    values: dict[str, object] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"cannot read settings {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not valid TOML: {error}") from error
    _refuse_unknown_sections()
    try:
        return Settings.model_validate(values) if not values else Settings(**values)  # type: ignore[arg-type]  # checked by pydantic
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"setting {where}: {first['msg']}") from error
