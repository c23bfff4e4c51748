"""What a worker runs towards AEP: the mapping set of the settings as a transform, and the destination."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.destinations.aep.destination import delivery_policy, open_destination
from bridge.destinations.aep.transform import RawTransform, XdmTransform
from bridge.model.ports import RouteParts
from bridge.routes.event_builder import load_builder
from bridge.routes.event_sketch import EventSketch
from bridge.routes.xdm_files import XdmFiles
from bridge.xdm.size import SizeRule

if TYPE_CHECKING:
    from bridge.model.ports import Decoder
    from bridge.settings import Settings
    from bridge.telemetry.metrics import Metrics
    from bridge.xdm.experience_event import ExperienceEvents


def open_aep(settings: Settings, decoder: Decoder, metrics: Metrics) -> RouteParts:
    """Raises ``SettingsError`` for what is missing, ``MappingError``, ``SchemaError`` or ``Disagreement`` for the files."""
    events, sha256 = load_builder(settings)
    if sha256 is not None:
        metrics.mapping_info.labels(sha256).set(1)
    destination = open_destination(settings, metrics)
    policy = delivery_policy(settings)
    if events is None:
        return RouteParts(decoder, RawTransform(destination.encode), destination, policy)

    def transform_of(events: ExperienceEvents) -> XdmTransform:
        return XdmTransform(events, destination.encode, metrics, size=SizeRule(settings.mapping))

    transform = transform_of(events)
    files = XdmFiles(settings.mapping, transform_of, settings.aep)
    return RouteParts(decoder, transform, destination, policy, files=files, sketch=EventSketch(transform, metrics))
