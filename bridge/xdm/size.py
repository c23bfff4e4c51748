"""The size of an ExperienceEvent: Profile silently leaves out what is above 10 KB of JSON (AEP docs: profile/guardrails).

The lake keeps such an event, so the default only tells. ``drop`` takes optional paths out, the largest first, until the
event fits, and refuses what cannot be made to fit; ``reject`` refuses at once. A refused event is a dead letter.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import orjson

from bridge.model.errors import SettingsError
from bridge.model.verdicts import Rejected, Stage
from bridge.settings import variable
from bridge.xdm.problems import EventFinding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.settings import MappingSettings
    from bridge.xdm.experience_event import Built

_REQUIRED: Final = frozenset({"_id", "timestamp", "identityMap"})


class Oversize(NamedTuple):
    """An event above the limit and what is done about it.

    ``action`` labels the metric. ``xdm`` is another object than before only where paths were dropped: then it has to be
    encoded again. ``size`` and ``limit`` are bytes of the JSON as it came; ``dropped`` are the paths left out.
    """

    action: Literal["warn", "drop", "reject"]
    xdm: dict[str, Any]
    size: int
    limit: int
    dropped: tuple[str, ...] = ()
    rejection: Rejected | None = None


class SizeRule:
    """The rule of one mapping's settings (``event_bytes``, ``oversize``, ``oversize_drop``)."""

    __slots__ = ("_action", "_paths", "limit")

    def __init__(self, settings: MappingSettings) -> None:
        self.limit = settings.event_bytes
        """Bytes of JSON; 0 for none. What is not above it need not be checked."""
        self._action = settings.oversize
        self._paths = tuple(path.replace("{tenant}", settings.tenant) for path in settings.oversize_drop)
        for path in self._paths:
            if path.partition(".")[0] in _REQUIRED:
                raise SettingsError(f"{variable('mapping', 'oversize_drop')}: {path} is required and cannot be dropped")

    def check(self, xdm: dict[str, Any], encoded_bytes: int) -> Oversize | None:
        """Judge one event; None when it fits. ``xdm`` is never changed.

        ``encoded_bytes``: length of the event as encoded for sending, envelope and all. It bounds the XDM's own length,
        so the XDM is measured, and encoded, only when that is above the limit.
        """
        limit = self.limit
        if encoded_bytes <= limit or not limit:
            return None
        size = _size(xdm)
        if size <= limit:
            return None
        if self._action == "warn":
            return Oversize("warn", xdm, size, limit)
        if self._action == "reject":
            return Oversize("reject", xdm, size, limit, (), self._rejection(size, ()))
        smaller, left = xdm, size
        dropped: list[str] = []
        for path in self._largest_first(xdm):
            if _at(smaller, path) is None:
                continue
            smaller = _without(smaller, path.split("."))
            dropped.append(path)
            left = _size(smaller)
            if left <= limit:
                return Oversize("drop", smaller, size, limit, tuple(dropped))
        return Oversize("reject", xdm, size, limit, (), self._rejection(left, dropped))

    def _largest_first(self, xdm: dict[str, Any]) -> list[str]:
        sizes = {path: _size(value) for path in self._paths if (value := _at(xdm, path)) is not None}
        return sorted(sizes, key=sizes.__getitem__, reverse=True)

    def _rejection(self, size: int, dropped: Sequence[str]) -> Rejected:
        without = f" without {', '.join(dropped)}" if dropped else ""
        reason = f"the event has {size} bytes of XDM JSON{without}; Profile keeps up to {self.limit}"
        return Rejected(Stage.CHECK, "event_oversize", reason)


def sized(build: Callable[[dict[str, Any]], Built], settings: MappingSettings) -> Callable[[dict[str, Any]], Built]:
    """``build`` with the rule applied to what it gives, for previews and golden cases; the worker measures what it encodes."""
    rule = SizeRule(settings)

    def build_sized(event: dict[str, Any]) -> Built:
        built = build(event)
        over = rule.check(built.xdm, sys.maxsize)
        if over is None:
            return built
        if over.rejection is not None:
            return built._replace(rejection=built.rejection or over.rejection)
        what = f", so {', '.join(over.dropped)} was left out" if over.dropped else ""
        said = EventFinding(
            "#", "event_oversize", f"{over.size} bytes of XDM JSON; Profile keeps up to {over.limit}{what}"
        )
        return built._replace(xdm=over.xdm, findings=(*built.findings, said))

    return build_sized


def _size(value: Any) -> int:
    """Bytes of JSON; 0 for what JSON cannot hold, which the destination refuses in words of its own."""
    try:
        return len(orjson.dumps(value))
    except (orjson.JSONEncodeError, RecursionError):
        return 0


def _at(xdm: dict[str, Any], path: str) -> Any:
    found: Any = xdm
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _without(xdm: dict[str, Any], steps: list[str]) -> dict[str, Any]:
    """A copy without the path; an object that is left with nothing goes too."""
    name, *below = steps
    rest = {key: value for key, value in xdm.items() if key != name}
    if below and (inner := _without(xdm[name], below)):
        return {key: inner if key == name else value for key, value in xdm.items()}
    return rest
