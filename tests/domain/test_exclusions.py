"""What an exclusion is about, until when, and whose word counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from patch_manager.domain.exclusions import Exclusion, exclusion_of, pattern_problem

NOW = datetime(2031, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("openssl", "openssl", True),
        ("openssl", "openssl-libs", False),
        ("openssl", "OpenSSL", False),
        ("linux-image-*", "linux-image-6.1.0-18-amd64", True),
        ("linux-image-*", "linux-image-", True),
        ("linux-image-*", "old-linux-image-6", False),
        ("python3.1?", "python3.11", True),
        ("python3.1?", "python3x11", False),
        ("*-dev", "libc6-dev", True),
    ],
)
def test_stars_and_question_marks_stand_for_characters(pattern: str, name: str, matches: bool) -> None:
    assert pattern_problem(pattern) is None
    assert Exclusion(pattern, "dba").matches(name) is matches


@pytest.mark.parametrize("pattern", ["", "*", "*?*", "-rf", "a b", "[a-z]*", "a%", "a" * 300, "ä*", "a\n"])
def test_patterns_that_say_nothing_or_everything_are_refused(pattern: str) -> None:
    assert pattern_problem(pattern) is not None


def test_an_exclusion_ends_at_the_moment_it_says() -> None:
    exclusion = Exclusion("openssl", "dba", "vendor pin", NOW + timedelta(seconds=1))
    assert exclusion_of("openssl", [exclusion], NOW) == exclusion
    assert exclusion_of("openssl", [exclusion], NOW + timedelta(seconds=1)) is None


def test_a_standing_exclusion_goes_before_a_deployments_own_and_the_longest_before_others() -> None:
    own, soon = Exclusion("open*", "op"), Exclusion("openssl", "dba", "x", NOW + timedelta(hours=1))
    late = Exclusion("*ssl", "web", "y", NOW + timedelta(hours=2))
    assert exclusion_of("openssl", [own, soon, late], NOW) == late
    assert exclusion_of("openssl", [own, soon, late], NOW + timedelta(hours=3)) == own
    assert exclusion_of("bash", [own, soon, late], NOW) is None
    assert late.words == "excluded until Sat 2031-03-01 14:00 UTC by web: y"
    assert own.words == "excluded from this deployment by op"
