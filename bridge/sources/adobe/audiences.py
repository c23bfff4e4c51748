"""What a message says of a customer's audiences: which, in or out, and since when. Pure.

A profile has ``segmentMembership`` (namespace -> id -> status, time, name), a template of the Destination SDK's samples the lists
``{"add": [...], "remove": [...]}`` of names, without ids and times. What is not in a message is not said: Adobe splits changes over
several calls, so an audience that is missing is not left.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from bridge.sources.adobe.refusing import AUDIENCES_FORM, UNKNOWN_STATUS, Unreadable, unambiguous

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bridge.settings import AdobeSettings

Names = Mapping[str, Mapping[str, str]]
"""Namespace -> id -> name of an audience."""
_NONE: Final[Mapping[str, Any]] = {}
Audience = dict[str, Any]
"""``namespace``, ``id``, ``name``, ``status`` (member, exited), ``at`` (microseconds since 1970; None where no time is said)."""

STATUSES: Final = {
    "realized": "member",
    "existing": "member",
    "entered": "member",
    "member": "member",
    "exited": "exited",
}
"""``existing`` is deprecated and still sent."""
NAMES: Final = "audienceNames"
"""Member of a profile that is mapped: the names of all audiences that its customer is in."""
LISTS: Final = ("AEPSegments", "AdobeExperiencePlatformSegments")
"""Members of Adobe's sample templates that hold what is added and removed."""
_ADDED: Final = {"add": "member", "added": "member", "remove": "exited", "removed": "exited"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECONDS_BELOW: Final = 100_000_000_000
_MILLISECONDS_BELOW: Final = 100_000_000_000_000
_LONGEST_TIME: Final = 40
INSTANTS_BELOW: Final = 1 << 62
"""Microseconds since 1970; what lies beyond is no time."""
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});")


class AudienceFilter:
    """The audiences that the settings let through: those of the list, by id or name; without a list those that have a name."""

    __slots__ = ("_ids", "_names")

    def __init__(self, settings: AdobeSettings) -> None:
        self._names = frozenset(settings.audiences)
        self._ids = frozenset(one.lower() for one in settings.audiences)

    def lets_through(self, audience_id: str, name: str) -> bool:
        """``name``: empty where the message has none."""
        if not self._names:
            return bool(name)
        return name in self._names or audience_id.lower() in self._ids


def audiences_of(unit: Mapping[str, Any], names: Names, chosen: AudienceFilter) -> tuple[list[Audience], bool]:
    """The audiences of one profile that are let through, each once; and whether there were others.

    ``names``: namespace -> id -> name, as they are. Raises :class:`Unreadable`.
    """
    found: dict[tuple[str, str], Audience] = {}
    others = False
    for one in _every(unit, names):
        if not chosen.lets_through(one["id"], one["name"]):
            others = True
            continue
        one["status"] = _status(one["status"])
        one["at"] = instant(one["at"])
        one["name"] = one["name"] or one["id"]
        key = (one["namespace"], one["id"])
        known = found.get(key)
        if known is None or (one["at"] or 0) >= (known["at"] or 0):
            found[key] = one
    return list(found.values()), others


def instant(given: Any) -> int | None:
    """``lastQualificationTime`` in microseconds since 1970, from each of its forms; None for what is no time.

    ``…Z``, ``…+0000``, ``.000+0000``, microseconds, no zone (UTC); numbers, and texts of digits, are epoch milliseconds or seconds.
    """
    if given.__class__ is str:
        text = given.strip()
        if not text.isdecimal():
            return _of_text(text)
        given = int(text) if len(text) < 20 else None
    if given.__class__ in (int, float) and 0 <= given < INSTANTS_BELOW:
        if given < _SECONDS_BELOW:
            return int(given * 1_000_000)
        return int(given * 1_000) if given < _MILLISECONDS_BELOW else int(given)
    unambiguous(given)
    return None


def unescaped(name: str) -> str:
    """A name as a template printed it: Adobe's template language escapes for HTML. Only whole entities are any (not ``R&copy``)."""
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), name) if "&" in name else name


def _of_text(text: str) -> int | None:
    if len(text) > _LONGEST_TIME:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


def _status(given: Any) -> str:
    status = STATUSES.get(given.strip().lower()) if given.__class__ is str else None
    if status is None:
        unambiguous(given)
        raise Unreadable(UNKNOWN_STATUS)
    return status


def _every(unit: Mapping[str, Any], names: Names) -> Iterator[Audience]:
    """All audiences of a message, with status and time as they came."""
    memberships = unambiguous(unit.get("segmentMembership"))
    if memberships is not None:
        yield from _of_memberships(memberships, names)
    for member in LISTS:
        if (lists := unambiguous(unit.get(member))) is not None:
            yield from _of_lists(lists)


def _of_memberships(memberships: Any, names: Names) -> Iterator[Audience]:
    if memberships.__class__ is not dict:
        raise Unreadable(AUDIENCES_FORM)
    for namespace, members in memberships.items():
        if members is None:
            continue
        if unambiguous(members).__class__ is not dict:
            raise Unreadable(AUDIENCES_FORM)
        named = names.get(namespace, _NONE)
        for audience_id, member in members.items():
            if unambiguous(member).__class__ is not dict:
                raise Unreadable(AUDIENCES_FORM)
            yield {
                "namespace": namespace,
                "id": audience_id,
                "name": _text(member.get("name")) or named.get(audience_id, ""),
                "status": member.get("status"),
                "at": member.get("lastQualificationTime"),
            }


def plain_names(escaped: Any, encoded: Any) -> Names:
    """What a template printed of names, and of their namespaces and ids: ``escaped`` for HTML, or ``encoded`` as URLs have it.

    The latter stands in a JSON text whatever the name holds: quotation marks, backslashes, line breaks.
    """
    if unambiguous(encoded).__class__ is dict:
        return _read_names(encoded, unquote_plus)
    return _read_names(escaped, unescaped) if unambiguous(escaped).__class__ is dict else _NONE


def _read_names(printed: Mapping[str, Any], read: Callable[[str], str]) -> Names:
    return {
        read(namespace): {read(one): read(_text(name)).strip() for one, name in members.items()}
        for namespace, members in printed.items()
        if unambiguous(members).__class__ is dict
    }


def _of_lists(lists: Any) -> Iterator[Audience]:
    if lists.__class__ is not dict:
        raise Unreadable(AUDIENCES_FORM)
    # What is removed is said first: an audience in both lists was entered anew.
    for word in sorted(lists, reverse=True):
        status = _ADDED.get(word.lower())
        if status is None:
            continue
        for name in _listed(unambiguous(lists[word])):
            plain = unescaped(name)
            yield {"namespace": "", "id": plain, "name": plain, "status": status, "at": None}


def _listed(given: Any) -> Iterable[str]:
    if given is None:
        return ()
    if given.__class__ is not list:
        raise Unreadable(AUDIENCES_FORM)
    return [name for one in given if (name := _text(one))]


def _text(given: Any) -> str:
    return given.strip() if unambiguous(given).__class__ is str else ""
