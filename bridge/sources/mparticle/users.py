"""What a batch says of its user: identities, attributes, deletions, consent, in one spelling (mParticle docs: developers/server/json-reference).

mParticle spells the same thing in several ways: identities are an object (Events API) or an array (webhook, Kafka), the
customer's id is ``customer_id``, ``customerid`` or ``customer``, reserved attributes differ in case, and ids and times are
numbers or text. Ids stay exact: signed 64-bit integers become their digits.
What stands there several times with different values raises :class:`Unclear`: no value is chosen over another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.sources.http.json_exact import Unwritable

if TYPE_CHECKING:
    from collections.abc import Mapping

_CUSTOMER: Final = frozenset({"customer_id", "customerid", "customer"})
_RESERVED: Final = "$"
_MILLISECONDS: Final = 100_000_000_000
"""A time below it (1973 in milliseconds, the year 5138 in seconds) is meant in seconds, as the Python SDK's example of consent."""


_EXACT: Final = 2**53
_INT64: Final = 2**63


class Unclear(Exception):  # noqa: N818 - it reads as the verdict that it is
    """A member of which nothing can be made without choosing: ``marker`` says why."""

    def __init__(self, marker: Unwritable) -> None:
        super().__init__(marker)
        self.marker = marker


def clear(value: Any) -> Any:
    """The value; raises :class:`Unclear`."""
    if isinstance(value, Unwritable):
        raise Unclear(value)
    return value


def identities_of(batch: Mapping[str, Any]) -> dict[str, str]:
    """Identities by type in lower case: the first value of each; ``customer_id`` for every spelling of it."""
    given = batch.get("user_identities")
    if isinstance(given, dict):
        pairs = list(given.items())
    elif isinstance(given, list):
        pairs = [(one.get("identity_type"), one.get("identity")) for one in given if isinstance(one, dict)]
    else:
        pairs = []
    found: dict[str, str] = {}
    for kind, value in pairs:
        text = as_id(value)
        if isinstance(kind, str) and text:
            name = kind.lower()
            found.setdefault("customer_id" if name in _CUSTOMER else name, text)
    return found


def as_id(value: Any) -> str | None:
    """An id as text: integers by their digits; None for what is no id (null, blank, a fraction, a boolean).

    A float beyond 2^53 no longer tells neighbours apart, and names nobody.
    """
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return str(int(value))
    clear(value)
    return None


def as_milliseconds(value: Any) -> int | None:
    """A time in epoch milliseconds, from a number or its text, in milliseconds or seconds."""
    if isinstance(value, str):
        value = _number(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    time = value * 1000 if abs(value) < _MILLISECONDS else value
    # Beyond 64 bits it is no time, and cannot be written.
    return int(time) if abs(time) < _INT64 else None


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def split_attributes(attributes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Custom attributes by their name, and reserved ones by theirs in lower case and without ``$``. Nulls say nothing."""
    custom: dict[str, Any] = {}
    reserved: dict[str, Any] = {}
    for name, value in attributes.items() if isinstance(attributes, dict) else ():
        if value is None:
            continue
        if name.startswith(_RESERVED):
            reserved[name.removeprefix(_RESERVED).lower()] = value
        else:
            custom[name] = value
    return custom, reserved


def deletions_of(names: Any, how: str) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Deleted custom attributes as values (``clear``: an empty text) and as entries of MoEngage's ``unset_attributes``.

    ``how``: clear, unset, or keep, which says nothing of them. A reserved attribute is unset by no name of its own.
    """
    given = [name for name in names if isinstance(name, str) and name] if isinstance(names, list) else []
    custom = [name for name in dict.fromkeys(given) if not name.startswith(_RESERVED)]
    if how == "clear":
        return dict.fromkeys(custom, ""), []
    if how == "unset":
        return {}, [{"type": "equals", "attr": name, "case_sensitive": True} for name in custom]
    return {}, []


def consent_of(batch: Mapping[str, Any]) -> dict[str, bool]:
    """Consent by purpose: ``gdpr_<purpose>``, and ``ccpa_data_sale_opt_out``, which is true for who opted out."""
    state = batch.get("consent_state")
    found: dict[str, bool] = {}
    for regulation in ("gdpr", "ccpa"):
        purposes = state.get(regulation) if isinstance(state, dict) else None
        for purpose, given in purposes.items() if isinstance(purposes, dict) else ():
            consented = clear(given.get("consented")) if isinstance(clear(given), dict) else None
            if isinstance(consented, bool):
                found[f"{regulation}_{purpose}"] = consented
    return found
