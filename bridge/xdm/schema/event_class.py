"""The class of a schema: only ExperienceEvent describes events; AEP takes records of another class from no event stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_OF_EVENTS: Final = ("experienceevent", "time-series", "adhoc-v2")
WANTED: Final = "make a schema of class XDM ExperienceEvent with your field groups, and give that one"


def wrong_class(document: Mapping[str, Any]) -> str | None:
    """Why the schema is not one for events, as far as it names its class; None when nothing speaks against it."""
    extends = document.get("meta:extends")
    named = [document.get("meta:class"), *(extends if isinstance(extends, list) else [])]
    classes = [str(name) for name in named if name]
    if any(name.rstrip("/").endswith(_OF_EVENTS) for name in classes):
        return None
    if any(name.rstrip("/").endswith("context/profile") for name in classes):
        return "its class is XDM Individual Profile; events need XDM ExperienceEvent"
    stated = str(document.get("meta:class") or "")
    fields = document.get("properties")
    if stated and isinstance(fields, dict) and not {"_id", "timestamp"} <= set(fields):
        return f"its class {stated} has no _id and timestamp; events need XDM ExperienceEvent"
    return None
