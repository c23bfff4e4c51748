"""What the worker maps with, as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.xdm.experience_event import ExperienceEvents

if TYPE_CHECKING:
    from bridge.settings import Settings


def load_builder(settings: Settings) -> tuple[ExperienceEvents | None, str | None]:
    """Builder and sha256 of the mapping set; both None where AEP maps (raw payload). Raises ``MappingError``."""
    if settings.aep.payload == "raw":
        return None, None
    # The mapping language takes a moment to load, and whoever sends raw payloads does without.
    from bridge.mapping.compiler import compile_mapping  # noqa: PLC0415
    from bridge.mapping.table import load_mapping_set  # noqa: PLC0415

    mapping = settings.mapping
    compiled = compile_mapping(
        load_mapping_set(mapping.path),
        tenant=mapping.tenant,
        primary_identity=mapping.primary_identity[0],
        placeholders=mapping.placeholders,
        strict=mapping.strict,
    )
    return ExperienceEvents(compiled, mapping), compiled.sha256
