"""The identityMap of an ExperienceEvent: values that Identity Service takes, and exactly one primary.

The rules are those of AEP's identity-service/guardrails, collection/identity/identity-map and knowledge base ka-32618.
Where they leave room, this is what the bridge does:

- The refused words ``null``, ``anonymous``, ``invalid`` are matched against the whole value, in any case and without
  surrounding blanks: AEP states no case, and an id spelled ``NULL`` would tie strangers into one graph.
- E-mail addresses (namespace ``Email``) are trimmed and lower-cased, telephone numbers (``Phone``) only trimmed: no plus
  sign is invented. Every other id stays as it came.
- Numbers become text, ``4000052183.0`` as ``4000052183``. Fractions, and whole floats beyond 2^53 (whose last digits are
  already lost), are no ids; neither are booleans, objects and arrays.
- ``primary`` as mapped is ignored: the priority list decides, so an ECID is primary only where the list says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bridge.model.verdicts import Rejected, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_IDENTITIES: Final = 20
MAX_CHARACTERS: Final = 1024
REFUSED_WORDS: Final = frozenset({"null", "anonymous", "invalid"})
AUTHENTICATED_STATES: Final = frozenset({"ambiguous", "authenticated", "loggedOut"})

REASONS: Final[Mapping[str, str]] = {
    "blank": "the value is empty or blank",
    "refused_word": "the value is null, anonymous or invalid",
    "too_long": f"the value is longer than {MAX_CHARACTERS} characters",
    "ecid_invalid": "an ECID is 38 digits, in two halves of at most 2^63-1",
    "not_text": "the value is neither text nor a whole number",
    "imprecise_number": "the value is a float beyond 2^53 whose last digits are lost",
    "shape": "a namespace holds an array of objects with an id",
    "namespace_blank": "the namespace has no name",
    "duplicate": "the same id is twice in its namespace",
    "over_limit": f"an event carries at most {MAX_IDENTITIES} identities",
    "state_unknown": "authenticatedState is not one of ambiguous, authenticated, loggedOut; only the state is dropped",
}
"""Every reason code of a :class:`Dropped`, and what it says."""

PLAIN: Final = 0
EMAIL: Final = 1
PHONE: Final = 2
ECID: Final = 3
KINDS: Final = {
    spelling: kind
    for name, kind in (("Email", EMAIL), ("Phone", PHONE), ("ECID", ECID))
    for spelling in (name, name.lower(), name.upper())
}
LONGEST_WORD: Final = max(map(len, REFUSED_WORDS))
_HALF_ECID: Final = str(2**63 - 1)
_MAX_EXACT: Final = float(2**53)
_MAX_BITS: Final = 3402
"""An integer of more bits has more than 1024 digits; Python refuses to print very long ones."""
_NAMED_IN_A_REASON: Final = 5
_NAMESPACE_SHOWN: Final = 64


class Dropped(NamedTuple):
    """An identity that stays behind: its namespace and a code of :data:`REASONS`."""

    namespace: str
    reason: str


Identities = tuple[dict[str, list[dict[str, Any]]], "Sequence[Dropped]", Rejected | None]
"""The identityMap as AEP takes it (empty when nothing is valid), what was left out, and why the event is refused."""


class IdentityRules:
    """Turns the identityMap a mapping made into one that AEP takes.

    ``priority``: namespaces, best first; the first with a valid value holds the primary identity.
    """

    __slots__ = ("_kinds", "_priority")

    def __init__(self, priority: Sequence[str]) -> None:
        self._priority = tuple(dict.fromkeys(priority))
        self._kinds = {name: PLAIN for name in self._priority if name.strip()} | KINDS

    def apply(self, raw: Any) -> Identities:
        """``raw`` (any JSON; never changed) as an identityMap in the order of its namespaces. Raises nothing.

        Items keep ``id`` and a valid ``authenticatedState``; an item without id is an absent identity, not a dropped one.
        """
        if type(raw) is not dict or not raw:
            return {}, (), _none_valid(())
        dropped: list[Dropped] = []
        found: dict[str, list[dict[str, Any]]] = {}
        count = 0
        kinds = self._kinds
        for namespace, items in raw.items():
            kind = kinds.get(namespace)
            if type(items) is not list or (kind is None and not namespace.strip()):
                if items is not None:
                    dropped.append(Dropped(namespace, "shape" if namespace.strip() else "namespace_blank"))
                continue
            # Nearly always one plain item; what is odd about it, if anything, is for the lines below to say.
            if (
                kind is not None
                and len(items) == 1
                and type(item := items[0]) is dict
                and type(value := item.get("id")) is str
                and "authenticatedState" not in item
            ):
                word = value.strip()
                if kind == EMAIL:
                    value = word = word.lower()
                elif kind == PHONE:
                    value = word
                if len(word) > LONGEST_WORD and len(value) <= MAX_CHARACTERS and (kind != ECID or is_ecid(value)):
                    found[namespace] = [{"id": value, "primary": False}]
                    count += 1
                    continue
            kept: list[dict[str, Any]] = []
            seen: set[str] | None = None
            for item in items:
                if type(item) is not dict:
                    if item is not None:
                        dropped.append(Dropped(namespace, "shape"))
                    continue
                value = item.get("id")
                if type(value) is not str:
                    if value is None:
                        continue
                    value, reason = number_as_text(value)
                    if reason is not None:
                        dropped.append(Dropped(namespace, reason))
                        continue
                word = value.strip()
                if kind:
                    if kind == EMAIL:
                        value = word = word.lower()
                    elif kind == PHONE:
                        value = word
                    elif word and not is_ecid(value):
                        dropped.append(Dropped(namespace, "ecid_invalid"))
                        continue
                if len(word) <= LONGEST_WORD and (not word or word.lower() in REFUSED_WORDS):
                    dropped.append(Dropped(namespace, "refused_word" if word else "blank"))
                    continue
                if len(value) > MAX_CHARACTERS:
                    dropped.append(Dropped(namespace, "too_long"))
                    continue
                if kept:
                    if seen is None:
                        seen = {kept[0]["id"]}
                    if value in seen:
                        dropped.append(Dropped(namespace, "duplicate"))
                        continue
                    seen.add(value)
                if "authenticatedState" in item and (state := item["authenticatedState"]) is not None:
                    if type(state) is str and state in AUTHENTICATED_STATES:
                        kept.append({"id": value, "authenticatedState": state, "primary": False})
                        continue
                    dropped.append(Dropped(namespace, "state_unknown"))
                kept.append({"id": value, "primary": False})
            if kept:
                found[namespace] = kept
                count += len(kept)
        if count > MAX_IDENTITIES:
            found = self._best(found, dropped)
        for namespace in self._priority:
            if namespace in found:
                found[namespace][0]["primary"] = True
                return found, dropped, None
        return found, dropped, self._no_primary(found) if found else _none_valid(dropped)

    def _best(self, found: dict[str, list[dict[str, Any]]], dropped: list[Dropped]) -> dict[str, list[dict[str, Any]]]:
        """The first :data:`MAX_IDENTITIES` by priority, then by source order; namespaces stay in source order."""
        room = MAX_IDENTITIES
        best = {}
        for namespace in dict.fromkeys((*(name for name in self._priority if name in found), *found)):
            items = found[namespace]
            best[namespace] = items[:room]
            dropped.extend(Dropped(namespace, "over_limit") for _ in items[room:])
            room -= len(best[namespace])
        return {namespace: best[namespace] for namespace in found if best[namespace]}

    def _no_primary(self, found: Mapping[str, Any]) -> Rejected:
        return Rejected(
            Stage.CHECK,
            "identity_no_primary",
            f"none of the valid identities ({_listed(found)}) may be primary: the priority list holds"
            f" {_listed(self._priority)} (BRIDGE_MAPPING__PRIMARY_IDENTITY)",
        )


def is_ecid(value: str) -> bool:
    """Whether an Experience Cloud id is one that Identity Service takes: 38 digits, each half at most 2^63-1."""
    return (
        len(value) == 38
        and value.isascii()
        and value.isdigit()
        and value[:19] <= _HALF_ECID
        and value[19:] <= _HALF_ECID
    )


def number_as_text(value: Any) -> tuple[str, str | None]:
    """An id that came as a number, or a reason code of :data:`REASONS`."""
    if type(value) is int:
        return ("", "too_long") if value.bit_length() > _MAX_BITS else (str(value), None)
    if type(value) is float and value.is_integer():
        return ("", "imprecise_number") if abs(value) > _MAX_EXACT else (str(int(value)), None)
    return "", "not_text"


def _none_valid(dropped: Sequence[Dropped]) -> Rejected:
    said = "; ".join(f"{_shown(item.namespace)}: {REASONS[item.reason]}" for item in dropped[:_NAMED_IN_A_REASON])
    more = f"; and {len(dropped) - _NAMED_IN_A_REASON} more" if len(dropped) > _NAMED_IN_A_REASON else ""
    return Rejected(
        Stage.CHECK,
        "identity_none_valid",
        f"no identity is valid ({said}{more})" if dropped else "the mapping gives no identity (#/identityMap)",
    )


def _listed(names: Mapping[str, Any] | Sequence[str]) -> str:
    def shown() -> Iterator[str]:
        for position, name in enumerate(names):
            if position == _NAMED_IN_A_REASON:
                yield "…"
                return
            yield _shown(name)

    return ", ".join(shown())


def _shown(namespace: str) -> str:
    return namespace if len(namespace) <= _NAMESPACE_SHOWN else namespace[:_NAMESPACE_SHOWN] + "…"
