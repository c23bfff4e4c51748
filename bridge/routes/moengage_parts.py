"""What a worker runs towards MoEngage: the mapping set of the settings as a transform, the destination, and its pace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge import shipped
from bridge.destinations.moengage.destination import MoEngageDestination, check_settings
from bridge.destinations.moengage.policy import delivery_policy
from bridge.destinations.moengage.transform import MoEngageTransform
from bridge.model.errors import SettingsError
from bridge.model.ports import RouteParts
from bridge.routes.event_sketch import EventSketch
from bridge.routes.moengage_events import open_moengage_events
from bridge.routes.moengage_files import MoEngageFiles
from bridge.settings import variable
from bridge.settings.mapping import SHIPPED_SET

if TYPE_CHECKING:
    from bridge.model.ports import Decoder
    from bridge.routes.moengage_events import MoEngageEvents
    from bridge.settings import MappingSettings, Settings
    from bridge.telemetry.metrics import Metrics


def open_moengage(settings: Settings, decoder: Decoder, metrics: Metrics) -> RouteParts:
    """Raises ``SettingsError`` for what is missing and ``MappingError`` for what is wrong in the mapping set."""
    check_settings(settings.moengage)
    check_mapping(settings.mapping)
    events = open_moengage_events(settings.mapping, settings.moengage)
    metrics.mapping_info.labels(events.mapping.sha256).set(1)

    def transform_of(events: MoEngageEvents) -> MoEngageTransform:
        return MoEngageTransform(
            events.map_event,
            events.shaper,
            metrics,
            mapping=events.mapping.sha256,
            attributes=events.attributes,
            builder=events,
        )

    transform = transform_of(events)
    return RouteParts(
        decoder,
        transform,
        MoEngageDestination(settings.moengage, metrics),
        delivery_policy(settings.moengage),
        files=MoEngageFiles(settings.mapping, settings.moengage, decoder, transform_of),
        sketch=EventSketch(transform, metrics),
    )


def check_mapping(settings: MappingSettings) -> None:
    """Raise ``SettingsError`` where the mapping set is the one that ships for AEP."""
    if settings.path.resolve() == shipped.find(SHIPPED_SET).resolve():
        raise SettingsError(
            f"{variable('mapping', 'path')}: not set; the mapping set that ships writes ExperienceEvents for AEP",
            hint="name a mapping set whose destinations begin with customer, event or device; docs/moengage-destination.md has one",
        )
