"""The settings as the documentation states them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from patch_manager.config import Settings, load_settings

SAMPLE = Path(__file__).parent.parent / "docs" / "settings.toml"
EXAMPLES = {"public_url", "tls_certificate", "tls_key", "url", "owner_url", "ca_file"}
"""What has no default of its own: the sample shows a value."""


def test_the_sample_changes_nothing_until_somebody_does() -> None:
    assert load_settings(SAMPLE) == Settings()


def test_the_sample_names_every_setting_with_its_default() -> None:
    stated = tomllib.loads(re.sub(r"(?m)^# (?=\w+ = )", "", SAMPLE.read_text(encoding="utf-8")))
    defaults = Settings().model_dump(mode="json")
    assert {name: set(section) for name, section in stated.items()} == {
        name: set(section) for name, section in defaults.items()
    }
    for name, section in stated.items():
        for key, value in section.items():
            assert key in EXAMPLES or value == defaults[name][key], f"{name}.{key}"
