"""Why a worker is not ready: each reason is looked up when health asks, and says what is the matter in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.delivery.delivery import Delivery
    from bridge.kafka.consumer.ledger import Ledger
    from bridge.kafka.consumer.reading import Reading
    from bridge.kafka.dead_letters.store import DeadLetters
    from bridge.telemetry.health import Health
    from bridge.worker.watch.progress import Progress


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the reasons are taken from.

    ``title`` names the destination to a person, ``blamed_settings`` what to look at when it refuses the set-up. ``joined``: whether
    the worker is a member of its group; ``partitions``: how many the topic has, None when there is no such topic; ``total``: how
    many records wait in Kafka, None when that is not known. ``clock`` in monotonic seconds.
    """

    topic: str
    title: str
    blamed_settings: Sequence[str]
    ledger: Ledger
    delivery: Delivery[Any]
    letters: DeadLetters
    reading: Reading
    progress: Progress
    joined: Callable[[], bool]
    partitions: Callable[[], int | None]
    total: Callable[[], int | None]
    clock: Callable[[], float]

    def watch(self, health: Health) -> None:
        """Let health ask for every reason."""
        flow_control = self.delivery.flow_control
        health.watch("group", lambda: None if self.joined() else "not a member of the consumer group yet")
        health.watch("topic", self._absence)
        health.watch("reading", lambda: self.reading.trouble or None)
        health.watch("transactions", lambda: self.reading.transactions or None)
        health.watch("destination", self._destination_trouble)
        health.watch("credentials", lambda: None if flow_control.misconfigured else flow_control.refusal or None)
        health.watch("settings", self._settings_trouble)
        health.watch("postponed", self.progress.postponed)
        health.watch("partitions", self.progress.standing)
        health.watch(
            "dead_letters", lambda: None if self.letters.writable else "the dead-letter topic cannot be written"
        )

    def topic_is_absent(self) -> bool:
        """Whether the topic does not exist; with more workers than partitions some have none, and all is well."""
        return self.joined() and not self.ledger.assigned and self.partitions() is None

    def _absence(self) -> str | None:
        return f"topic {self.topic} does not exist" if self.topic_is_absent() else None

    def _settings_trouble(self) -> str | None:
        flow_control = self.delivery.flow_control
        if not (flow_control.refusal and flow_control.misconfigured):
            return None
        named = ", ".join(self.blamed_settings)
        return f"{self.title} refuses this bridge: {flow_control.refusal}" + (f"; check {named}" if named else "")

    def _destination_trouble(self) -> str | None:
        self.delivery.tick()  # so that metric and log say it no later than this
        if not self.ledger.events and self.total() == 0:
            return None  # nobody waits, and nothing is there to ask with whether the destination is back
        flow_control = self.delivery.flow_control
        return "; ".join(filter(None, (flow_control.throttled(self.clock()), flow_control.trouble))) or None
