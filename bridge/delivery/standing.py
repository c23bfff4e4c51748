"""How the destination answers: its last word, since when, and a log line when that turns from good to bad and back. Pure but for log and metrics.

Only the beginning and the end of a time of failures are told, and at most one pair in a minute: single failures among
successes are the ordinary course of things, and counted in the metrics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from bridge.telemetry.metrics import Metrics

_log = structlog.get_logger(__name__)
_QUIET_SECONDS = 60.0


class Standing:
    """``word``: what the destination answered last ("" before the first answer), ``since``: when it began to answer so (monotonic)."""

    def __init__(self) -> None:
        self.word = ""
        self.good: bool | None = None
        self.since = 0.0
        self._told_at = -_QUIET_SECONDS
        self._told = False

    def took(self, now: float) -> None:
        """It has accepted events."""
        if self.good is True:
            return
        if self._told:
            _log.info(
                "destination_recovered",
                detail="The destination accepts events again.",
                after_seconds=round(now - self.since, 1),
                was=self.word,
            )
        self.good, self.since, self.word = True, now, "accepted"

    def failed(self, now: float, word: str) -> None:
        """It has refused a request as a whole, or has not answered it."""
        if self.good is not False:
            self.good, self.since, self._told = False, now, False
        self.word = word
        self.tell(now)

    def tell(self, now: float) -> None:
        """Say that it fails, unless that has been said."""
        if self.good is False and not self._told and now - self._told_at >= _QUIET_SECONDS:
            self._told, self._told_at = True, now
            _log.warning(
                "destination_fails",
                detail="The destination does not accept events; they wait and are sent again.",
                why=self.word,
                for_seconds=round(now - self.since, 1),
            )


class LongThrottling:
    """Tells that the destination has throttled for long, once, and its end."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._told = False

    def goes_on(self, why: str) -> None:
        """Why nothing has been taken for long; "" while that is not so."""
        self._metrics.throttled.set(bool(why))
        if why and not self._told:
            self._told = True
            _log.warning(
                "destination_throttles",
                detail="The destination throttles and has accepted nothing; events wait.",
                why=why,
            )

    def over(self) -> None:
        """The destination has accepted events."""
        if self._told:
            self._told = False
            self._metrics.throttled.set(0)
            _log.info(
                "destination_throttles_no_more",
                detail="The destination accepts events again, at a lower rate at first.",
            )
