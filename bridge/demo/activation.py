"""What the demo of the way back sends, the same for every run, and what each customer must be at MoEngage in the end.

Three bursts from Adobe: everybody joins one audience; every fifth joins another; every tenth has left the first one, and some of
those hear once more, too late, that they had joined it. Beside them mParticle's batches with an attribute and a purchase each.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROFILES_PER_CALL = 10
"""Adobe's HTTP API destination sends up to ten profiles a call (AEP docs: destinations/how-destinations-work/profile-export-behavior)."""
MOST_PROFILES = 24_000
"""More would not fit what the embedded broker keeps of its fullest partition."""
NAMESPACE = "crmId"
CART, VIP = "Cart abandoners", "VIP"
_IDS = {CART: "11111111-aaaa-4bbb-8ccc-000000000001", VIP: "11111111-aaaa-4bbb-8ccc-000000000002"}
_BEGINNING = datetime(2025, 11, 2, 8, tzinfo=UTC)
_BATCHES_PER_CUSTOMER = 2
_BATCHES_PER_CALL = 20


class Activation:
    """An activation of a number of profiles. ``customers``: of mParticle, a tenth as many."""

    def __init__(self, profiles: int) -> None:
        self.profiles = profiles
        self.customers = max(1, profiles // 10)

    @property
    def batches(self) -> int:
        """How many batches mParticle sends."""
        return self.customers * _BATCHES_PER_CUSTOMER

    def first_burst(self) -> Iterator[bytes]:
        """Everybody has joined the first audience."""
        return _calls(_joined(number) for number in range(self.profiles))

    def later_bursts(self) -> Iterator[bytes]:
        """Who joins the second audience, who leaves the first, and the messages that come too late."""
        yield from _calls(_profile(number, VIP, "realized", 60) for number in range(0, self.profiles, 5))
        yield from _calls(_profile(number, CART, "exited", 120) for number in range(0, self.profiles, 10))
        yield from _calls(_joined(number) for number in range(0, self.profiles, 20))

    def messages(self) -> int:
        """Profiles in all calls together."""
        return self.profiles + sum(len(range(0, self.profiles, each)) for each in (5, 10, 20))

    def mparticle(self) -> Iterator[bytes]:
        """Several batches a call; each customer's last one has what counts."""
        numbered = itertools.product(range(_BATCHES_PER_CUSTOMER), range(self.customers))
        while call := [_batch(turn, number) for turn, number in itertools.islice(numbered, _BATCHES_PER_CALL)]:
            yield orjson.dumps(call)

    def wanted(self) -> dict[str, dict[str, Any]]:
        """Customer -> attributes at the end."""
        return {
            f"C-{number:05}": _name(number) | {"AEPSegments": _audiences(number)} for number in range(self.profiles)
        } | {f"M-{number:05}": {"visits": _BATCHES_PER_CUSTOMER} for number in range(self.customers)}

    def purchases(self, customer: str) -> set[str]:
        """Transactions of one of mParticle's customers."""
        return {f"T-{turn}-{int(customer[2:])}" for turn in range(_BATCHES_PER_CUSTOMER)}


def _batch(turn: int, number: int) -> dict[str, Any]:
    bought = {"product_action": {"action": "purchase", "transaction_id": f"T-{turn}-{number}", "total_amount": 20.5}}
    return {
        "user_identities": [{"identity_type": "customer_id", "identity": f"M-{number:05}"}],
        "user_attributes": {"visits": turn + 1},
        "events": [{"event_type": "commerce_event", "data": bought}],
    }


def _audiences(number: int) -> list[str]:
    return ([] if number % 10 == 0 else [CART]) + ([VIP] if number % 5 == 0 else [])


def _name(number: int) -> dict[str, str]:
    return {"first_name": "Zoë", "last_name": f"Ng {number}"}


def _joined(number: int) -> dict[str, Any]:
    return _profile(number, CART, "realized", 0)


def _profile(number: int, audience: str, status: str, later: int) -> dict[str, Any]:
    """A profile as Adobe's HTTP API destination sends it; ``later``: minutes after the beginning."""
    at = (_BEGINNING + timedelta(minutes=later)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "person": {"name": {"firstName": "Zoë", "lastName": f"Ng {number}"}},
        "identityMap": {NAMESPACE: [{"id": f"C-{number:05}"}]},
        "segmentMembership": {
            "ups": {_IDS[audience]: {"status": status, "name": audience, "lastQualificationTime": at}}
        },
    }


def _calls(profiles: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    left = iter(profiles)
    while call := list(itertools.islice(left, PROFILES_PER_CALL)):
        yield orjson.dumps({"profiles": call})
