"""When a failure that should pass does not: is the data the cause, or is the destination away? Pure.

A 500 may mean an outage or a payload that the destination cannot digest. Splitting a request costs nothing and may free
the innocent, so a request that keeps failing is halved. To call a single event guilty takes evidence: it failed, over and
over, while other requests succeeded between its failures. During an outage no others succeed, so an outage never makes a
dead letter. Nor does a destination that fails now and then, whatever is sent: what failed is accepted later, as it was, and so many
failures of the destination's own excuse every event. What never is taken excuses nobody, however many such events there are.

The same evidence names what the destination postpones for ever for another reason than its data (a 503, 429, 401 or 403 for
this event, a proxy's 502, a time-out): not guilty of anything, but its partition stands still behind it, and somebody must know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.delivery.waiting import Shipment

_SPLIT_AFTER = 6
_HALVES_START_AT = 4
_GUILTY_AFTER = 8
_KNOWN_AFTER = 3
_NAMED_TRIES = 10
_NAMED_SECONDS = 15.0


@dataclass(slots=True)
class RequestTally:
    """How requests have fared so far; ``recovered`` counts failures of those that were accepted later, as they were."""

    successes: int = 0
    recovered: int = 0


def note_failure(shipment: Shipment[Any], record: RequestTally, now: float, *, suspect: bool, reason: str) -> None:
    """Count a failed sending; others have passed it by when they mostly succeeded at once since it failed before.

    That is a strike against its data where the failure is ``suspect``.
    """
    succeeded = record.successes - shipment.successes
    if shipment.tries and succeeded > 0 and succeeded >= record.recovered - shipment.recovered:
        shipment.passed += 1
        shipment.strikes += suspect
    if not shipment.tries:
        shipment.since = now
    shipment.tries += 1
    shipment.failed += 1
    shipment.reason = reason
    shipment.successes, shipment.recovered = record.successes, record.recovered


def note_taken(shipment: Shipment[Any], record: RequestTally) -> None:
    """Some of its events have a verdict: that it failed before was the destination's fault, not theirs."""
    record.recovered += shipment.failed


def wants_evidence(shipment: Shipment[Any], record: RequestTally) -> bool:
    """Whether nothing has been accepted since it failed."""
    return shipment.tries > 0 and record.successes == shipment.successes


def is_about_its_events(shipment: Shipment[Any], record: RequestTally) -> bool:
    """Whether a refusal of us all (credentials, set-up) must be its events': it failed before, and others were accepted since."""
    return shipment.passed > 0 or (shipment.tries > 0 and record.successes > shipment.successes)


def is_known(shipment: Shipment[Any], record: RequestTally) -> bool:
    """Whether another failure of it would tell nothing new of the destination: it fails beside others that are accepted."""
    return shipment.passed >= _KNOWN_AFTER or (shipment.tries > 0 and record.successes > shipment.successes)


def is_held_up(shipment: Shipment[Any], now: float) -> bool:
    """Whether the destination keeps postponing it while it accepts others: after ten tries, or fewer slow ones.

    What counts against its data is left out: that ends by itself, with a verdict.
    """
    postponed = shipment.passed - shipment.strikes >= _KNOWN_AFTER
    return postponed and (shipment.tries >= _NAMED_TRIES or now - shipment.since >= _NAMED_SECONDS)


def is_given_up(shipment: Shipment[Any], tries: int) -> bool:
    """Whether it has had ``tries`` sendings (0: no bound), each but the first while others were accepted."""
    return tries > 0 and shipment.tries >= tries and shipment.passed >= tries - 1


def should_split(shipment: Shipment[Any]) -> bool:
    """Whether to cut the shipment in two: it keeps failing, and its halves may not."""
    return len(shipment.batch.items) > 1 and shipment.tries >= _SPLIT_AFTER


def is_guilty(shipment: Shipment[Any]) -> bool:
    """Whether a single event has been shown to be what the destination cannot accept."""
    return len(shipment.batch.items) == 1 and shipment.strikes >= _GUILTY_AFTER


def inherit(shipment: Shipment[Any], half: Shipment[Any]) -> None:
    """A half starts a little below the limit, so that the guilty event is alone after a few rounds."""
    continues(shipment, half)
    half.tries, half.strikes = min(shipment.tries, _HALVES_START_AT), 0
    # One of them may be innocent: what is known of the whole each has to show for itself.
    half.passed = min(shipment.passed - shipment.strikes, _KNOWN_AFTER - 1)


def continues(shipment: Shipment[Any], rest: Shipment[Any]) -> None:
    """What is left of a shipment whose other events have their verdict has its history."""
    rest.tries, rest.strikes, rest.passed = shipment.tries, shipment.strikes, shipment.passed
    rest.since, rest.reason, rest.told = shipment.since, shipment.reason, shipment.told
    rest.successes, rest.recovered = shipment.successes, shipment.recovered
