"""What Adobe tells of customers and their audiences, and what each customer must be at MoEngage when it has all arrived."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)
_LATE = 30
"""Seconds by which a message may tell of something older than the last one did."""


class AdobeProfiles:
    """Draws raw profiles with some of their audiences; their times run ahead by a second a profile, and not in order."""

    def __init__(self, seed: int, *, customers: int = 60, audiences: Sequence[str] = "ABCDEF") -> None:
        self._random = Random(seed)
        self._customers = customers
        self._audiences = audiences
        self._drawn = 0

    def draw(self, customer: str | None = None, said: Mapping[str, str] | None = None) -> dict[str, Any]:
        """One profile; without ``said`` (audience -> status, now) some audiences at times up to half a minute old, or none."""
        draw = self._random
        self._drawn += 1
        if said is None:
            names = draw.sample(self._audiences, draw.choice((0, 1, 1, 2, 3)))
            told = {name: (draw.choice(("realized", "realized", "exited")), draw.randrange(_LATE)) for name in names}
        else:
            told = {name: (status, 0) for name, status in said.items()}
        membership = {
            f"00000000-0000-4000-8000-00000000000{name}": {
                "status": status,
                "name": f"Audience {name}",
                "lastQualificationTime": _time(max(0, self._drawn - late)),
            }
            for name, (status, late) in told.items()
        }
        return {
            "person": {"name": {"firstName": "Zoë", "lastName": f"Ng {self._drawn}"}},
            "identityMap": {"crmId": [{"id": customer or f"C-{draw.randrange(self._customers)}"}]},
            **({"segmentMembership": {"ups": membership}} if membership else {}),
        }


class CustomersOracle:
    """Takes the same messages in the order in which they were sent: attributes by the last, audiences by the later time, then the later message."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, str]] = {}
        self._audiences: dict[str, dict[str, tuple[str, str, str]]] = {}

    def take(self, profile: Mapping[str, Any]) -> None:
        """A message was answered 200."""
        ((identity,),) = profile["identityMap"].values()
        customer = identity["id"]
        self._names[customer] = profile["person"]["name"]
        for audience, told in profile.get("segmentMembership", {}).get("ups", {}).items():
            known = self._audiences.setdefault(customer, {})
            at = told["lastQualificationTime"]
            if audience not in known or at >= known[audience][0]:
                known[audience] = at, told["status"], told["name"]

    def lists(self) -> dict[str, list[str]]:
        """Names of the audiences of each customer of whom any was told."""
        return {
            customer: sorted(name for _, status, name in known.values() if status == "realized")
            for customer, known in self._audiences.items()
        }

    def attributes(self) -> dict[str, dict[str, Any]]:
        """All attributes of each customer."""
        lists = self.lists()
        return {
            customer: {"first_name": name["firstName"], "last_name": name["lastName"]}
            | ({"AEPSegments": lists[customer]} if customer in lists else {})
            for customer, name in self._names.items()
        }


def _time(seconds: int) -> str:
    return (_BEGINNING + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
