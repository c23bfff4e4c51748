"""What the worker maps with, as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.xdm.experience_event import ExperienceEvents, open_experience_events

if TYPE_CHECKING:
    from bridge.settings import Settings


def load_builder(settings: Settings) -> tuple[ExperienceEvents | None, str | None]:
    """Builder and sha256 of the mapping set; both None where AEP maps (raw payload). Raises ``MappingError``."""
    if settings.aep.payload == "raw":
        return None, None
    events = open_experience_events(settings.mapping)
    return events, events.mapping.sha256
