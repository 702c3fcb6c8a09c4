"""Structured logs: one JSON object a line on standard error (readable columns on a terminal).

Event names are static, identifiers are fields, so that a line can be searched and never forged: JSON escapes CR and LF
(TRUST 21). Fields whose name says secret are masked whatever room logs them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

SECRET_WORDS = ("password", "secret", "token", "cookie", "authorization", "private_key", "totp")
MASK = "***"


def _mask_secrets(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in event:
        if any(word in name.lower() for word in SECRET_WORDS):
            event[name] = MASK
    return event


def _dumps(event: MutableMapping[str, Any], default: Any = None, **_: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def configure_logging(level: str, *, readable: bool | None = None) -> None:
    """Set up structlog and route the standard library's loggers (libraries) through it.

    Args:
        level: debug, info, warning or error.
        readable: columns for people; default: only when standard error is a terminal.
    """
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    people = sys.stderr.isatty() if readable is None else readable
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask_secrets,
    ]
    render: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer(serializer=_dumps)
    )
    # Local variables stay out of tracebacks: they hold passwords and keys.
    tracebacks = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    )
    finish: list[structlog.typing.Processor] = [render] if people else [tracebacks, render]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for chatty in ("hypercorn.access", "asyncio", "quart.app"):
        logging.getLogger(chatty).setLevel(max(number, logging.WARNING))
