"""What a worker tells of itself beyond numbers: the line that it is at work, and its report for ``/status``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import structlog

from bridge.telemetry.report import DestinationReport, MappingReport, Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.delivery.delivery import Delivery
    from bridge.kafka.consumer.ledger import Ledger
    from bridge.settings import Settings

_log = structlog.get_logger(__name__)


class SelfReport:
    """``host`` is the destination's; ``mapping`` is the sha256 of the set in use, None for raw events; ``clock`` is delivery's, ``wall`` seconds since 1970."""

    def __init__(
        self,
        settings: Settings,
        host: str,
        mapping: str | None,
        ledger: Ledger,
        delivery: Delivery[Any],
        *,
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._topic = settings.kafka.topic
        self._path = settings.mapping.path
        self._host = host
        self._ledger = ledger
        self._delivery = delivery
        self._clock = clock
        self._wall = wall
        self._mapping = mapping
        self._since = wall()
        self._told: list[int] | None = None

    def exchanged(self, mapping: str | None) -> None:
        """Another mapping set is in use from now on."""
        self._mapping, self._since = mapping, self._wall()

    def at_work(self) -> None:
        """Say which partitions are worked on, with which mapping and for whom, unless that has been said."""
        numbers = sorted(number for _, number in self._ledger.committed())
        if numbers == self._told:
            return
        self._told = numbers
        name, sha256 = self._in_use()
        _log.info(
            "at_work",
            detail="The worker has its partitions and delivers their events.",
            topic=self._topic,
            partitions=numbers,
            mapping=f"{name} {sha256[:8]}".rstrip(),
            destination=self._host,
        )

    def report(self, *, joined: bool, lag_known: bool, refused: tuple[float, str] | None) -> Report:
        """The whole; ``refused``: when and why a change of the mapping files was refused last."""
        now, flow_control = self._clock(), self._delivery.flow_control
        standing = flow_control.standing
        name, sha256 = self._in_use()
        refused_at, refused_why = refused or (None, "")
        return Report(
            "worker",
            joined=joined,
            partitions=self._ledger.assigned if joined else None,
            lag_known=joined and lag_known,
            destination=DestinationReport(
                host=self._host,
                good=standing.good,
                answer=standing.word,
                since=None if standing.good is None else self._wall() - (now - standing.since),
                next_try=flow_control.next_try(now) if flow_control.blocked or flow_control.throttle.active else "",
            ),
            mapping=MappingReport(name, sha256, self._since, refused_at, refused_why),
        )

    def _in_use(self) -> tuple[str, str]:
        return ("none (raw events)", "") if self._mapping is None else (self._path.name, self._mapping)
