"""A mapping set and events through Adobe's own Data Prep, and through this engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.adobe import data_prep
from bridge.adobe.pages import Unreadable
from bridge.adobe.provisioning.desired import MappingRow
from bridge.adobe.provisioning.planning_flow import document_of
from bridge.mapping.workshop.adobe_comparison import Difference, cases, compare
from bridge.model.errors import SettingsError
from bridge.routes.mapping_opening import compiled
from bridge.xdm.identity.flags import with_flags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adobe.client import PlatformClient
    from bridge.settings import Settings


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of it. ``refused``: line, destination and Adobe's reason; ``differences``: by event, in order."""

    rows: int
    events: int
    refused: tuple[tuple[int, str, str], ...]
    differences: tuple[tuple[Difference, ...], ...]
    cases: list[dict[str, Any]]

    @property
    def agrees(self) -> bool:
        """Whether Adobe takes every row and computes the same."""
        return not self.refused and not any(self.differences)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "rows": self.rows,
            "events": self.events,
            "refused": [{"row": line, "destination": place, "reason": why} for line, place, why in self.refused],
            "differences": [
                {"event": number, **one._asdict()}
                for number, found in enumerate(self.differences, start=1)
                for one in found
            ],
        }


async def verified(
    client: PlatformClient, settings: Settings, events: Sequence[dict[str, Any]], *, at_once: int
) -> Verified:
    """Have Adobe validate the set and map the events, ``at_once`` in a call; compare with this engine."""
    schema_id = settings.aep.schema_id
    if not schema_id:
        raise SettingsError(
            "BRIDGE_AEP__SCHEMA_ID: not set; Adobe maps to a schema that it holds",
            hint="aep-bridge setup apply writes it",
        )
    mapping, schema = compiled(settings.mapping)
    rows = [MappingRow(one.row.source_type, one.source, one.destination) for one in mapping.rows]
    document = document_of(settings.setup.mapping_set_name, rows, schema_id)
    verdicts = await data_prep.validate(client, document)
    if len(verdicts) != len(rows):
        raise Unreadable(f"{len(rows)} mappings were sent to be validated, {len(verdicts)} verdicts came back")
    refused = tuple(
        (one.row.row, one.destination, why) for one, why in zip(mapping.rows, verdicts, strict=True) if why is not None
    )
    differences: list[tuple[Difference, ...]] = []
    told: list[dict[str, Any]] = []
    # A set with a row that Adobe refuses is not mapped with at all.
    for start in range(0, 0 if refused else len(events), at_once):
        part = events[start : start + at_once]
        made = await data_prep.preview(client, document, part)
        if len(made) != len(part):
            raise Unreadable(f"{len(part)} events were sent to be mapped, {len(made)} came back")
        for event, (adobes, errors) in zip(part, made, strict=True):
            ours, _ = mapping.apply(event)
            if schema is not None:
                ours, _, _ = schema.check(with_flags(ours))
            found = compare(mapping.rows, ours, adobes, errors)
            differences.append(tuple(found))
            told += cases(found, event)
    return Verified(len(rows), len(differences), refused, tuple(differences), told)
