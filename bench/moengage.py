"""What an element for MoEngage costs, from the event on, and how full bulk requests get: microseconds of CPU, the best of several rounds.

One process, no network: a profile of a dozen attributes and a purchase, mapped by a set of rows, checked, encoded, batched and joined.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from bench.parts import best_of
from bench.stage import folder
from bridge.delivery.batching import RequestLimits
from bridge.delivery.ordering import KeyedBatcher
from bridge.destinations.moengage.coalescing import fold_items
from bridge.destinations.moengage.encoding import FRAME_BYTES, bulk
from bridge.routes.moengage_events import open_moengage_events
from bridge.settings import MappingSettings, MoEngageSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

_EVENTS = 1_000
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
        while (batch := batcher.take(0.0, lane, force=True)) is not None:
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
    many = _requests(items * 5, [number * 7919 for number in range(_EVENTS * 5)])
    return {
        "microseconds": {name: round(cost, 2) for name, cost in costs.items()},
        "bytes_per_element": round(sum(map(len, items)) / len(items)),
        "elements_per_request": round(sum(map(len, many)) / len(many), 1),
    }


def table(found: dict[str, Any]) -> str:
    """As lines."""
    lines = ["", "elements for MoEngage: microseconds of CPU each"]
    lines += [f"  {cost:7.2f}  {name}" for name, cost in found["microseconds"].items()]
    lines.append(f"  {found['elements_per_request']} elements a request at {found['bytes_per_element']} bytes each")
    return "\n".join(lines)
