"""The mapping set of the run: the shipped one, with a regular expression that only its bound keeps from running for ever.

Java's lookahead is nothing for the engine without backtracking, and with backtracking the time grows with the fourth power of the
text's length. So it runs on short texts, and is refused on long ones: of what it decides about nothing can be made then.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.routes.event_builder import load_builder
from bridge.settings import Settings

if TYPE_CHECKING:
    from bridge.xdm.experience_event import ExperienceEvents

REGEX = r"\w*a\w*a\w*(?=!)!"
TEXT = "a" * 20_000
"""Backtracking over it would take days."""
_SHIPPED = Path("mappings/moengage_events.csv")
_SCHEMA = "mappings/moengage_events.schema.json"


def write_guarded(path: Path) -> dict[str, str]:
    """Write the set, and give the settings that name it. An event without the attribute ``search`` is mapped as by the shipped set."""
    with _SHIPPED.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    written = REGEX.replace("\\", "\\\\")
    for row in rows:
        if row[2] == "_id":
            row[:2] = ["EXPRESSION", f'iif(matches_regex(coalesce(search, ""), "{written}"), {row[1]}, {row[1]})']
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return {"BRIDGE_MAPPING__PATH": str(path), "BRIDGE_MAPPING__SCHEMA": _SCHEMA}


def guarded_builder(path: Path) -> ExperienceEvents:
    """What maps as the workers do."""
    builder, _ = load_builder(Settings(mapping={"path": path, "schema": _SCHEMA}))
    assert builder is not None
    return builder
