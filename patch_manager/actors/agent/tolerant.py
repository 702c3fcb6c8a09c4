"""Field types for answers of strangers: junk becomes None, text is bounded and storable, nothing raises.

PostgreSQL stores no NUL, UTF-8 no lone surrogate: both become U+FFFD here, so that an agent's words never block a
write (TRUST "Audit log").
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
from pydantic import BeforeValidator

NAME_LIMIT: Final = 256
MESSAGE_LIMIT: Final = 4_096
OUTPUT_LIMIT: Final = 65_536
_MAX_INT: Final = 2**53
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_YES: Final = frozenset({"true", "yes", "1"})
_NO: Final = frozenset({"false", "no", "0"})


def loads(body: bytes) -> Any:
    """Parse JSON; ``ValueError`` when it is none.

    orjson is fast and strict: an answer it refuses (a lone surrogate, bytes that are not UTF-8, NaN) is read again by
    the forgiving parser, because one odd description must not hide a host's patches.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if body.lstrip()[:1] not in (b"{", b"["):
            raise
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def clean(text: str, limit: int) -> str:
    """Bound a text and replace what cannot be stored."""
    text = text[:limit]
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def text_or_none(value: object, limit: int = NAME_LIMIT) -> str | None:
    """A text of at most ``limit`` characters; numbers are spelt out, blanks and everything else are None."""
    if isinstance(value, str):
        return clean(value.strip(), limit) or None
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return str(value)[:limit]
    return None


def message_or_none(value: object) -> str | None:
    """A longer text; of an object the ``message`` in it (errors of the documentation dialect)."""
    if isinstance(value, dict):
        value = value.get("message")
    return text_or_none(value, MESSAGE_LIMIT)


def output_or_none(value: object) -> str | None:
    """The last 64 KiB of a command's output, where its errors are."""
    if not isinstance(value, str) or not value:
        return None
    return clean(value if len(value) <= OUTPUT_LIMIT else "…" + value[1 - OUTPUT_LIMIT :], OUTPUT_LIMIT)


def int_or_none(value: object) -> int | None:
    """A whole number, also from a float or digits."""
    if isinstance(value, str):
        value = value.strip().removesuffix("%")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(float(value)) if not isinstance(value, int) else value
    except (ValueError, OverflowError):
        return None
    return number if -_MAX_INT <= number <= _MAX_INT else None


def count_or_none(value: object) -> int | None:
    """A number that is not negative."""
    number = int_or_none(value)
    return number if number is not None and number >= 0 else None


def percent_or_none(value: object) -> int | None:
    """Progress, clamped to 0..100."""
    number = int_or_none(value)
    return None if number is None else max(0, min(100, number))


def bool_or_none(value: object) -> bool | None:
    """A truth value, also as a number or a word."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value != 0
    if isinstance(value, str):
        word = value.strip().lower()
        return True if word in _YES else False if word in _NO else None
    return None


def time_or_none(value: object) -> datetime | None:
    """RFC 3339 with up to nanoseconds (cut to microseconds), aware and in UTC; without a zone it is UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip().upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def names(value: object) -> tuple[str, ...] | None:
    """Names of a list of strings or of objects with a ``name``, each once; None where it is no list."""
    if not isinstance(value, list):
        return None
    found: dict[str, None] = {}
    for item in value:
        name = text_or_none(item.get("name") if isinstance(item, dict) else item)
        if name is not None:
            found[name] = None
    return tuple(found)


def lines(value: object) -> tuple[str, ...]:
    """Log lines: the last ones that fit into 64 KiB together."""
    if not isinstance(value, list):
        return ()
    kept: list[str] = []
    room = OUTPUT_LIMIT
    for item in reversed(value):
        line = message_or_none(item)
        if line is None:
            continue
        room -= len(line)
        if room < 0:
            break
        kept.append(line)
    return tuple(reversed(kept))


def _required(convert: Callable[[object], str | None]) -> Callable[[object], str]:
    def convert_or_raise(value: object) -> str:
        converted = convert(value)
        if converted is None:
            raise ValueError("missing")
        return converted

    return convert_or_raise


Name = Annotated[str, BeforeValidator(_required(text_or_none))]
"""A text without which the item means nothing."""
Text = Annotated[str | None, BeforeValidator(text_or_none)]
Message = Annotated[str | None, BeforeValidator(message_or_none)]
Output = Annotated[str | None, BeforeValidator(output_or_none)]
Number = Annotated[int | None, BeforeValidator(int_or_none)]
Count = Annotated[int | None, BeforeValidator(count_or_none)]
Percent = Annotated[int | None, BeforeValidator(percent_or_none)]
Flag = Annotated[bool | None, BeforeValidator(bool_or_none)]
Moment = Annotated[datetime | None, BeforeValidator(time_or_none)]
Names = Annotated[tuple[str, ...] | None, BeforeValidator(names)]
Lines = Annotated[tuple[str, ...], BeforeValidator(lines)]
