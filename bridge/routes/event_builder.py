"""What the worker maps with, as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from bridge.routes.agreement import Disagreement, disagreements
from bridge.routes.mapping_opening import compiled
from bridge.xdm.experience_event import ExperienceEvents

if TYPE_CHECKING:
    from bridge.settings import AepSettings, MappingSettings, Settings

_log = structlog.get_logger(__name__)


NO_SCHEMA_HINT = "BRIDGE_MAPPING__SCHEMA names its JSON (AEP: Schemas, your schema, Copy JSON)"
NO_SCHEMA = (
    "no schema: nothing is coerced to it or checked against it, and what AEP refuses after its 200 is lost there;"
    f" {NO_SCHEMA_HINT}"
)


def open_agreeing(settings: MappingSettings, aep: AepSettings | None = None) -> ExperienceEvents:
    """What the mapping's settings describe, where mapping set, schema and settings agree.

    ``aep``: where the events go, so that it can be compared as well. Raises ``MappingError``, ``SchemaError``, ``Disagreement``.
    """
    mapping, schema = compiled(settings)
    schema_id, endpoint = (None, None) if aep is None else (aep.schema_id, aep.endpoint)
    found = disagreements(settings, mapping.rows, schema, schema_id=schema_id, endpoint=endpoint)
    if found:
        raise Disagreement(found)
    return ExperienceEvents(mapping, settings, schema)


def load_builder(settings: Settings) -> tuple[ExperienceEvents | None, str | None]:
    """Builder and sha256 of the mapping set; both None where AEP maps (raw payload). Raises ``MappingError``."""
    if settings.aep.payload == "raw":
        return None, None
    events = open_agreeing(settings.mapping, settings.aep)
    if events.schema is None:
        _log.warning(
            "mapping_without_schema",
            detail="Nothing is coerced to a schema or checked against one; what AEP refuses after its 200 is lost there.",
            path=str(settings.mapping.path),
            hint=NO_SCHEMA_HINT,
        )
    return events, events.mapping.sha256
