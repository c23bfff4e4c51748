"""An event's actions: their names, times, platforms, attributes and projects. Pure."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from bridge.destinations.moengage import limits
from bridge.destinations.moengage.user_checks import check_attributes
from bridge.destinations.moengage.values import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.destinations.moengage.names import Names
    from bridge.destinations.moengage.remarks import Report

FUTURE_SECONDS: Final = 60.0
"""How far ahead of this clock an event may be: clocks differ, and it takes a moment until MoEngage looks at it."""
_FIELD: Final = "event.actions[*]"
_EPOCH: Final = re.compile(r"\d{9,10}(?:\.\d{1,9})?|\d{13}", flags=re.ASCII)
_MILLISECONDS_FROM: Final = 100_000_000_000
"""From here on an epoch is one of milliseconds: as seconds it would lie beyond the year 5138."""


def check_event(
    value: Mapping[str, Any],
    path: str,
    report: Report,
    names: Names,
    *,
    objects: bool,
    projects: frozenset[str],
    now: float,
) -> None:
    """``projects``: those of the workspace's portfolio, none where it has none; ``now`` in seconds since 1970."""
    actions = value.get("actions")
    if not actions:
        report.refuse(f"{path}/actions", "action_missing", "the event has no action", "event.actions")
        return
    if actions.__class__ is not list:
        report.refuse(f"{path}/actions", "action_form", "actions is a list", "event.actions")
        return
    for at, action in enumerate(actions):
        here = f"{path}/actions/{at}"
        if action.__class__ is not dict:
            report.refuse(here, "action_form", "an action is an object", _FIELD)
            continue
        _check_name(action.get("action"), f"{here}/action", report, names)
        for key in action.keys() - limits.ACTION_KEYS:
            report.find(f"{here}/{escaped(key)}", "key_unknown", "an action has no such key", f"{_FIELD}.{key}")
        platform = action.get("platform")
        if platform is not None and (platform.__class__ is not str or platform.lower() not in limits.PLATFORMS):
            reason = "it is not one of ANDROID, iOS, web, TV and unknown"
            report.refuse(f"{here}/platform", "platform_unknown", reason, f"{_FIELD}.platform")
        _check_times(action, here, report, now)
        attributes = action.get("attributes")
        if attributes is not None and attributes.__class__ is not dict:
            report.refuse(f"{here}/attributes", "attributes_form", "it is not an object", f"{_FIELD}.attributes")
            continue
        _check_attributes(attributes or {}, f"{here}/attributes", report, names, objects=objects, projects=projects)


def _check_name(name: Any, path: str, report: Report, names: Names) -> None:
    if name is None or name == "":
        report.refuse(
            path, "action_missing", "the action has no name, so that the event would be invisible", f"{_FIELD}.action"
        )
    elif name.__class__ is not str:
        report.refuse(path, "action_form", "the action's name is not text", f"{_FIELD}.action")
    else:
        names.action(name, path, f"{_FIELD}.action", report)


def _check_attributes(
    attributes: Mapping[str, Any],
    path: str,
    report: Report,
    names: Names,
    *,
    objects: bool,
    projects: frozenset[str],
) -> None:
    field = f"{_FIELD}.attributes"
    check_attributes("event", attributes, (path, field), report, names, objects=objects)
    if len(attributes) > limits.EVENT_ATTRIBUTES:
        reason = f"of {len(attributes)} attributes the first {limits.EVENT_ATTRIBUTES} are taken"
        report.find(path, "attributes_many", reason, field)
    if not projects:
        return
    project = attributes.get(limits.PROJECT_NAME)
    place, field = f"{path}/{limits.PROJECT_NAME}", f"{field}.{limits.PROJECT_NAME}"
    if project is None or project == "":
        report.find(place, "project_missing", "the event names no project", field)
    elif project.__class__ is not str or project not in projects:
        report.find(place, "project_unknown", "it is not one of BRIDGE_MOENGAGE__PROJECTS, case included", field)


def _check_times(action: Mapping[str, Any], path: str, report: Report, now: float) -> None:
    for key in ("user_time", "current_time"):
        given = action.get(key)
        if given is None:
            continue
        seconds = epoch_of(given)
        if seconds is None:
            reason = "it is neither epoch seconds nor a date-time such as 2026-11-12T14:20:00Z"
            report.refuse(f"{path}/{key}", "time_form", reason, f"{_FIELD}.{key}")
        elif seconds > now + FUTURE_SECONDS:
            report.refuse(f"{path}/{key}", "event_future", "it lies in the future", f"{_FIELD}.{key}")
    offset = action.get("user_timezone_offset")
    if offset is not None and (offset.__class__ is not int or abs(offset) > limits.OFFSET_SECONDS):
        reason = "it is not a whole number of seconds from -54000 to 54000"
        report.refuse(f"{path}/user_timezone_offset", "timezone_offset", reason, f"{_FIELD}.user_timezone_offset")


def epoch_of(given: Any) -> float | None:
    """Seconds since 1970 of a time as events have it: epoch seconds or milliseconds, as number or text, or a date-time in UTC."""
    kind = given.__class__
    if kind is str:
        if not _EPOCH.fullmatch(given):
            return _date_time(given)
        given = float(given)
    elif (kind is not int and kind is not float) or not math.isfinite(given) or given < 0:
        return None
    return float(given / 1_000 if given >= _MILLISECONDS_FROM else given)


def _date_time(text: str) -> float | None:
    if len(text) < 20 or text[-1] != "Z" or text[10] != "T":
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None
