"""What a worker runs, put together of doubles: MoEngage's decoder, a builder of XDM or none, any destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.destinations.aep.transform import RawTransform, XdmTransform
from bridge.model.ports import RouteParts
from bridge.routes.event_sketch import EventSketch
from bridge.routes.xdm_files import XdmFiles
from bridge.sources.moengage.decoder import DECODER

if TYPE_CHECKING:
    from bridge.model.delivery_policy import DeliveryPolicy
    from bridge.settings import MappingSettings
    from bridge.telemetry.metrics import Metrics


def parts_of(
    destination: Any,
    builder: Any = None,
    metrics: Metrics | None = None,
    *,
    encode: Any = None,
    policy: DeliveryPolicy | None = None,
    mapping: MappingSettings | None = None,
) -> RouteParts:
    """The parts; with ``mapping`` its files are watched for changes."""
    encode = encode or destination.encode
    more = {} if policy is None else {"policy": policy}
    if builder is None:
        return RouteParts(DECODER, RawTransform(encode), destination, **more)
    transform = XdmTransform(builder, encode, metrics)
    if mapping is not None:
        more["files"] = XdmFiles(mapping, lambda events: XdmTransform(events, encode, metrics))
        more["sketch"] = EventSketch(transform, metrics)
    return RouteParts(DECODER, transform, destination, **more)
