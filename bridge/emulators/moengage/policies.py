"""What MoEngage makes of attributes without a word: names and values as its Data Tracking Policies and object rules have them.

Sources: MoEngage docs: Data Overview, Data Tracking Policies, Support for Object Data Type. Each deviation is noted by rule, with the
attribute's name.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Note = Callable[[str, str], None]
    """Takes the rule and the attribute."""

_RESERVED: Final = {"INSTALL", "UPDATE", "status", "user_id", "source"}
_WRITABLE: Final = {
    "moe_mobile",
    "moe_unsubscribe",
    "moe_wa_subscription",
    "moe_sms_subscription",
    "moe_email_optin_status",
    "moe_em_unsub_categories",
    "moe_spam",
    "moe_hard_bounce",
    "moe_sub_w",
    "moe_mweb",
    "moe_gaid",
}
OF_THE_SDK: Final = {
    "city",
    "state",
    "country",
    "publisher_name",
    "campaign_name",
    "t_rev",
    "t_trans",
    "u_s_c",
    "locale_language_display",
    "locale_country_display",
    "uninstall_time",
    "installed",
}
_TEXT, _NAME, _ITEMS = 512, 200, 50


def kept_attributes(given: Mapping[str, Any], note: Note, *, of_event: bool, objects: bool) -> dict[str, Any]:
    """The attributes as they are stored."""
    kept: dict[str, Any] = {}
    held = 0
    for name, value in given.items():
        stored_name = _kept_name(name, note, of_event=of_event)
        if stored_name is None:
            continue
        stored = kept_value(value, stored_name, note, objects=objects)
        if stored is None:
            continue
        if _is_object(stored):
            held += 1
            if held > (5 if of_event else 10):
                note("too many objects", stored_name)
                continue
        kept[stored_name] = stored
    if of_event and len(kept) > 100:
        for name in list(kept)[100:]:
            note("more than 100 attributes of an event", name)
            del kept[name]
    return kept


def _kept_name(name: str, note: Note, *, of_event: bool) -> str | None:
    if name in ("", "id", "_id"):
        note("blocked name", name)
        return None
    if name.startswith("moe_") and name not in ({"moe_project_name"} if of_event else _WRITABLE):
        note("name of MoEngage's prefix", name)
        return None
    if not of_event and (name in _RESERVED or name.startswith(("USER_ATTRIBUTE_", "MOE_"))):
        note("reserved name", name)
        return None
    if len(name) > _NAME:
        note("name cut to 200 characters", name)
    return name[:_NAME]


def kept_value(value: Any, name: str, note: Note, *, objects: bool) -> Any:
    """The value as it is stored; None where it is not."""
    if isinstance(value, str):
        return _kept_text(value, name, note)
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list):
        return _kept_list(value, name, note, objects=objects)
    if isinstance(value, dict) and value:
        return _kept_objects(value, name, note, objects=objects)
    note("value of no type that is taken", name)
    return None


def _kept_text(text: str, name: str, note: Note) -> str | None:
    if len(text) <= _TEXT:
        return text
    if "://" in text[:24]:
        note("URL of more than 512 characters dropped", name)
        return None
    note("text cut to 512 characters", name)
    return text[:_TEXT]


def _kept_list(values: list[Any], name: str, note: Note, *, objects: bool) -> Any:
    if values and all(isinstance(one, dict) for one in values):
        return _kept_objects(values, name, note, objects=objects)
    kinds = {
        "flag" if isinstance(one, bool) else "number" if isinstance(one, int | float) else type(one).__name__
        for one in values
    }
    if len(kinds) > 1 or not kinds <= {"flag", "number", "str"}:
        note("list of more than one type, or of a type that is not taken", name)
        return None
    if len(values) > _ITEMS:
        note("list cut to 50 values", name)
    return [one for value in values[:_ITEMS] if (one := kept_value(value, name, note, objects=False)) is not None]


def _kept_objects(value: Any, name: str, note: Note, *, objects: bool) -> Any:
    if not objects:
        note("object, which the workspace does not take", name)
        return None
    several = [one for one in (value if isinstance(value, list) else [value]) if one]
    if len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) > 25_000:
        note("object of more than 25 KB", name)
        return None
    if len(several) > 100:
        note("list cut to 100 objects", name)
    made = [_level(one, 1, name, note) for one in several[:100]]
    if isinstance(value, list):
        return [one for one in made if one] or None
    return made[0] if made and made[0] else None


def _level(value: Mapping[str, Any], level: int, name: str, note: Note) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, inner in value.items():
        if not key or inner is None or inner in ({}, []):
            continue
        if set(key) & set("$.%#") or len(key) > _NAME:
            note("key of an object refused", f"{name}.{key}")
            continue
        if len(kept) == 100:
            note("object cut to 100 keys", name)
            break
        if isinstance(inner, dict) or (isinstance(inner, list) and any(isinstance(one, dict) for one in inner)):
            if level >= 2:
                note("object deeper than two levels became text", f"{name}.{key}")
                kept[key] = json.dumps(inner, ensure_ascii=False, separators=(",", ":"))
            elif isinstance(inner, dict):
                kept[key] = _level(inner, level + 1, name, note)
            else:
                kept[key] = [_level(one, level + 1, name, note) for one in inner if isinstance(one, dict)]
        elif isinstance(inner, str):
            text = _kept_text(inner, f"{name}.{key}", note)
            if text is not None:
                kept[key] = text
        else:
            kept[key] = inner
    return kept


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))
