"""What can become of one event, and of one request that carries many: the types that the rooms hand to each other.

The retry class is the type. ``delivery`` matches on these and knows nothing else of a destination.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Stage(StrEnum):
    """Where an event was refused: the ``bridge.stage`` of its dead letter and the ``stage`` label of metrics."""

    RECEIVE = "receive"
    DECODE = "decode"
    MAP = "map"
    CHECK = "check"
    DELIVER = "deliver"
    INGEST = "ingest"


@dataclass(frozen=True, slots=True)
class Rejected:
    """The event is refused for good: it becomes a dead letter.

    ``code`` is a short stable identifier fit for a metric label (``identity_none_valid``, ``aep_400``);
    ``reason`` is one sentence for a person and may quote paths of the event, never its values.
    """

    stage: Stage
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The destination has accepted the event."""


@dataclass(frozen=True, slots=True)
class Transient:
    """The destination failed in a way that passes (5xx, timeout, broken connection): send again after a back-off.

    ``data_suspect``: the destination's documents allow that the event itself is the cause (AEP's 500 also stands for a
    payload whose schema does not match). Such a failure of one request while others succeed deserves bounded retries
    and then bisection; the same failure of every request is an outage.
    """

    reason: str
    data_suspect: bool = False


ACCEPTED = Accepted()

Verdict = Accepted | Rejected | Transient
"""What one request said of one of its events."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The request was processed event by event: ``verdicts[i]`` belongs to the i-th event of the request."""

    verdicts: Sequence[Verdict]


@dataclass(frozen=True, slots=True)
class AllAccepted:
    """Every event of the request was accepted (the hot path allocates no verdict per event)."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """The destination asks for less (429, or 503 with Retry-After); ``retry_after`` in seconds where it said so."""

    status: int
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unauthorized:
    """Credentials are refused, also after one forced refresh: hold, never drop, never dead-letter.

    ``sent``: False where nothing was sent, as there is no token to send with. Whoever gives tokens has pauses of its own, and of the
    destination this says nothing.
    """

    reason: str
    sent: bool = True


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """Every event would be refused because of how the bridge is set up (no such inlet, the wrong organisation).

    The data is not at fault: hold and alarm as for :class:`Unauthorized`, never drop, never dead-letter.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The request was over the destination's size: split it; a single event over it is a dead letter."""


@dataclass(frozen=True, slots=True)
class Unexplained:
    """The whole request was refused without naming the guilty event: bisect.

    When a request of a single event is answered so, that event is rejected with ``code`` and ``reason``.
    """

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Mismatched:
    """The answer's items cannot be matched to the request's events: send again once, then bisect; never guess.

    Of a single event it is as a data-suspect failure: its fault only when other events are taken meanwhile.
    """

    reason: str


Outcome = (
    AllAccepted | Answered | Transient | Throttled | Unauthorized | Misconfigured | TooLarge | Unexplained | Mismatched
)
"""What became of one request."""
