"""When a failure that should pass does not: is the data the cause, or is the destination away? Pure.

A 500 may mean an outage or a payload that the destination cannot digest. Splitting a request costs nothing and may free
the innocent, so a request that keeps failing is halved. To call a single event guilty takes evidence: it failed, over and
over, while other requests succeeded between its failures. During an outage no others succeed, so an outage never makes a
dead letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.pipeline.waiting import Shipment

_SPLIT_AFTER = 6
_HALVES_START_AT = 4
_GUILTY_AFTER = 8


@dataclass(slots=True)
class Record:
    """How all requests have fared so far."""

    successes: int = 0
    failures: int = 0


def note_failure(shipment: Shipment[Any], record: Record, *, suspect: bool) -> None:
    """Count a failed sending; it is a strike when others mostly succeeded since this shipment failed before."""
    succeeded = record.successes - shipment.successes
    failed = record.failures - shipment.failures
    if suspect and shipment.tries and succeeded > 0 and succeeded >= failed:
        shipment.strikes += 1
    shipment.tries += 1
    shipment.successes, shipment.failures = record.successes, record.failures


def should_split(shipment: Shipment[Any]) -> bool:
    """Whether to cut the shipment in two: it keeps failing, and its halves may not."""
    return len(shipment.batch.items) > 1 and shipment.tries >= _SPLIT_AFTER


def is_guilty(shipment: Shipment[Any]) -> bool:
    """Whether a single event has been shown to be what the destination cannot take."""
    return len(shipment.batch.items) == 1 and shipment.strikes >= _GUILTY_AFTER


def inherit(shipment: Shipment[Any], half: Shipment[Any]) -> None:
    """A half starts a little below the limit, so that the guilty event is alone after a few rounds."""
    half.tries = min(shipment.tries, _HALVES_START_AT)
    half.successes, half.failures = shipment.successes, shipment.failures
