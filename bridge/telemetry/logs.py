"""Log lines: one form for ours and for the libraries', on stderr, without payloads and without secrets.

Libraries log through the standard library; their records go through the same renderer. Their debug lines are never
shown, whatever the level: aiokafka's carry keys and values of records, httpx's whole URLs. What the libraries around Kafka
say again and again is shown once in a while (:mod:`bridge.telemetry.damper`).
"""

from __future__ import annotations

import logging
import logging.config
import sys
import time
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import SecretBytes, SecretStr

from bridge.telemetry.damper import SECONDS, Damper, LibraryDamper, ServicesOfOurs, UsualAtStart
from bridge.telemetry.unquoted import Unquoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

    from structlog.typing import EventDict, Processor

    from bridge.settings import TelemetrySettings

_REDACTED = "**redacted**"
_SECRET_WORDS = ("secret", "password", "token", "authorization", "credential", "cookie", "api_key", "header_value")
_PAYLOAD_NAMES = frozenset(
    {"body", "payload", "value", "event_json", "xdm", "document", "email", "phone", "identities"}
)
_LONGEST = 2_000
_QUIET = {
    "aiohttp.access": logging.WARNING,
    "aiohttp.server": logging.ERROR,
    "aiokafka": logging.WARNING,
    # A broker that is away is told once by the bridge, not with every attempt by its client.
    "aiokafka.conn": logging.ERROR,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "asyncio": logging.WARNING,
}
_DAMPED = frozenset({"aiohttp", "aiokafka", "faust", "mode"})


def configure_logging(
    settings: TelemetrySettings,
    *,
    stream: Any = None,
    process: int | None = None,
    route: str | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Send every log line of this process to ``stream`` (default: stderr) in the form and from the level of the settings.

    ``process``: its number, on every line, where several processes write to one stream; ``route`` likewise where there are
    several routes. ``clock``: monotonic seconds, by
    which repeated messages of libraries are left out.
    """
    level = getattr(logging, settings.log_level.upper())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        redact,
    ]
    of_process: dict[str, object] = {"route": route, "process": process}
    if fields := {name: value for name, value in of_process.items() if value is not None}:
        shared.insert(0, _marked(fields))
    output = stream if stream is not None else sys.stderr
    renderer: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
        if settings.log_format == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=_is_terminal(output), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            _name,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    handler.addFilter(ServicesOfOurs())
    handler.addFilter(UsualAtStart(clock))
    handler.addFilter(Unquoted())
    handler.addFilter(LibraryDamper(Damper(SECONDS, clock), _DAMPED))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("bridge").setLevel(level)
    for name, least in _QUIET.items():
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(max(level, least))
    logging.captureWarnings(capture=True)


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Structlog processor: names that hold secrets or payloads lose their value, and long texts are cut."""
    return {name: _clean(name, value) for name, value in event.items()}


def _clean(name: str, value: Any) -> Any:
    if name.startswith("_") or name in ("exc_info", "positional_args"):
        return value
    lower = name.lower()
    if isinstance(value, SecretStr | SecretBytes) or lower in _PAYLOAD_NAMES or any(w in lower for w in _SECRET_WORDS):
        # A count or a flag under such a name (token_refreshes=3) gives nothing away.
        return value if isinstance(value, bool | int | float | None) else _REDACTED
    if isinstance(value, dict):
        return {key: _clean(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean("", inner) for inner in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, str) and len(value) > _LONGEST:
        return value[:_LONGEST] + f"… ({len(value)} characters)"
    return value


def _name(logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["logger"] = logger.name
    return event


def _marked(fields: Mapping[str, object]) -> Processor:
    def add(_logger: Any, _method: str, event: EventDict) -> EventDict:
        # What the line says of another route itself stays.
        return {**fields, **event}

    return add


def _is_terminal(output: Any) -> bool:
    isatty = getattr(output, "isatty", None)
    return bool(isatty and isatty())
