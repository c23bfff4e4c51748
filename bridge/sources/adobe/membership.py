"""Which audiences a customer is in, joined of messages that come in any order. Pure.

Adobe sends changes, or everything, over several calls and not always in order. For each audience of a customer the message with the
later time counts, at equal times the one that came later; what left stays known by its time, or an older message would bring it back.
An event always leaves with all names, so that whatever is sent again comes to the same.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.model.accepted_state import Change
from bridge.sources.adobe.audiences import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.model.accepted_state import Consumed, Recall
    from bridge.model.event import Event, LeftOut
    from bridge.model.verdicts import Rejected

MOST_KNOWN: Final = 1_000
"""Audiences that are remembered of one customer: beyond, those that left longest ago are forgotten, then the oldest."""
_VERSION: Final = 1

Audience = tuple[str, str]
"""Namespace and id."""
Known = dict[Audience, tuple[int, str | None]]
"""Of a customer: by audience the time in microseconds since 1970, and the audience's name; None where the customer has left it."""


def join(known: Known, audiences: Iterable[Any], received: int) -> Known:
    """What is known after a message that was received at that time; ``known`` is not changed.

    A time in the future counts as the moment of receipt: it must not hold off what comes later.
    """
    joined = dict(known)
    for one in audiences:
        at, audience = one["at"], (one["namespace"], one["id"])
        time = max(0, received if at is None else min(at, received))
        before = joined.get(audience)
        if before is None or time >= before[0]:
            joined[audience] = (time, one["name"] if one["status"] == "member" else None)
    return joined if len(joined) <= MOST_KNOWN else _newest(joined)


def _newest(known: Known) -> Known:
    """As many as are remembered: members before those that left, the newest first."""
    ranked = sorted(known.items(), key=lambda item: (item[1][1] is not None, item[1][0]), reverse=True)
    return dict(ranked[:MOST_KNOWN])


def names_of(known: Known) -> list[str]:
    """Names of the audiences that the customer is in, sorted; each once, as two audiences may have the same."""
    return sorted({name for _, name in known.values() if name is not None})


def _text(value: Any) -> str:
    if value.__class__ is not str:
        raise TypeError
    return str(value)


class Interned:
    """Audiences and their names as numbers: millions of customers share a few hundred of them."""

    _ENTRY: Final = struct.Struct(">qI")
    """Time, and number of audience and name."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str, str | None], int] = {}
        self._texts: list[tuple[Audience, str | None]] = []

    def pack(self, known: Known) -> bytes:
        """A customer's audiences in 12 bytes each, which only this process can read."""
        entry = self._ENTRY.pack
        return b"".join([entry(time, self._number(*audience, name)) for audience, (time, name) in known.items()])

    def unpack(self, packed: bytes) -> Known:
        """Undo :meth:`pack`."""
        known: Known = {}
        texts = self._texts
        for time, number in self._ENTRY.iter_unpack(packed):
            audience, name = texts[number]
            known[audience] = (time, name)
        return known

    def _number(self, namespace: str, identifier: str, name: str | None) -> int:
        told = (namespace, identifier, name)
        number = self._numbers.get(told)
        if number is None:
            number = self._numbers[told] = len(self._texts)
            self._texts.append(((namespace, identifier), name))
        return number


class Membership:
    """The memory of a route from Adobe (:class:`bridge.model.accepted_state.Memory`): customer id -> audiences."""

    joins = True

    def __init__(self) -> None:
        self._interned = Interned()

    def prepare(self, event: Event, record: Consumed, recall: Recall) -> tuple[Event, Change | None]:
        """A profile with the names of all its audiences; other events as they are."""
        customer, audiences = event.get("customer_id"), event.get("audiences")
        if customer.__class__ is not str or event.get("kind") == "event":
            return event, None
        key = customer.encode("utf-8", "surrogatepass")
        packed = recall(key)
        if not audiences:
            return (event, None) if packed is None else (_named(event, self._interned.unpack(packed)), None)
        received = event.get("received_at")
        known = join(
            {} if packed is None else self._interned.unpack(packed),
            audiences,
            record.timestamp * 1_000 if received is None else received,
        )
        # Also where nothing is new: what was known may never have been accepted.
        return _named(event, known), Change(key, self._interned.pack(known))

    def refused(self, change: Change, rejected: Rejected) -> Change | None:  # noqa: ARG002 - the port's
        """Nothing: what was refused has changed nothing at the destination."""
        return None

    def without_event(self, record: Consumed, outcome: Rejected | LeftOut) -> Change | None:  # noqa: ARG002 - as above
        """Nothing."""
        return None

    def to_stored(self, value: bytes) -> bytes:
        """JSON: version, and for each audience namespace, id, time and name, null where the customer has left it."""
        told = [(*audience, time, name) for audience, (time, name) in self._interned.unpack(value).items()]
        return orjson.dumps({"v": _VERSION, "audiences": told})

    def from_stored(self, stored: bytes) -> bytes:
        """Undo :meth:`to_stored`; ``ValueError`` for anything else."""
        told = orjson.loads(stored)
        if told.__class__ is not dict or told.get("v") != _VERSION:
            raise ValueError("not audiences in a form that this version knows")
        known: Known = {}
        try:
            for namespace, identifier, time, name in told["audiences"]:
                known[_text(namespace), _text(identifier)] = (int(time), None if name is None else _text(name))
            return self._interned.pack(known)
        except (KeyError, TypeError, struct.error):
            raise ValueError("not audiences") from None

    def tally(self) -> None:
        """Nothing is noted: of names that are too many for MoEngage the destination's checks tell."""

    def forget(self) -> None:
        """Nothing is noted."""


def _named(event: Event, known: Known) -> Event:
    return {**event, NAMES: names_of(known)}
