"""Mapping sets of any number of rows, and records that give a value to each of them, whatever the number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from bench.records import USERS, event_id, sample_events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST = 1_000
_NEEDED = (
    "ATTRIBUTE,id,_id",
    'EXPRESSION,"dformat((time * 1000), ""yyyy-MM-dd\'T\'HH:mm:ssX"")",timestamp',
    "ATTRIBUTE,identities.externalId,identityMap.{primary_identity}[0].id",
    "STATIC,true,identityMap.{primary_identity}[0].primary",
)
"""As in the shipped set; without them no event would leave."""


def write_mapping(rows: int, path: Path) -> None:
    """A mapping set of ``rows`` rows (at most ``MOST``): what an event needs, then attributes, with an expression in every tenth."""
    lines = ["source_type,source,destination", *_NEEDED]
    for number in range(rows - len(_NEEDED)):
        source = f"user_attributes.a{number}"
        kind, source = ("EXPRESSION", f"upper({source})") if number % 10 == 9 else ("ATTRIBUTE", source)
        lines.append(f"{kind},{source},{{tenant}}.b{number}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def wide_records(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of ``count`` records with ``MOST`` attributes each, the same for every number of rows, so that only rows differ."""
    event = dict(sample_events()[0])
    event |= {"id": "@@@ID@@@", "event_uuid": "@@@ID@@@"}
    event["identities"] = {**event.get("identities", {}), "externalId": "crm-1"}
    event["user_attributes"] = {f"a{number}": f"v {number}" for number in range(MOST)}
    parts = orjson.dumps(event).split(b"@@@ID@@@")
    for number in range(count):
        yield b"%d" % (number % USERS), event_id(number).encode().join(parts)
