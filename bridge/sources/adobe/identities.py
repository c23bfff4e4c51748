"""Whose profile it is: identities by namespace, in one spelling, and the customer ids among them. Pure.

Adobe writes namespaces in any case (``ecid``, ``ECID``, ``Email``), and identities as a map (``identityMap``), as a list
(``identities`` of the Destination SDK's samples), or as a member of the profile (``external_id``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.settings.adobe import ANONYMOUS_NAMESPACES
from bridge.sources.adobe.refusing import ANONYMOUS_ONLY, NO_ID, SEVERAL_IDS, Unreadable, unambiguous

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.sources.adobe.reading import ProfileReading

Identities = dict[str, list[str]]
"""Namespace in lower case -> its ids without doubles, in the order of the message."""

_NAMESPACE: Final = ("type", "namespace", "identity_type", "namespaceCode", "code")
_ID: Final = ("id", "value", "identity", "xid")


def identities_of(*given: Any) -> Identities:
    """The identities of one or several maps or lists; what is none of either has none."""
    found: dict[str, dict[str, None]] = {}
    for one in given:
        for namespace, ids in _by_namespace(unambiguous(one)):
            for value in _ids(ids):
                found.setdefault(namespace, {})[value] = None
    return {namespace: list(ids) for namespace, ids in found.items()}


def as_id(value: Any) -> str | None:
    """An id as text: integers by their digits; None for what is no id (null, blank, a fraction, a boolean)."""
    if value.__class__ is str:
        return value.strip() or None
    if value.__class__ is int:
        return str(value)
    unambiguous(value)
    return None


def customer_ids(identities: Mapping[str, Sequence[str]], reading: ProfileReading) -> Sequence[str | None]:
    """The customer ids of a profile: one, each where the settings say so, or None for a profile that is identified otherwise.

    Raises :class:`Unreadable` where there is none, or where there are several and the settings refuse that.
    """
    ids = identities.get(reading.namespace)
    if not ids:
        if identities and reading.anonymous:
            return (None,)
        is_anonymous = bool(identities) and all(name in ANONYMOUS_NAMESPACES for name in identities)
        raise Unreadable(ANONYMOUS_ONLY if is_anonymous else NO_ID)
    if len(ids) == 1 or reading.several == "each":
        return ids
    if reading.several == "reject":
        raise Unreadable(SEVERAL_IDS)
    return ids[:1]


def _by_namespace(given: Any) -> Iterator[tuple[str, Any]]:
    if given.__class__ is dict:
        for namespace, ids in given.items():
            yield namespace.strip().lower(), ids
    elif given.__class__ is list:
        for one in given:
            if unambiguous(one).__class__ is not dict:
                continue
            namespace = unambiguous(_first(one, _NAMESPACE))
            if namespace.__class__ is dict:
                namespace = unambiguous(_first(namespace, ("code", "id")))
            if namespace.__class__ is str and namespace.strip():
                yield namespace.strip().lower(), _first(one, _ID)


def _ids(given: Any) -> Iterator[str]:
    for one in given if given.__class__ is list else (given,):
        value = as_id(_first(one, _ID) if one.__class__ is dict else one)
        if value is not None:
            yield value


def _first(given: Mapping[str, Any], names: Sequence[str]) -> Any:
    for name in names:
        if (value := given.get(name)) is not None:
            return value
    return None
