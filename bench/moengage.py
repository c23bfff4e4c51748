"""What an element for MoEngage costs, from the event on, and how full bulk requests get: microseconds of CPU, the best of several rounds.

One process, no network: a profile of a dozen attributes and a purchase, mapped by a set of rows, checked, encoded, batched and joined.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from bench.parts import best_of
from bench.stage import folder
from bridge.delivery.batching import RequestLimits
from bridge.delivery.ordering import KeyedBatcher
from bridge.delivery.pace import Pace
from bridge.delivery.pace_board import OwnAccount
from bridge.delivery.window_budget import WindowBudget
from bridge.destinations.moengage.coalescing import fold_items
from bridge.destinations.moengage.encoding import FRAME_BYTES, bulk
from bridge.model.event import MOST
from bridge.routes.moengage_events import open_moengage_events
from bridge.settings import AdobeSettings, MappingSettings, MoEngageSettings
from bridge.sources.adobe.decoder import AdobeDecoder
from bridge.sources.adobe.membership import Membership

if TYPE_CHECKING:
    from collections.abc import Sequence

_EVENTS = 1_000
_BUDGET, _FULL = 60_000, 50
"""Users a minute, and in one request."""
_MINUTES, _TICK, _PHASE = 6, 0.01, 41.2
_ACTIVATED = 6_000_000
_FRAME = 40
"""Bytes of a record beside its value: key, offsets and lengths; roughly, and before compression."""
_SLOT = 104
"""Bytes of an entry in a dictionary of that size, amortised."""
_LANES = 32
_USER = (
    "first_name",
    "last_name",
    "email",
    "mobile",
    "gender",
    "birthday",
    "tier",
    "points",
    "vip",
    "since",
    "segments",
)
_PURCHASE = ("amount", "currency", "product", "coupon")


class _Received(NamedTuple):
    """A record, as far as a memory looks at it."""

    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp: int


def _event(number: int) -> dict[str, Any]:
    return {
        "id": f"C-{number}",
        "first_name": "Zoë",
        "last_name": "O'Neil",
        "email": f"c{number}@example.com",
        "mobile": "+49170123456",
        "gender": "female",
        "birthday": "1990-01-02",
        "tier": "gold",
        "points": number,
        "vip": True,
        "since": "2026-11-02T08:15:30Z",
        "segments": ["Cart abandoners", "VIP", "Newsletter"],
        "action": "purchase",
        "at": 1_790_000_000,
        "amount": 29.99,
        "currency": "EUR",
        "product": "Shirt",
        "coupon": "SPRING",
    }


def _rows(*, purchase: bool) -> str:
    rows = ["source,destination", "id,customer.customer_id"]
    rows += [f"{name},customer.attributes.{name}" for name in _USER]
    if purchase:
        rows += ["action,event.actions[0].action", "at,event.actions[0].user_time"]
        rows += [f"{name},event.actions[0].attributes.{name}" for name in _PURCHASE]
    return "\n".join(rows) + "\n"


def _requests(items: Sequence[bytes], tags: Sequence[int], *, fold: bool = False) -> list[list[bytes]]:
    limits = RequestLimits(95_000, 50, FRAME_BYTES, 1, 0.5)
    batcher = KeyedBatcher(limits, _LANES, fold=fold_items if fold else None)
    batcher.add("owner", items, tags, 0.0)
    found = []
    for lane in range(_LANES):
        while (batch := batcher.next_batch(0.0, lane, force=True)) is not None:
            found.append(batch.items)
    return found


def run(rounds: int) -> dict[str, Any]:
    """Microseconds an element by step, and elements a request."""
    events = [_event(number) for number in range(_EVENTS)]
    settings = MoEngageSettings()
    with folder() as made:
        opened = {}
        for name, purchase in (("profile", False), ("profile and event", True)):
            path = Path(made) / f"{name.replace(' ', '-')}.csv"
            path.write_text(_rows(purchase=purchase), encoding="utf-8")
            opened[name] = open_moengage_events(MappingSettings(path=path), settings)
    profile, both = opened["profile"], opened["profile and event"]
    mapped = [profile.map_event(event)[0] for event in events]
    elements = [item for event in events for item in both.shaper.shape(both.map_event(event)[0]).items]
    items = [item for one in mapped for item in profile.shaper.shape(one).items]
    tags = [number * 7919 for number in range(_EVENTS)]
    changes = [orjson.dumps({**orjson.loads(items[0]), "attributes": {"points": number}}) for number in range(_EVENTS)]
    costs = best_of(
        rounds,
        {
            "map a profile": lambda: [profile.map_event(event) for event in events],
            "shape, check and encode a profile": lambda: [profile.shaper.shape(one) for one in mapped],
            "batch by customer and join": lambda: [bulk(request) for request in _requests(items, tags)],
            "fold a change into one that waits": lambda: _requests(changes, [1] * _EVENTS, fold=True),
        },
        _EVENTS,
    )
    costs |= best_of(
        rounds,
        {"map, shape, check and encode, an element of two": lambda: [
            both.shaper.shape(both.map_event(event)[0]) for event in events
        ]},
        len(elements),
    )  # fmt: skip
    budget = _budget_used()
    many = _requests(items * 5, [number * 7919 for number in range(_EVENTS * 5)])
    return {
        "microseconds": {name: round(cost, 2) for name, cost in costs.items()},
        "bytes_per_element": round(sum(map(len, items)) / len(items)),
        "elements_per_request": round(sum(map(len, many)) / len(many), 1),
        "budget_used": budget,
        "activation": on_paper(_ACTIVATED, budget),
    }


def _budget_used() -> float:
    """Share of a budget of users that leaves in the emptiest full minute, in virtual time: windows of another phase, full requests."""
    pace = Pace(
        (WindowBudget("users", _BUDGET, largest=_FULL), WindowBudget("events", _BUDGET, largest=_FULL)),
        OwnAccount(),
        lambda: 1.0,
    )
    windows: Counter[int] = Counter()
    for tick in range(int(_MINUTES * 60 / _TICK)):
        now = 1_000.0 + tick * _TICK
        while not pace.reserve((_FULL, 0), now)[0]:
            windows[int((now - _PHASE) // 60)] += _FULL
    full = [windows[number] for number in sorted(windows)[1:-1]]
    assert max(windows.values()) <= _BUDGET
    return min(full) / _BUDGET


def on_paper(profiles: int, budget_used: float) -> dict[str, Any]:
    """What so large an activation of an audience needs, from measured sizes: a canonical event in the topic, a customer in memory."""
    decoder = AdobeDecoder(AdobeSettings(customer_id_namespace="crmId"))
    audience = {"status": "realized", "name": "Cart abandoners", "lastQualificationTime": "2026-11-02T08:15:30Z"}
    (event,) = decoder.events_of(
        {
            "person": {"name": {"firstName": "Zoë", "lastName": "O'Neil"}, "birthDate": "1990-01-02"},
            "personalEmail": {"address": "c1234567@example.com"},
            "identityMap": {"crmId": [{"id": "C-1234567"}]},
            "segmentMembership": {"ups": {"11111111-aaaa-4bbb-8ccc-000000000001": audience}},
        },
        MOST,
    )
    value = decoder.encode(event)
    assert isinstance(event, dict)
    assert isinstance(value, bytes)
    memory = Membership()
    _, change = memory.prepare(event, _Received(None, (), 0), lambda _: None)
    assert change is not None
    assert change.value is not None
    kept = sys.getsizeof(change.key) + sys.getsizeof(change.value) + _SLOT
    return {
        "profiles": profiles,
        "bytes_a_record": len(value) + _FRAME,
        "topic_gigabytes": round(profiles * (len(value) + _FRAME) / 1e9, 1),
        "hours": {f"{budget:,}": round(profiles / (budget * budget_used) / 60, 1) for budget in (10_000, _BUDGET)},
        "bytes_a_customer": kept,
        "memory_megabytes": round(profiles * kept / 1e6),
    }


def table(found: dict[str, Any]) -> str:
    """As lines."""
    lines = ["", "elements for MoEngage: microseconds of CPU each"]
    lines += [f"  {cost:7.2f}  {name}" for name, cost in found["microseconds"].items()]
    lines.append(f"  {found['elements_per_request']} elements a request at {found['bytes_per_element']} bytes each")
    lines.append(
        f"  {found['budget_used']:.1%} of a budget of {_BUDGET:,} users a minute used in the emptiest full minute"
    )
    paper = found["activation"]
    hours = ", ".join(f"{hours} h at {budget} users a minute" for budget, hours in paper["hours"].items())
    lines.append(
        f"  on paper: an activation of {paper['profiles']:,} profiles takes {hours}, {paper['topic_gigabytes']} GB of the topic"
        f" ({paper['bytes_a_record']} bytes a record, a replica), and {paper['memory_megabytes']} MB of the workers' memory"
        f" ({paper['bytes_a_customer']} bytes a customer)"
    )
    return "\n".join(lines)
